//! The distributed shape under the load of [`crate::scenario`]: receiver, broker, writer, Postgres, and query to look at it.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use bennu_testkit::servers::{Server, Stack};
use serde::Serialize;

use crate::load_phases::{FixedRate, progress};
use crate::measure::{Latencies, per};
use crate::otlp_client::{Endpoint, LoadOutcome, Pace, send_all};
use crate::process_usage::usage_of_tree;
use crate::raw_copy::{RawCopy, raw_copy};
use crate::scenario::PROJECT;
use crate::span_reader::SpanReader;
use crate::trace_generator::{GeneratedRequest, SPANS_PER_REQUEST, TraceGenerator, requests_for};
use crate::visibility::{verify_all, wait_for_last};

/// Sent before anything is measured.
const WARM_UP_REQUESTS: usize = 50;
/// Seconds of the load at half rate.
const FIXED_RATE_SECONDS: f64 = 10.0;

/// Everything measured on the distributed shape.
#[derive(Debug, Clone, Serialize)]
pub struct StackMeasurement {
    pub spans: usize,
    pub acknowledged_per_s: f64,
    /// From the first request until every span could be queried.
    pub durable_per_s: f64,
    pub busy_answers: u64,
    pub acknowledgement: Latencies,
    pub half_rate: FixedRate,
    /// Milliseconds of processor time a span, by part.
    pub cpu: Vec<PartUsage>,
    pub raw_copy: RawCopy,
}

#[derive(Debug, Clone, Serialize)]
pub struct PartUsage {
    pub part: &'static str,
    pub cpu_ms_per_span: f64,
}

/// The running parts, and where load goes.
pub struct LoadedStack {
    stack: Stack,
    /// Of the receiver.
    pub endpoint: Endpoint,
    /// Over query.
    pub reader: SpanReader,
}

impl LoadedStack {
    /// Starts everything on a Postgres that waits for its disk, with the programs of a directory; `settings` reach all services.
    pub fn start(programs: &Path, settings: &[(String, String)]) -> Result<Self> {
        let settings: Vec<_> = settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        // Each server is started in a directory of its own.
        let programs = programs.canonicalize().with_context(|| programs.display().to_string())?;
        let stack = Stack::start_durable(&programs, &settings)?;
        let address = |server: &Server| Endpoint {
            base_url: format!("http://{}", server.variables[0].1),
            api_key: None,
        };
        let reader = SpanReader::new(&address(&stack.query), PROJECT);
        Ok(Self { endpoint: address(&stack.receiver), reader, stack })
    }

    /// Runs all phases and says on stderr what it is doing.
    pub fn measure(
        &self,
        generator: &TraceGenerator,
        spans: usize,
        concurrency: usize,
    ) -> Result<StackMeasurement> {
        let after_load = WARM_UP_REQUESTS + requests_for(spans);
        eprintln!("preparing {after_load} requests");
        let requests = generator.requests(0..after_load)?;
        let (first, load) = requests.split_at(WARM_UP_REQUESTS);
        self.send(first, concurrency, Pace::FullSpeed)?;

        eprintln!("full load, then reading everything back");
        let before = self.usage()?;
        let begin = Instant::now();
        let outcome = self.send(load, concurrency, Pace::FullSpeed)?;
        let seen_at = wait_for_last(&self.reader, load, &outcome)?;
        let spans = load.len() * SPANS_PER_REQUEST;
        let cpu = self.usage()?.into_iter().zip(before).map(|((part, after), (_, before))| PartUsage {
            part,
            cpu_ms_per_span: per((after - before) * 1_000.0, spans),
        });
        let cpu = cpu.collect();
        let complete_at = verify_all(&self.reader, load, &outcome, seen_at)?;
        let durable_per_s = 1.0 / per((complete_at - begin).as_secs_f64(), spans);

        let rate = durable_per_s / 2.0;
        eprintln!("fixed rate of {rate:.0} spans/s");
        let half_rate = self.half_rate(generator, after_load, rate, concurrency)?;
        eprintln!("the same rows through COPY");
        let directory = tempfile::tempdir()?;
        Ok(StackMeasurement {
            spans,
            acknowledged_per_s: outcome.spans_per_second(),
            durable_per_s,
            busy_answers: outcome.busy_answers,
            acknowledgement: Latencies::of(&outcome.latencies).context("no request was sent")?,
            half_rate,
            cpu,
            raw_copy: raw_copy(&self.stack.database, directory.path())?,
        })
    }

    /// Stores spans of the load; answers where the database is.
    pub fn store(&self, generator: &TraceGenerator, spans: usize, concurrency: usize) -> Result<&str> {
        let requests = generator.requests(0..requests_for(spans))?;
        let outcome = self.send(&requests, concurrency, Pace::FullSpeed)?;
        wait_for_last(&self.reader, &requests, &outcome)?;
        Ok(&self.stack.database)
    }

    fn half_rate(
        &self,
        generator: &TraceGenerator,
        first: usize,
        rate: f64,
        concurrency: usize,
    ) -> Result<FixedRate> {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a moderate number")]
        let count = requests_for((rate * FIXED_RATE_SECONDS) as usize);
        let requests = generator.requests(first..first + count)?;
        let outcome = self.send(&requests, concurrency, Pace::SpansPerSecond(rate))?;
        wait_for_last(&self.reader, &requests, &outcome)?;
        Ok(FixedRate {
            spans: count * SPANS_PER_REQUEST,
            spans_per_s: rate,
            acknowledgement: Latencies::of(&outcome.latencies).context("no request was sent")?,
        })
    }

    fn send(&self, requests: &[GeneratedRequest], concurrency: usize, pace: Pace) -> Result<LoadOutcome> {
        let outcome = send_all(&self.endpoint, requests, concurrency, pace, progress(requests.len()))?;
        ensure!(outcome.failures.is_empty(), "not every request was acknowledged: {:?}", outcome.failures);
        Ok(outcome)
    }

    /// Processor seconds of each part so far.
    fn usage(&self) -> Result<Vec<(&'static str, f64)>> {
        let Stack { receiver, rabbitmq, writer, postgres, query, .. } = &self.stack;
        let parts = [
            ("receiver", receiver),
            ("RabbitMQ", rabbitmq),
            ("writer", writer),
            ("Postgres", postgres),
            ("query", query),
        ];
        parts
            .into_iter()
            .map(|(part, server)| Ok((part, usage_of_tree(server.process_id())?.cpu_seconds)))
            .collect()
    }
}
