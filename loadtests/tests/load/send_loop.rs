//! The client against a small HTTP server inside the test.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crate::tiny_server::{Answer, TinyServer};
use bennu_loadtests::otlp_client::{Endpoint, LoadOutcome, Pace, send_all};
use bennu_loadtests::trace_generator::{GeneratedRequest, SPANS_PER_REQUEST, TraceGenerator};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceResponse,
};
use prost::Message;

/// A receiver that remembers every body and answers request number `n` (from 0) as the test says.
struct Receiver {
    server: TinyServer,
    bodies: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Receiver {
    fn start(answer: fn(usize) -> Answer, thinking_time: Duration) -> Self {
        let bodies: Arc<Mutex<Vec<Vec<u8>>>> = Arc::default();
        let seen = Arc::clone(&bodies);
        let server = TinyServer::start(move |request| {
            assert_eq!(request.head[0], "POST /v1/traces HTTP/1.1");
            for header in [
                "content-type: application/x-protobuf",
                "content-encoding: gzip",
                "authorization: Bearer key-1",
            ] {
                assert!(request.head.iter().any(|line| line == header), "{header}: {:?}", request.head);
            }
            let number = {
                let mut seen = seen.lock().unwrap();
                seen.push(request.body);
                seen.len() - 1
            };
            thread::sleep(thinking_time);
            answer(number)
        });
        Self { server: server.unwrap(), bodies }
    }

    fn endpoint(&self) -> Endpoint {
        Endpoint { base_url: self.server.base_url.clone(), api_key: Some("key-1".to_owned()) }
    }
}

fn status(status: &'static str) -> Answer {
    Answer { status, body: Vec::new() }
}

fn requests(count: usize) -> Vec<GeneratedRequest> {
    TraceGenerator::new(11, "unit", 1_767_225_600_000_000_000).requests(0..count).unwrap()
}

fn send(endpoint: &Endpoint, requests: &[GeneratedRequest], concurrency: usize, pace: Pace) -> LoadOutcome {
    send_all(endpoint, requests, concurrency, pace, |_| {}).unwrap()
}

#[test]
fn every_request_is_sent_once_over_kept_connections() {
    let store = Receiver::start(|_| status("200 OK"), Duration::ZERO);
    let requests = requests(40);
    let told = AtomicUsize::new(0);
    let outcome = send_all(&store.endpoint(), &requests, 4, Pace::FullSpeed, |count| {
        told.fetch_max(count, Ordering::Relaxed);
    })
    .unwrap();

    let mut acknowledged = outcome.acknowledged.clone();
    acknowledged.sort_unstable();
    assert_eq!(acknowledged, (0..40).collect::<Vec<_>>());
    assert_eq!(outcome.latencies.len(), 40);
    assert_eq!(told.into_inner(), 40);
    assert!(outcome.failures.is_empty() && outcome.busy_answers == 0);
    assert!(outcome.spans_per_second() > 0.0);
    assert_eq!(store.server.connections(), 4);
    let mut received = store.bodies.lock().unwrap().clone();
    let mut sent: Vec<_> = requests.into_iter().map(|request| request.body_gzip).collect();
    received.sort_unstable();
    sent.sort_unstable();
    assert_eq!(received, sent);
}

#[test]
fn a_busy_server_is_asked_again_and_other_errors_are_not() {
    let store = Receiver::start(
        |number| match number {
            0 | 2 | 3 => status("503 Service Unavailable"),
            5 => status("500 Internal Server Error"),
            _ => status("200 OK"),
        },
        Duration::ZERO,
    );
    let outcome = send(&store.endpoint(), &requests(6), 1, Pace::FullSpeed);
    // Answers in order: 503 200 | 503 503 200 | 500 | 200 | 200 | 200
    assert_eq!(outcome.acknowledged, [0, 1, 3, 4, 5]);
    assert_eq!(outcome.busy_answers, 3);
    assert_eq!(outcome.failures.into_iter().collect::<Vec<_>>(), [("status 500".to_owned(), 1)]);
    assert_eq!(store.bodies.lock().unwrap().len(), 9);
}

#[test]
fn a_partial_success_is_no_acknowledgement() {
    let partial = |number| {
        let rejected_spans = i64::from(number == 1);
        let partial_success =
            Some(ExportTracePartialSuccess { rejected_spans, error_message: "one is bad".to_owned() });
        Answer { status: "200 OK", body: ExportTraceServiceResponse { partial_success }.encode_to_vec() }
    };
    let store = Receiver::start(partial, Duration::ZERO);
    let outcome = send(&store.endpoint(), &requests(3), 1, Pace::FullSpeed);
    assert_eq!(outcome.acknowledged, [0, 2]);
    assert_eq!(outcome.failures.into_iter().collect::<Vec<_>>(), [("some spans rejected".to_owned(), 1)]);
}

#[test]
fn a_vanished_server_is_a_failure_not_an_acknowledgement() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let base_url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let outcome = send(&Endpoint { base_url, api_key: None }, &requests(3), 2, Pace::FullSpeed);
    assert!(outcome.acknowledged.is_empty());
    assert_eq!(outcome.failures.values().sum::<u64>(), 3);
}

#[test]
fn at_a_fixed_rate_waiting_for_a_free_connection_counts_as_latency() {
    // One request is due every 5 ms, each takes at least 20: the last of 20 starts 300 ms late.
    let store = Receiver::start(|_| status("200 OK"), Duration::from_millis(20));
    let rate = f64::from(u32::try_from(SPANS_PER_REQUEST).unwrap()) * 200.0;
    let outcome = send(&store.endpoint(), &requests(20), 1, Pace::SpansPerSecond(rate));
    assert_eq!(outcome.acknowledged.len(), 20);
    assert!(outcome.latencies[0] < Duration::from_millis(200), "{:?}", outcome.latencies[0]);
    assert!(outcome.latencies[19] >= Duration::from_millis(300), "{:?}", outcome.latencies[19]);
}

#[test]
fn a_fixed_rate_is_kept_when_the_server_is_faster() {
    let store = Receiver::start(|_| status("200 OK"), Duration::ZERO);
    let rate = f64::from(u32::try_from(SPANS_PER_REQUEST).unwrap()) * 100.0;
    let outcome = send(&store.endpoint(), &requests(21), 4, Pace::SpansPerSecond(rate));
    assert!(outcome.elapsed >= Duration::from_millis(200), "{:?}", outcome.elapsed);
}
