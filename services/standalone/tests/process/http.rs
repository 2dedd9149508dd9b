//! Requests and answers, whatever their status.

use bennu_loadtests::otlp_client::plain_agent;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message as _;
use serde_json::Value;
use ureq::http::{HeaderMap, Request, Response};
use ureq::{Agent, Body};

/// 1,000 spans of 3 KB are about 5 MB as JSON; anything near this bound is not a page.
const LARGEST_ANSWER: u64 = 256 << 20;

pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    fn read(mut response: Response<Body>) -> Result<Self, ureq::Error> {
        let body = response.body_mut().with_config().limit(LARGEST_ANSWER).read_to_vec()?;
        Ok(Self { status: response.status().as_u16(), headers: response.headers().clone(), body })
    }
}

pub fn get(url: &str) -> Answer {
    Answer::read(plain_agent().get(url).call().unwrap()).unwrap()
}

/// A request of any method with an empty body.
pub fn ask(method: &str, url: &str) -> Answer {
    let request = Request::builder().method(method).uri(url).body(()).unwrap();
    Answer::read(plain_agent().run(request).unwrap()).unwrap()
}

/// The JSON of an answer that must be 200.
pub fn get_json(url: &str) -> Value {
    let answer = get(url);
    assert_eq!(answer.status, 200, "{url}: {}", answer.text());
    serde_json::from_slice(&answer.body).unwrap()
}

/// Every item of a list, page after page.
pub fn get_all(url: &str) -> Vec<Value> {
    let mut items = Vec::new();
    let mut page = get_json(url);
    loop {
        items.append(page["data"].as_array_mut().unwrap());
        let Some(cursor) = page["next_cursor"].as_str() else { break items };
        page = get_json(&format!("{url}&cursor={}", cursor.replace('+', "%2B").replace('=', "%3D")));
    }
}

/// Sends spans to the server at `url`. An error means that nobody knows what became of them.
pub fn send(agent: &Agent, url: &str, body: &[u8]) -> Result<Answer, ureq::Error> {
    let request = agent.post(format!("{url}/v1/traces")).content_type("application/x-protobuf");
    Answer::read(request.send(body)?)
}

/// Sends spans that must be taken.
pub fn send_one(url: &str, request: &ExportTraceServiceRequest) {
    let answer = send(&plain_agent(), url, &request.encode_to_vec()).unwrap();
    assert_eq!((answer.status, answer.body.as_slice()), (200, &[][..]));
}

/// The names of the spans of a project, in order of arrival.
pub fn span_names(url: &str, project: &str) -> Vec<String> {
    let listed = get_all(&format!("{url}/v1/projects/{project}/spans?order=asc"));
    listed.iter().map(|span| span["name"].as_str().unwrap().to_owned()).collect()
}
