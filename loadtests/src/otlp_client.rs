//! Sends prepared OTLP/HTTP requests from a fixed number of keep-alive connections and times the answers.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message;
use ureq::Agent;

use crate::trace_generator::{GeneratedRequest, SPANS_PER_REQUEST};

/// A request of which sending or answering takes longer has failed; far above any latency that could still be called acceptable.
const REQUEST_TIMEOUT: Duration = Duration::from_mins(1);
/// A server may stay busy (503, or 429 over a quota) this long before a request is given up.
const BUSY_LIMIT: Duration = Duration::from_mins(5);
/// Pause after one without a usable `Retry-After`, and the longest pause that header can ask for.
const BUSY_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_BUSY_PAUSE: Duration = Duration::from_secs(2);
/// Servers close idle connections after five seconds or more; a shorter life here avoids sending into one
/// that is being closed.
const IDLE_CONNECTION_LIFE: Duration = Duration::from_secs(4);

/// Where to send, and as whom.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// `http://host:port`, without a path.
    pub base_url: String,
    /// Sent as `Authorization: Bearer …` when present.
    pub api_key: Option<String>,
}

/// How fast requests leave.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Pace {
    /// Each connection sends its next request as soon as the last one is answered.
    FullSpeed,
    /// Requests leave on a fixed schedule whatever the server does (open loop). Latency counts from the
    /// scheduled moment, so that time spent waiting for a free connection shows.
    SpansPerSecond(f64),
}

/// What came back.
#[derive(Debug, Default)]
pub struct LoadOutcome {
    /// Indices of the requests answered 2xx with every span accepted, in the order of their acknowledgement.
    pub acknowledged: Vec<usize>,
    /// Latency of each acknowledged request, in the same order. A request that met one of those below counts from its
    /// last attempt at full speed, from its scheduled moment at a fixed rate.
    pub latencies: Vec<Duration>,
    /// 503 and 429 answers; each was followed by another attempt.
    pub busy_answers: u64,
    /// Requests given up, counted by reason.
    pub failures: BTreeMap<String, u64>,
    /// From the first request until the last answer.
    pub elapsed: Duration,
}

impl LoadOutcome {
    /// Acknowledged spans for each second of the run.
    #[expect(clippy::cast_precision_loss, reason = "span counts of a run stay far below 2^52")]
    pub fn spans_per_second(&self) -> f64 {
        (self.acknowledged.len() * SPANS_PER_REQUEST) as f64 / self.elapsed.as_secs_f64()
    }
}

/// Sends every request once over `concurrency` connections. `on_acknowledged` is told after each acknowledgement
/// how many there are by now; it runs on the sending threads and must be quick.
pub fn send_all(
    endpoint: &Endpoint,
    requests: &[GeneratedRequest],
    concurrency: usize,
    pace: Pace,
    on_acknowledged: impl Fn(usize) + Sync,
) -> Result<LoadOutcome> {
    send_while(endpoint, requests, concurrency, pace, on_acknowledged, || true)
}

/// As [`send_all`], but no request begins once `goes_on` says no.
pub fn send_while(
    endpoint: &Endpoint,
    requests: &[GeneratedRequest],
    concurrency: usize,
    pace: Pace,
    on_acknowledged: impl Fn(usize) + Sync,
    goes_on: impl Fn() -> bool + Sync,
) -> Result<LoadOutcome> {
    let begin = Instant::now();
    let next = AtomicUsize::new(0);
    let acknowledged = AtomicUsize::new(0);
    let worker = || {
        let sender = Sender::new(endpoint);
        let mut mine = WorkerLog::default();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(request) = requests.get(index).filter(|_| goes_on()) else { break mine };
            let scheduled = wait_for_turn(begin, index, pace);
            if mine.record(index, scheduled, sender.send(&request.body_gzip)) {
                on_acknowledged(acknowledged.fetch_add(1, Ordering::Relaxed) + 1);
            }
        }
    };
    let logs = thread::scope(|scope| {
        let handles: Vec<_> = (0..concurrency.max(1)).map(|_| scope.spawn(worker)).collect();
        handles
            .into_iter()
            .map(|handle| handle.join().map_err(|_| anyhow!("a sending thread panicked")))
            .collect::<Result<Vec<_>>>()
    })?;
    Ok(merge(logs, begin.elapsed()))
}

/// An HTTP/1.1 agent for loopback work: no proxy, status codes are data, connections are kept.
pub fn plain_agent() -> Agent {
    Agent::config_builder()
        .http_status_as_error(false)
        .proxy(None)
        .max_redirects(0)
        .max_idle_age(IDLE_CONNECTION_LIFE)
        // A timeout of the whole would have every request look up the address on a thread of its own.
        .timeout_connect(Some(REQUEST_TIMEOUT))
        .timeout_send_body(Some(REQUEST_TIMEOUT))
        .timeout_recv_response(Some(REQUEST_TIMEOUT))
        .timeout_recv_body(Some(REQUEST_TIMEOUT))
        .build()
        .new_agent()
}

