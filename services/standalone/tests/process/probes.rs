//! What people and machines see who look after the server: home page, health, version and metrics.

use std::collections::HashMap;

use bennu_testkit::otlp::{request, span};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use prost::Message as _;
use serde_json::json;

use bennu_loadtests::otlp_client::plain_agent;

use crate::bennu::Bennu;
use crate::http::{Answer, ask, get, get_json, send, send_one};

/// The version whose API this is.
const IMITATED: &str = "20.26.1";

#[test]
fn the_home_page_says_where_to_send_traces() {
    let directory = tempfile::tempdir().unwrap();
    let bennu = Bennu::start(directory.path(), &[]);
    let page = get(&bennu.at("/"));
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    let grpc = format!("127.0.0.1:{}", bennu.grpc_port);
    let title = format!("Bennu {}", env!("CARGO_PKG_VERSION"));
    for text in [&bennu.at("/v1/traces"), &grpc, &title, "href=\"/openapi.json\"", IMITATED] {
        assert!(page.text().contains(text), "{text}");
    }
    assert!(!page.text().contains("{{"), "a place was not filled");
}

#[test]
fn the_home_page_takes_the_name_by_which_it_was_reached() {
    let directory = tempfile::tempdir().unwrap();
    let bennu = Bennu::start(directory.path(), &[]);
    let page_at = |host: &str| {
        let request = plain_agent().get(bennu.at("/")).header("host", host);
        request.call().unwrap().body_mut().read_to_string().unwrap()
    };
    let cells = |host: &str, name: &str| {
        let grpc = bennu.grpc_port;
        [format!("<code>http://{host}/v1/traces</code>"), format!("<code>{name}:{grpc}</code>")]
    };
    for (host, name) in [
        ("bennu.example:8080", "bennu.example"),
        ("bennu.example", "bennu.example"),
        ("[::1]:80", "[::1]"),
        ("[::1]", "[::1]"),
    ] {
        let page = page_at(host);
        for cell in cells(host, name) {
            assert!(page.contains(&cell), "{cell} for {host}");
        }
    }
    assert!(!page_at("a\"><script>alert(1)</script>").contains("<script>alert"));
}

#[test]
fn health_and_version() {
    let directory = tempfile::tempdir().unwrap();
    let bennu = Bennu::start(directory.path(), &[]);
    assert_eq!((get(&bennu.at("/healthz")).status, get(&bennu.at("/healthz")).text()), (200, "OK"));
    assert_eq!(get(&bennu.at("/arize_phoenix_version")).text(), IMITATED);
    for (method, path, status) in [
        ("GET", "/arize_phoenix_version", 200),
        ("GET", "/v1/projects", 200),
        ("GET", "/v1/projects/nobody", 404),
        ("GET", "/nothing", 404),
        ("PATCH", "/v1/projects", 405),
        ("POST", "/v1/traces", 415),
        ("GET", "/v1/projects?limit=x", 422),
    ] {
        let answer = ask(method, &bennu.at(path));
        assert_eq!(answer.status, status, "{method} {path}");
        assert_eq!(answer.header("x-phoenix-server-version"), Some(IMITATED), "{method} {path}");
    }
}

#[test]
fn it_is_ready_as_soon_as_it_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let bennu = Bennu::start(directory.path(), &[]);
    assert_eq!(get_json(&bennu.at("/readyz")), json!({}));
}

/// Values by name and labels.
fn metrics(bennu: &Bennu) -> HashMap<String, f64> {
    let answer = get(&bennu.at("/metrics"));
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("text/plain; version=0.0.4")));
    let samples = answer.text().lines().filter(|line| !line.starts_with('#'));
    samples
        .map(|line| {
            let (name, value) = line.rsplit_once(' ').unwrap();
            (name.to_owned(), value.parse().unwrap())
        })
        .collect()
}

#[test]
fn metrics_count_what_was_sent() {
    let directory = tempfile::tempdir().unwrap();
    let bennu = Bennu::start(directory.path(), &[]);
    let good = request().project("counted").spans([span(1, 1), span(1, 2), span(2, 3)]).build();
    let mut mixed = request().project("counted").spans([span(2, 3), span(2, 4), span(3, 5)]).build();
    mixed.resource_spans[0].scope_spans[0].spans[2].trace_id.truncate(7);

    send_one(&bennu.url, &good);
    assert_eq!(rejected_of(&send_any(&bennu, &mixed)), 1);

    let metrics = metrics(&bennu);
    #[expect(clippy::cast_precision_loss, reason = "the requests of this test are short")]
    let sent_bytes = (good.encoded_len() + mixed.encoded_len()) as f64;
    for (name, value) in [
        ("bennu_ingest_received_bytes_total", sent_bytes),
        ("bennu_ingest_spans_accepted_total", 5.0),
        (r#"bennu_ingest_spans_rejected_total{reason="invalid"}"#, 1.0),
        ("bennu_ingest_spans_duplicate_total", 1.0),
        ("bennu_writer_batches_total", 2.0),
        ("bennu_writer_batch_spans_sum", 4.0),
        ("bennu_writer_queue_bytes", 0.0),
        (r#"bennu_http_requests_total{method="POST",route="/v1/traces",status="2xx"}"#, 2.0),
        (r#"bennu_build_info{version="0.1.0"}"#, 1.0),
    ] {
        assert!((metrics[name] - value).abs() < 0.5, "{name} is {}, not {value}", metrics[name]);
    }
    assert!(metrics["process_resident_memory_bytes"] > 1e6);
}

fn send_any(bennu: &Bennu, request: &ExportTraceServiceRequest) -> Answer {
    let answer = send(&plain_agent(), &bennu.url, &request.encode_to_vec()).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer
}

fn rejected_of(answer: &Answer) -> i64 {
    let answer = ExportTraceServiceResponse::decode(answer.body.as_slice()).unwrap();
    answer.partial_success.unwrap().rejected_spans
}
