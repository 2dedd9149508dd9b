//! How fast questions are answered: data frames, conditions over a whole project, a large trace opened whole.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde::Serialize;
use serde_json::json;

use crate::load_phases::warm_up;
use crate::measure::{Latencies, per};
use crate::server_process::ServerProcess;
use crate::span_reader::{LARGEST_PAGE, SpanReader};
use crate::trace_generator::{SPANS_PER_REQUEST, TraceGenerator, requests_for};

/// As for pages.
const REPEATS: usize = 30;
/// What takes long is repeated less often.
const LONG_REPEATS: usize = 5;

/// The project of the large trace, so that the other one stays as it was loaded.
const TRACE_PROJECT: &str = "bench-trace";
const TRACE_SPANS: usize = 5_000;

/// Answers of a server whose project holds `spans` spans.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct QueryReads {
    pub spans: usize,
    /// `POST /v1/spans` without a condition: the newest 1,000 spans with everything, as `get_spans_dataframe` asks.
    pub frame: Latencies,
    /// The same with `user.id == …`, which a few spans have: the whole project is looked through.
    pub equality: Latencies,
    /// The same with a text that is nowhere in `output.value`.
    pub search: Latencies,
    /// All pages of a trace.
    pub large_trace: Latencies,
    pub large_trace_spans: usize,
}

impl QueryReads {
    /// Spans looked through a second, by the median: the only way to compare stores of different sizes.
    pub fn looked_through_per_s(&self, latencies: &Latencies) -> f64 {
        1.0 / per(latencies.p50_ms / 1_000.0, self.spans)
    }
}

/// Asks the project, which holds so many spans, and opens a trace of its own.
pub fn ask(
    server: &ServerProcess,
    reader: &SpanReader,
    generator: &TraceGenerator,
    spans: usize,
) -> Result<QueryReads> {
    let frame = repeated(REPEATS, || reader.frame(&json!({}), LARGEST_PAGE), |rows| rows == LARGEST_PAGE)?;
    let names =
        |condition: &str| json!({"filter": {"condition": condition}, "select": {"name": {"key": "name"}}});
    let equality = names("user.id == 'user-17'");
    let equality =
        repeated(LONG_REPEATS, || reader.frame(&equality, LARGEST_PAGE), |rows| rows < LARGEST_PAGE)?;
    let search = names("'no such text' in output.value");
    let search = repeated(LONG_REPEATS, || reader.frame(&search, LARGEST_PAGE), |rows| rows == 0)?;
    let (large_trace, large_trace_spans) = open_large_trace(server, generator)?;
    Ok(QueryReads { spans, frame, equality, search, large_trace, large_trace_spans })
}

fn open_large_trace(server: &ServerProcess, generator: &TraceGenerator) -> Result<(Latencies, usize)> {
    let requests = generator.for_project(TRACE_PROJECT).one_trace(requests_for(TRACE_SPANS))?;
    let reader = SpanReader::new(&server.endpoint(), TRACE_PROJECT);
    warm_up(server, &reader, &requests)?;
    let (trace, _) = requests[0].spans[0];
    let spans = requests.len() * SPANS_PER_REQUEST;
    let open = || {
        let (mut latency, mut read, mut cursor) = (Duration::ZERO, 0, None);
        loop {
            let page = reader.page_of_trace(&trace, LARGEST_PAGE, cursor.as_deref())?;
            latency += page.latency;
            read += page.span_ids.len();
            cursor = page.next_cursor;
            if cursor.is_none() {
                return Ok((latency, read));
            }
        }
    };
    Ok((repeated(LONG_REPEATS, open, |read| read == spans)?, spans))
}

fn repeated(
    repeats: usize,
    ask: impl Fn() -> Result<(Duration, usize)>,
    is_right: impl Fn(usize) -> bool,
) -> Result<Latencies> {
    let mut latencies = Vec::with_capacity(repeats);
    // The first one fills caches.
    for repeat in 0..=repeats {
        let (latency, count) = ask()?;
        ensure!(is_right(count), "an answer of {count} spans is wrong");
        if repeat > 0 {
            latencies.push(latency);
        }
    }
    Latencies::of(&latencies).context("nothing was asked")
}
