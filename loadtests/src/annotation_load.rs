//! How fast annotations are taken in: answered when they are stored, and queued.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde::Serialize;
use serde_json::{Value, json};
use ureq::{Agent, RequestBuilder};

use crate::measure::{Latencies, per};
use crate::otlp_client::{Endpoint, plain_agent};
use crate::server_process::ServerProcess;
use crate::span_reader::{LARGEST_PAGE, Listing, SpanReader};

/// Annotations a request; official clients cut their data frames to this.
const A_REQUEST: usize = 100;
const SYNC_REQUESTS: usize = 30;
const WARM_UPS: usize = 3;
/// Clients that queue at the same time.
const CONNECTIONS: usize = 4;
const POLL: Duration = Duration::from_millis(10);
const PATIENCE: Duration = Duration::from_mins(5);

/// Requests that are waited for before all are counted: more than the connections, so that whatever overtook what in the
/// queue is covered.
const SENTINELS: usize = 2 * CONNECTIONS;
/// Summaries of everything, one after the other.
const SUMMARIES: usize = 30;

/// How much is queued, in annotations.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct AnnotationAmounts {
    /// Queued at once and waited for.
    pub burst: usize,
    /// There in the end, when they are summed up; 0 where a server has no summaries.
    pub summed_up: usize,
}

/// Requests of 100 annotations.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct AnnotationLoad {
    /// `sync=true`, one request after the other.
    pub sync: Latencies,
    /// `sync=false`: the answer that they are queued.
    pub queued: Latencies,
    /// From the first queued annotation of the burst until the last one can be read.
    pub applied_per_s: f64,
    /// Processor time of the server in that time, the reads that look for them included.
    pub cpu_us_per_applied: f64,
    /// Over that many annotations.
    pub summaries: Option<(usize, Latencies)>,
}

/// Annotates the newest spans of the project.
pub fn annotate(
    server: &ServerProcess,
    reader: &SpanReader,
    project: &str,
    amounts: AnnotationAmounts,
) -> Result<AnnotationLoad> {
    let spans = reader.page(Listing::Spans, LARGEST_PAGE, None)?.span_ids;
    ensure!(spans.len() >= A_REQUEST, "{} spans are too few", spans.len());
    let endpoint = server.endpoint();
    let target = Target { agent: plain_agent(), endpoint: &endpoint, project, spans: &spans };
    let mut sync = Vec::with_capacity(SYNC_REQUESTS);
    for number in 0..WARM_UPS + SYNC_REQUESTS {
        let latency = target.send("?sync=true", &target.body(Run::Sync(number)))?;
        if number >= WARM_UPS {
            sync.push(latency);
        }
    }
    let burst = amounts.burst.div_ceil(A_REQUEST);
    let bodies = target.bodies(0..burst);
    let cpu_before = server.usage()?.cpu_seconds;
    let begin = Instant::now();
    let answers = target.queue(&bodies)?;
    target.wait_for_last(0..burst, begin)?;
    let (seen_after, cpu_seconds) = (begin.elapsed(), server.usage()?.cpu_seconds - cpu_before);
    let applied_after = target.wait_for_others(0..burst, begin)?.unwrap_or(seen_after);
    let all = amounts.summed_up.div_ceil(A_REQUEST);
    let summaries = if all > burst {
        target.queue(&target.bodies(burst..all))?;
        target.wait_for_last(burst..all, Instant::now())?;
        Some(target.sum_up()?)
    } else {
        None
    };
    Ok(AnnotationLoad {
        sync: Latencies::of(&sync).context("no annotation was sent")?,
        queued: Latencies::of(&answers).context("no annotation was queued")?,
        applied_per_s: 1.0 / per(applied_after.as_secs_f64(), burst * A_REQUEST),
        cpu_us_per_applied: per(cpu_seconds * 1e6, burst * A_REQUEST),
        summaries,
    })
}

/// Names of annotations, as of some evaluators; runs of them are told apart by the identifier.
const NAMES: usize = 10;

/// The identifier of the annotations of a request.
#[derive(Clone, Copy)]
enum Run {
    Sync(usize),
    Queued(usize),
}

impl Run {
    fn identifier(self) -> String {
        match self {
            Self::Sync(number) => format!("sync {number}"),
            Self::Queued(number) => format!("run {number}"),
        }
    }

    fn number(self) -> usize {
        match self {
            Self::Sync(number) | Self::Queued(number) => number,
        }
    }

    fn name(self) -> String {
        format!("evaluator {}", self.number() % NAMES)
    }
}

struct Target<'a> {
    agent: Agent,
    endpoint: &'a Endpoint,
    project: &'a str,
    spans: &'a [String],
}

