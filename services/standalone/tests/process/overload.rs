//! More than the server can hold: refused in words that exporters understand, never lost, never kept in memory.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use bennu_loadtests::otlp_client::plain_agent;
use bennu_testkit::otlp::{request, span};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message as _;
use tonic::Code;

use crate::bennu::{Bennu, whole_machine};
use crate::grpc;
use crate::http::{Answer, get, send, send_one, span_names};
use crate::rows::Rows;

const PROJECT: &str = "overload";
const SMALL_BUFFER: &[(&str, &str)] = &[
    ("BENNU_INGEST_BUFFER_BYTES", "1MiB"),
    ("BENNU_INGEST_MAX_BODY_BYTES", "1MiB"),
    ("BENNU_LOG", "error"), // each refusal is a warning
];
const KIB: usize = 1024;
/// Refusals come at once; a commit that waited for the lock comes soon after it.
const ANSWERED_WITHIN: Duration = Duration::from_secs(30);

/// A request of one span with this name and this many bytes.
fn large(number: u64, name: &str, bytes: usize) -> ExportTraceServiceRequest {
    // What the rest of such a request takes.
    let text = "x".repeat(bytes - 200);
    request()
        .project(PROJECT)
        .span(span(number.into(), number).named(name).attribute("input.value", text))
        .build()
}

/// Holds SQLite's write lock, so that nothing can be committed, until it is let go.
fn lock_database(directory: &Path) -> Rows {
    let rows = Rows::open(&format!("sqlite://{}", directory.join("bennu.db").display()));
    rows.execute("BEGIN IMMEDIATE");
    rows
}

fn assert_busy(answer: &Answer) {
    assert_eq!(answer.status, 503, "{}", answer.text());
    let seconds: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=10).contains(&seconds), "Retry-After: {seconds}");
}

/// Until requests hold so many bytes of the buffer.
fn wait_until_held(bennu: &Bennu, bytes: usize) {
    let begin = Instant::now();
    let held = |metrics: &str| {
        let line = metrics.lines().find_map(|line| line.strip_prefix("bennu_writer_queue_bytes "));
        line.and_then(|held| held.parse().ok()).unwrap_or(0)
    };
    while held(get(&bennu.at("/metrics")).text()) < bytes {
        assert!(begin.elapsed() < ANSWERED_WITHIN, "the upload never held its room");
    }
}

#[test]
fn what_does_not_fit_the_buffer_is_refused_and_taken_later() {
    let directory = tempfile::tempdir().unwrap();
    let bennu = Bennu::start(directory.path(), SMALL_BUFFER);
    let lock = lock_database(directory.path());
    let names: Vec<String> = (0..8).map(|number| format!("burst {number}")).collect();
    let burst: Vec<_> = names.iter().zip(1..).map(|(name, number)| large(number, name, 600 * KIB)).collect();

    // No two of these fit together, and the first that comes cannot be committed.
    let mut refused: Vec<usize> = (0..burst.len()).collect();
    thread::scope(|scope| {
        let (tell, answers) = mpsc::channel();
        for (number, request) in burst.iter().enumerate() {
            let (tell, url) = (tell.clone(), bennu.url.clone());
            scope.spawn(move || {
                let answer = send(&plain_agent(), &url, &request.encode_to_vec()).unwrap();
                tell.send((number, answer)).unwrap();
            });
            if number == 0 {
                // Two that come at the same time may each have a part of the room, so that it is enough for none.
                wait_until_held(&bennu, 599 * KIB);
            }
        }
        for _ in 1..burst.len() {
            assert_busy(&answers.recv_timeout(ANSWERED_WITHIN).unwrap().1);
        }
        let over_grpc = grpc::export(bennu.grpc_port, large(90, "gRPC", 600 * KIB));
        assert_eq!(over_grpc.unwrap_err().code(), Code::Unavailable);
        let whole = send(&plain_agent(), &bennu.url, &large(91, "whole", KIB * KIB).encode_to_vec()).unwrap();
        assert_busy(&whole);

        lock.execute("COMMIT");
        let (taken, answer) = answers.recv_timeout(ANSWERED_WITHIN).unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
        refused.retain(|number| *number != taken);
    });

    assert_eq!(span_names(&bennu.url, PROJECT).len(), 1, "what was refused is not stored");
    for number in refused {
        send_one(&bennu.url, &burst[number]);
    }
    grpc::export(bennu.grpc_port, large(90, "gRPC", 600 * KIB)).unwrap();
    send_one(&bennu.url, &large(91, "whole", KIB * KIB));
    let mut stored = span_names(&bennu.url, PROJECT);
    stored.sort();
    assert_eq!(stored, [names, vec!["gRPC".to_owned(), "whole".to_owned()]].concat());
}

