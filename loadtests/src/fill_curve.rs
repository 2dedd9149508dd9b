//! How the rate of a store changes as it fills: random keys in large indexes slow stores of this kind down.

use std::time::Instant;

use anyhow::{Result, ensure};
use serde::Serialize;

use crate::filling::Filling;
use crate::measure::per;
use crate::otlp_client::{Endpoint, Pace, send_all};
use crate::span_reader::SpanReader;
use crate::trace_generator::{GeneratedRequest, SPANS_PER_REQUEST, TraceGenerator, requests_for};
use crate::visibility::wait_for_last;

/// Spans of a measured load: several seconds.
const MEASURED_SPANS: usize = 96_000;
/// Spans that are made and sent at a time while the store is filled.
const CHUNK_SPANS: usize = 48_000;

/// The rate with so many spans stored already.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct FillPoint {
    pub stored: usize,
    pub durable_per_s: f64,
}

/// A store that is filled, through its front door.
pub struct FillingStore<'a> {
    pub endpoint: &'a Endpoint,
    pub reader: &'a SpanReader,
    pub generator: &'a TraceGenerator,
    pub concurrency: usize,
}

impl FillingStore<'_> {
    /// Measures at each of these numbers of stored spans, which rise; the store is empty at first.
    pub fn curve(&self, points: &[usize], say: impl Fn(&FillPoint)) -> Result<Vec<FillPoint>> {
        let mut filling = Filling::new(self.generator, fastrand::u64(..))?;
        let (mut stored, mut next_request) = (0, 0);
        let mut curve = Vec::new();
        for point in points {
            while stored < *point {
                let chunk = filling.requests(requests_for(CHUNK_SPANS.min(point - stored)))?;
                self.store(&chunk)?;
                stored += chunk.len() * SPANS_PER_REQUEST;
            }
            let count = requests_for(MEASURED_SPANS);
            let requests = self.generator.requests(next_request..next_request + count)?;
            next_request += count;
            let spans = count * SPANS_PER_REQUEST;
            let measured = FillPoint { stored, durable_per_s: 1.0 / per(self.store(&requests)?, spans) };
            say(&measured);
            curve.push(measured);
            stored += spans;
        }
        Ok(curve)
    }

    /// Seconds until all of them can be queried.
    fn store(&self, requests: &[GeneratedRequest]) -> Result<f64> {
        let begin = Instant::now();
        let outcome = send_all(self.endpoint, requests, self.concurrency, Pace::FullSpeed, |_| {})?;
        ensure!(outcome.failures.is_empty(), "not every request was acknowledged: {:?}", outcome.failures);
        Ok((wait_for_last(self.reader, requests, &outcome)? - begin).as_secs_f64())
    }
}