impl Target<'_> {
    /// The spans that a request annotates.
    fn spans_of(&self, run: Run) -> impl Iterator<Item = &str> {
        let start = run.number() * A_REQUEST % (self.spans.len() - A_REQUEST + 1);
        self.spans[start..start + A_REQUEST].iter().map(String::as_str)
    }

    fn body(&self, run: Run) -> String {
        let (name, identifier) = (run.name(), run.identifier());
        let item = |(place, span)| {
            let label = if place % 4 == 0 { "irrelevant" } else { "relevant" };
            let result = json!({"label": label, "score": 0.75, "explanation": "It answers what was asked."});
            json!({"span_id": span, "name": name, "identifier": identifier, "annotator_kind": "LLM",
                   "result": result, "metadata": {"run": run.number()}})
        };
        json!({ "data": self.spans_of(run).enumerate().map(item).collect::<Vec<_>>() }).to_string()
    }

    /// Prepared before the clock runs, so that the load generator takes no more of the machine than it must.
    fn bodies(&self, requests: Range<usize>) -> Vec<String> {
        requests.map(|number| self.body(Run::Queued(number))).collect()
    }

    fn send(&self, query: &str, body: &str) -> Result<Duration> {
        let url = format!("{}/v1/span_annotations{query}", self.endpoint.base_url);
        let request = self.authorized(self.agent.post(url).header("content-type", "application/json"));
        let begin = Instant::now();
        let mut response = request.send(body)?;
        let text = response.body_mut().read_to_string()?;
        let latency = begin.elapsed();
        ensure!(response.status().is_success(), "{}: {text}", response.status());
        Ok(latency)
    }

    fn queue(&self, bodies: &[String]) -> Result<Vec<Duration>> {
        let next = AtomicUsize::new(0);
        let send = || {
            let mut latencies = Vec::new();
            while let Some(body) = bodies.get(next.fetch_add(1, Ordering::Relaxed)) {
                latencies.push(self.send("", body)?);
            }
            Ok(latencies)
        };
        thread::scope(|scope| {
            let sending: Vec<_> = (0..CONNECTIONS).map(|_| scope.spawn(send)).collect();
            let sent = sending.into_iter().map(|thread| match thread.join() {
                Ok(latencies) => latencies,
                Err(_) => bail!("a sending thread panicked"),
            });
            Ok(sent.collect::<Result<Vec<_>>>()?.concat())
        })
    }

    /// Until all annotations of the last requests can be read.
    fn wait_for_last(&self, requests: Range<usize>, begin: Instant) -> Result<()> {
        requests.rev().take(SENTINELS).try_for_each(|number| self.wait_for(Run::Queued(number), begin))
    }

    /// The requests before them are then read once, which must not be part of the time: it takes the server as long as
    /// applying them. Answers when they could all be read, if some could not at first.
    fn wait_for_others(&self, requests: Range<usize>, begin: Instant) -> Result<Option<Duration>> {
        let mut applied_after = None;
        for number in requests.rev().skip(SENTINELS).rev() {
            if !self.is_applied(Run::Queued(number))? {
                self.wait_for(Run::Queued(number), begin)?;
                applied_after = Some(begin.elapsed());
            }
        }
        Ok(applied_after)
    }

    fn wait_for(&self, run: Run, begin: Instant) -> Result<()> {
        while !self.is_applied(run)? {
            ensure!(begin.elapsed() < PATIENCE, "{} is not applied after {PATIENCE:?}", run.identifier());
            thread::sleep(POLL);
        }
        Ok(())
    }

    /// Whether all annotations of a request can be read.
    fn is_applied(&self, run: Run) -> Result<bool> {
        let spans: Vec<&str> = self.spans_of(run).collect();
        let query = spans.iter().map(|span| ("span_ids", *span));
        let (name, identifier) = (run.name(), run.identifier());
        let query = query.chain([
            ("limit", "1000"),
            ("include_annotation_names", name.as_str()),
            ("identifier", identifier.as_str()),
        ]);
        let found = self.read("span_annotations", query)?.1;
        Ok(found["data"].as_array().is_some_and(|found| found.len() == spans.len()))
    }

    /// How long the summaries of the project take, and over how many annotations.
    fn sum_up(&self) -> Result<(usize, Latencies)> {
        let (mut latencies, mut annotations) = (Vec::with_capacity(SUMMARIES), 0);
        for number in 0..WARM_UPS + SUMMARIES {
            let (latency, found) = self.read("annotation_summaries", [])?;
            let rows = found["data"].as_array().context("no summaries")?;
            annotations = rows.iter().filter_map(|row| row["count"].as_u64()).sum();
            if number >= WARM_UPS {
                latencies.push(latency);
            }
        }
        let latencies = Latencies::of(&latencies).context("nothing was summed up")?;
        Ok((usize::try_from(annotations)?, latencies))
    }

    fn read<'q>(
        &self,
        route: &str,
        query: impl IntoIterator<Item = (&'q str, &'q str)>,
    ) -> Result<(Duration, Value)> {
        let url = format!("{}/v1/projects/{}/{route}", self.endpoint.base_url, self.project);
        let request = self.authorized(self.agent.get(&url).query_pairs(query));
        let begin = Instant::now();
        let text = request.call()?.body_mut().read_to_string()?;
        let latency = begin.elapsed();
        Ok((latency, serde_json::from_str(&text).with_context(|| text.clone())?))
    }

    fn authorized<B>(&self, request: RequestBuilder<B>) -> RequestBuilder<B> {
        match &self.endpoint.api_key {
            Some(key) => request.header("authorization", format!("Bearer {key}")),
            None => request,
        }
    }
}