/// `None` at full speed; otherwise sleeps until the request's scheduled moment and returns it.
fn wait_for_turn(begin: Instant, index: usize, pace: Pace) -> Option<Instant> {
    let Pace::SpansPerSecond(rate) = pace else { return None };
    #[expect(clippy::cast_precision_loss, reason = "span counts of a run stay far below 2^52")]
    let scheduled = begin + Duration::from_secs_f64((index * SPANS_PER_REQUEST) as f64 / rate);
    thread::sleep(scheduled.saturating_duration_since(Instant::now()));
    Some(scheduled)
}

/// One connection.
struct Sender {
    agent: Agent,
    url: String,
    authorization: Option<String>,
}

/// An acknowledged request: when its last attempt left, and how often the server was busy before.
struct Acknowledgement {
    sent: Instant,
    busy_answers: u64,
}

struct Failure {
    reason: String,
    busy_answers: u64,
}

impl Sender {
    fn new(endpoint: &Endpoint) -> Self {
        Self {
            agent: plain_agent(),
            url: format!("{}/v1/traces", endpoint.base_url),
            authorization: endpoint.api_key.as_ref().map(|key| format!("Bearer {key}")),
        }
    }

    fn send(&self, body: &[u8]) -> Result<Acknowledgement, Failure> {
        let begin = Instant::now();
        let mut busy_answers = 0;
        loop {
            let sent = Instant::now();
            match self.attempt(body) {
                Ok(Answer::Acknowledged) => return Ok(Acknowledgement { sent, busy_answers }),
                Ok(Answer::Busy(pause)) if begin.elapsed() < BUSY_LIMIT => {
                    busy_answers += 1;
                    thread::sleep(pause);
                }
                Ok(Answer::Busy(_)) => return Err(Failure { reason: "still busy".to_owned(), busy_answers }),
                Ok(Answer::Refused(reason)) => return Err(Failure { reason, busy_answers }),
                // Not repeated: the server may have stored it, and the caller wants to know that nobody said so.
                Err(error) => return Err(Failure { reason: format!("{error:#}"), busy_answers }),
            }
        }
    }

    fn attempt(&self, body: &[u8]) -> Result<Answer> {
        let mut request = self
            .agent
            .post(&self.url)
            .header("content-type", "application/x-protobuf")
            .header("content-encoding", "gzip");
        if let Some(authorization) = &self.authorization {
            request = request.header("authorization", authorization);
        }
        let mut response = request.send(body)?;
        let pause = response
            .headers()
            .get("retry-after")
            .and_then(|value| value.to_str().ok()?.parse().ok())
            .map_or(BUSY_PAUSE, Duration::from_secs)
            .min(LONGEST_BUSY_PAUSE);
        let status = response.status();
        let answer = response.body_mut().read_to_vec()?;
        if matches!(status.as_u16(), 429 | 503) {
            return Ok(Answer::Busy(pause));
        }
        if !status.is_success() {
            return Ok(Answer::Refused(format!("status {}", status.as_u16())));
        }
        let answer = ExportTraceServiceResponse::decode(answer.as_slice()).context("unreadable answer")?;
        Ok(match answer.partial_success {
            Some(partial) if partial.rejected_spans > 0 => Answer::Refused("some spans rejected".to_owned()),
            _ => Answer::Acknowledged,
        })
    }
}

enum Answer {
    Acknowledged,
    /// 503 or 429: try again after this pause.
    Busy(Duration),
    Refused(String),
}

#[derive(Default)]
struct WorkerLog {
    /// Moment of the acknowledgement, index of the request, latency.
    acknowledged: Vec<(Instant, usize, Duration)>,
    busy_answers: u64,
    failures: BTreeMap<String, u64>,
}

impl WorkerLog {
    /// Returns whether the request was acknowledged.
    fn record(
        &mut self,
        index: usize,
        scheduled: Option<Instant>,
        result: Result<Acknowledgement, Failure>,
    ) -> bool {
        let now = Instant::now();
        match result {
            Ok(Acknowledgement { sent, busy_answers }) => {
                self.busy_answers += busy_answers;
                self.acknowledged.push((now, index, now - scheduled.unwrap_or(sent)));
                true
            }
            Err(Failure { reason, busy_answers }) => {
                self.busy_answers += busy_answers;
                *self.failures.entry(reason).or_default() += 1;
                false
            }
        }
    }
}

fn merge(logs: Vec<WorkerLog>, elapsed: Duration) -> LoadOutcome {
    let mut outcome = LoadOutcome { elapsed, ..LoadOutcome::default() };
    let mut acknowledged = Vec::new();
    for log in logs {
        acknowledged.extend(log.acknowledged);
        outcome.busy_answers += log.busy_answers;
        for (reason, count) in log.failures {
            *outcome.failures.entry(reason).or_default() += count;
        }
    }
    acknowledged.sort_unstable();
    outcome.acknowledged = acknowledged.iter().map(|&(_, index, _)| index).collect();
    outcome.latencies = acknowledged.iter().map(|&(_, _, latency)| latency).collect();
    outcome
}