#[test]
fn an_upload_that_stalls_gives_its_room_back() {
    let directory = tempfile::tempdir().unwrap();
    let bennu = Bennu::start(directory.path(), SMALL_BUFFER);
    let mut stalled = TcpStream::connect(bennu.url.strip_prefix("http://").unwrap()).unwrap();
    stalled.set_read_timeout(Some(ANSWERED_WITHIN)).unwrap();
    let head = "POST /v1/traces HTTP/1.1\r\nhost: bennu\r\ncontent-type: application/x-protobuf\r\ncontent-length: 1000000\r\n\r\n";
    stalled.write_all(&[head.as_bytes(), &vec![0; 900_000]].concat()).unwrap();

    wait_until_held(&bennu, 900_000);
    let waiting = large(1, "waiting", 600 * KIB);
    assert_busy(&send(&plain_agent(), &bennu.url, &waiting.encode_to_vec()).unwrap());
    let mut status = String::new();
    BufReader::new(&stalled).read_line(&mut status).unwrap();
    assert_eq!(status.trim_end(), "HTTP/1.1 400 Bad Request");
    send_one(&bennu.url, &waiting);
}

/// Two fit into the buffer.
const BURST_BYTES: usize = 400 * KIB;
const BURST_SENDERS: u64 = 24;
const BURST_REQUESTS: u64 = 12;
/// 24 bodies of 400 KiB on their way in are 10 MiB, the buffer is 1 MiB, and the allocator keeps what threads freed: 180 MiB
/// were seen. The bodies of the whole burst, those refused included, are about 700 MiB.
const MOST_MEMORY: u64 = 256 << 20;

#[test]
fn a_burst_is_taken_piece_by_piece_in_little_memory() {
    let _alone = whole_machine();
    let directory = tempfile::tempdir().unwrap();
    let bennu = Bennu::start(directory.path(), SMALL_BUFFER);
    let busy: u64 = thread::scope(|scope| {
        let senders: Vec<_> = (0..BURST_SENDERS)
            .map(|sender| {
                scope.spawn({
                    let bennu = &bennu;
                    move || send_patiently(bennu, sender)
                })
            })
            .collect();
        senders.into_iter().map(|sender| sender.join().unwrap()).sum()
    });
    assert!(busy > 0, "the burst was never too much: the test has tested nothing");
    let peak = bennu.peak_memory();
    assert!(peak < MOST_MEMORY, "{} MiB at {busy} refusals", peak >> 20);

    bennu.kill();
    let bennu = Bennu::start(directory.path(), SMALL_BUFFER);
    let mut stored = span_names(&bennu.url, PROJECT);
    stored.sort();
    let mut sent: Vec<_> = (0..BURST_SENDERS * BURST_REQUESTS).map(|number| number.to_string()).collect();
    sent.sort();
    assert_eq!(stored, sent);
}

/// Sends one request after the other, each until it is taken; answers how often the server was busy. One sender in four
/// speaks gRPC.
fn send_patiently(bennu: &Bennu, sender: u64) -> u64 {
    let agent = plain_agent();
    let mut busy = 0;
    for number in (0..BURST_REQUESTS).map(|index| sender * BURST_REQUESTS + index) {
        let request = large(number + 1, &number.to_string(), BURST_BYTES);
        let body = request.encode_to_vec();
        let begin = Instant::now();
        while !is_taken(bennu, sender.is_multiple_of(4), &agent, &request, &body) {
            busy += 1;
            assert!(begin.elapsed() < Duration::from_mins(1), "request {number} never gets in");
            // An exporter would wait a second or more; this keeps the pressure up.
            thread::sleep(Duration::from_millis(5));
        }
    }
    busy
}

/// False when the server is busy; nothing else may happen.
fn is_taken(
    bennu: &Bennu,
    over_grpc: bool,
    agent: &ureq::Agent,
    request: &ExportTraceServiceRequest,
    body: &[u8],
) -> bool {
    if over_grpc {
        let answer = grpc::export(bennu.grpc_port, request.clone());
        return answer.map_err(|status| assert_eq!(status.code(), Code::Unavailable, "{status}")).is_ok();
    }
    let answer = send(agent, &bennu.url, body).unwrap();
    if answer.status != 200 {
        assert_busy(&answer);
    }
    answer.status == 200
}
