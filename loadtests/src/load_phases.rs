//! The two ways a server is loaded: as fast as it answers, and at half of what it can keep up with.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde::Serialize;

use crate::measure::{Latencies, per};
use crate::otlp_client::{LoadOutcome, Pace, send_all};
use crate::server_process::ServerProcess;
use crate::span_reader::SpanReader;
use crate::trace_generator::{GeneratedRequest, SPANS_PER_REQUEST, TraceGenerator, requests_for};
use crate::visibility::{verify_all, wait_for_last};

/// Long enough for a p99 over a thousand requests at the rates aimed for.
const FIXED_RATE_TIME: Duration = Duration::from_secs(10);

/// A load at full speed, every span of which was found afterwards.
#[derive(Debug, Clone, Serialize)]
pub struct FullLoad {
    pub spans: usize,
    /// From the first request to the last acknowledgement.
    pub acknowledged_per_s: f64,
    /// From the first request until every acknowledged span could be queried.
    pub durable_per_s: f64,
    /// 503 answers, each followed by another attempt.
    pub busy_answers: u64,
    pub acknowledgement: Latencies,
    /// Processor time of the server, storing included.
    pub cpu_ms_per_span: f64,
    /// Bytes, until everything was visible.
    pub peak_memory: u64,
    /// Paging through everything, 1,000 spans at a time.
    pub read_back_per_s: f64,
}

/// A load on a fixed schedule.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct FixedRate {
    pub spans: usize,
    pub spans_per_s: f64,
    /// From the scheduled moment of each request.
    pub acknowledgement: Latencies,
}

/// Sends everything at full speed, waits until all of it is visible and verifies that it is.
pub fn full_load(
    server: &ServerProcess,
    reader: &SpanReader,
    requests: &[GeneratedRequest],
    concurrency: usize,
) -> Result<FullLoad> {
    let memory = server.watch_memory();
    let cpu_before = server.usage()?.cpu_seconds;
    let begin = Instant::now();
    let outcome =
        send_all(&server.endpoint(), requests, concurrency, Pace::FullSpeed, progress(requests.len()))?;
    require_all_acknowledged(&outcome)?;
    let seen_at = wait_for_last(reader, requests, &outcome)?;
    let cpu_seconds = server.usage()?.cpu_seconds - cpu_before;
    let peak_memory = memory.finish()?;

    let counting = Instant::now();
    let complete_at = verify_all(reader, requests, &outcome, seen_at)?;
    let spans = requests.len() * SPANS_PER_REQUEST;
    Ok(FullLoad {
        spans,
        acknowledged_per_s: outcome.spans_per_second(),
        durable_per_s: 1.0 / per((complete_at - begin).as_secs_f64(), spans),
        busy_answers: outcome.busy_answers,
        acknowledgement: Latencies::of(&outcome.latencies).context("no request was sent")?,
        cpu_ms_per_span: per(cpu_seconds * 1_000.0, spans),
        peak_memory,
        read_back_per_s: 1.0 / per(counting.elapsed().as_secs_f64(), spans),
    })
}

/// Sends the first requests and waits until they are visible: the project exists, caches and files are open.
pub fn warm_up(server: &ServerProcess, reader: &SpanReader, requests: &[GeneratedRequest]) -> Result<()> {
    let outcome = send_all(&server.endpoint(), requests, 1, Pace::FullSpeed, |_| {})?;
    require_all_acknowledged(&outcome)?;
    wait_for_last(reader, requests, &outcome)?;
    Ok(())
}

/// Sends at `spans_per_s` for ten seconds, from the generator's request number `first` on.
pub fn fixed_rate(
    server: &ServerProcess,
    generator: &TraceGenerator,
    first: usize,
    spans_per_s: f64,
    concurrency: usize,
) -> Result<FixedRate> {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a positive, moderate number"
    )]
    let count = requests_for((spans_per_s * FIXED_RATE_TIME.as_secs_f64()) as usize);
    let requests = generator.requests(first..first + count)?;
    let pace = Pace::SpansPerSecond(spans_per_s);
    let outcome = send_all(&server.endpoint(), &requests, concurrency, pace, progress(count))?;
    require_all_acknowledged(&outcome)?;
    Ok(FixedRate {
        spans: count * SPANS_PER_REQUEST,
        spans_per_s,
        acknowledgement: Latencies::of(&outcome.latencies).context("no request was sent")?,
    })
}

/// Says ten times how far a load of `total` requests has come.
pub fn progress(total: usize) -> impl Fn(usize) + Sync {
    let begin = Instant::now();
    let step = total.div_ceil(10).max(1);
    move |acknowledged| {
        if acknowledged % step == 0 || acknowledged == total {
            let seconds = begin.elapsed().as_secs_f64();
            eprintln!("  {acknowledged:>6} of {total} requests acknowledged after {seconds:6.2} s");
        }
    }
}

/// An error that counts the requests which were given up, by reason.
pub fn require_all_acknowledged(outcome: &LoadOutcome) -> Result<()> {
    ensure!(outcome.failures.is_empty(), "not every request was acknowledged: {:?}", outcome.failures);
    Ok(())
}
