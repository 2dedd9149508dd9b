//! How fast annotations are taken in: answered when they are stored, and queued.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde::Serialize;
use serde_json::{Value, json};
use ureq::Agent;

use crate::measure::{Latencies, per};
use crate::otlp_client::{Endpoint, plain_agent};
use crate::span_reader::{LARGEST_PAGE, Listing, SpanReader};

/// Annotations a request; official clients cut their data frames to this.
const A_REQUEST: usize = 100;
const SYNC_REQUESTS: usize = 30;
const WARM_UPS: usize = 3;
/// Clients that queue at the same time.
const CONNECTIONS: usize = 4;
const POLL: Duration = Duration::from_millis(10);
const PATIENCE: Duration = Duration::from_mins(5);

/// Requests of 100 annotations.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct AnnotationLoad {
    /// `sync=true`, one request after the other.
    pub sync: Latencies,
    /// `sync=false`: the answer that they are queued.
    pub queued: Latencies,
    /// From the first queued annotation until the last one can be read.
    pub applied_per_s: f64,
}

/// Annotates the newest spans of the project; `queued` is the number of annotations that are queued.
pub fn annotate(
    endpoint: &Endpoint,
    reader: &SpanReader,
    project: &str,
    queued: usize,
) -> Result<AnnotationLoad> {
    let spans = reader.page(Listing::Spans, LARGEST_PAGE, None)?.span_ids;
    ensure!(spans.len() >= A_REQUEST, "{} spans are too few", spans.len());
    let target = Target { agent: plain_agent(), endpoint, project, spans: &spans };
    let mut sync = Vec::with_capacity(SYNC_REQUESTS);
    for number in 0..WARM_UPS + SYNC_REQUESTS {
        let latency = target.send("?sync=true", &format!("sync {number}"), number)?;
        if number >= WARM_UPS {
            sync.push(latency);
        }
    }
    let requests = queued.div_ceil(A_REQUEST);
    let begin = Instant::now();
    let answers = target.queue(requests)?;
    for number in 0..requests {
        target.wait_for(&name(number), number, begin)?;
    }
    Ok(AnnotationLoad {
        sync: Latencies::of(&sync).context("no annotation was sent")?,
        queued: Latencies::of(&answers).context("no annotation was queued")?,
        applied_per_s: 1.0 / per(begin.elapsed().as_secs_f64(), requests * A_REQUEST),
    })
}

fn name(number: usize) -> String {
    format!("queued {number}")
}

struct Target<'a> {
    agent: Agent,
    endpoint: &'a Endpoint,
    project: &'a str,
    spans: &'a [String],
}

impl Target<'_> {
    /// The spans that the request of this number annotates.
    fn spans_of(&self, number: usize) -> impl Iterator<Item = &str> {
        let start = number * A_REQUEST % (self.spans.len() - A_REQUEST + 1);
        self.spans[start..start + A_REQUEST].iter().map(String::as_str)
    }

    fn send(&self, query: &str, name: &str, number: usize) -> Result<Duration> {
        let item = |span: &str| {
            let result =
                json!({"label": "relevant", "score": 0.75, "explanation": "It answers what was asked."});
            json!({"span_id": span, "name": name, "annotator_kind": "LLM", "result": result, "metadata": {"run": number}})
        };
        let body = json!({ "data": self.spans_of(number).map(item).collect::<Vec<_>>() });
        let url = format!("{}/v1/span_annotations{query}", self.endpoint.base_url);
        let mut request = self.agent.post(url).header("content-type", "application/json");
        if let Some(key) = &self.endpoint.api_key {
            request = request.header("authorization", format!("Bearer {key}"));
        }
        let body = body.to_string();
        let begin = Instant::now();
        let mut response = request.send(body)?;
        let text = response.body_mut().read_to_string()?;
        let latency = begin.elapsed();
        ensure!(response.status().is_success(), "{}: {text}", response.status());
        Ok(latency)
    }

    fn queue(&self, requests: usize) -> Result<Vec<Duration>> {
        let next = AtomicUsize::new(0);
        let send = || {
            let mut latencies = Vec::new();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= requests {
                    return Ok(latencies);
                }
                latencies.push(self.send("", &name(number), number)?);
            }
        };
        thread::scope(|scope| {
            let sending: Vec<_> = (0..CONNECTIONS.min(requests)).map(|_| scope.spawn(send)).collect();
            let sent = sending.into_iter().map(|thread| match thread.join() {
                Ok(latencies) => latencies,
                Err(_) => bail!("a sending thread panicked"),
            });
            Ok(sent.collect::<Result<Vec<_>>>()?.concat())
        })
    }

    /// Until all annotations of a request can be read.
    fn wait_for(&self, name: &str, number: usize, begin: Instant) -> Result<()> {
        let url = format!("{}/v1/projects/{}/span_annotations", self.endpoint.base_url, self.project);
        let spans: Vec<&str> = self.spans_of(number).collect();
        loop {
            let mut request =
                self.agent.get(&url).query("limit", "1000").query("include_annotation_names", name);
            for span in &spans {
                request = request.query("span_ids", span);
            }
            if let Some(key) = &self.endpoint.api_key {
                request = request.header("authorization", format!("Bearer {key}"));
            }
            let text = request.call()?.body_mut().read_to_string()?;
            let found: Value = serde_json::from_str(&text).with_context(|| text.clone())?;
            if found["data"].as_array().is_some_and(|found| found.len() == spans.len()) {
                return Ok(());
            }
            ensure!(begin.elapsed() < PATIENCE, "request {number} is not applied after {PATIENCE:?}");
            thread::sleep(POLL);
        }
    }
}
