//! What authentication costs: a load with keys beside one without, and one during which many people log in.

use std::fmt::{self, Display};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use bennu_access::{CachedCredentials, CredentialLookup as _, OpenDeployment};
use serde::Serialize;
use serde_json::json;

use crate::authenticated_server::{AuthenticatedServer, PASSWORD};
use crate::load_phases::require_all_acknowledged;
use crate::measure::{Latencies, median, per};
use crate::otlp_client::{Endpoint, Pace, plain_agent, send_all};
use crate::report::{Target, number};
use crate::scenario::PROJECT;
use crate::server_process::{ServerKind, ServerProcess};
use crate::trace_generator::{SPANS_PER_REQUEST, TraceGenerator, requests_for};

/// Loads of each server, in turn, so that what else the machine does meets both.
const ROUNDS: usize = 7;
const SPANS_A_ROUND: usize = 24_000;
/// Of the median rate without authentication.
const HALF: f64 = 0.5;
const STEADY_SECONDS: f64 = 10.0;
/// How far into the steady load people log in.
const LOG_INS_AFTER: Duration = Duration::from_secs(3);
const LOG_INS: usize = 50;
const CHECKS: usize = 200_000;

/// Figures of one run.
#[derive(Debug, Clone, Serialize)]
pub struct AccessCost {
    /// Acknowledged spans a second, the median of the rounds.
    pub open_per_s: f64,
    pub with_key_per_s: f64,
    /// A credential that is remembered is looked up, within the process.
    pub check_us: f64,
    /// One after the other.
    pub log_in: Latencies,
    /// Acknowledgements at half the rate.
    pub steady: Latencies,
    /// The same while as many people as given log in at once.
    pub steady_with_log_ins: Latencies,
    pub log_ins: Latencies,
}

/// Measures `program` in two empty directories below `directory`.
pub fn measure_access(program: &Path, directory: &Path, concurrency: usize, now: u64) -> Result<AccessCost> {
    let home = directory.join("open");
    std::fs::create_dir(&home)?;
    let open = ServerProcess::start(ServerKind::Bennu, program, &home)?;
    let authenticated = AuthenticatedServer::start(program, &directory.join("authenticated"))?;
    let base_url = authenticated.process.endpoint().base_url;
    let with_key = authenticated.endpoint(None)?;
    let rate = |endpoint: &Endpoint| -> Result<f64> {
        let generator = TraceGenerator::new(fastrand::u64(..), PROJECT, now);
        let requests = generator.requests(0..requests_for(SPANS_A_ROUND))?;
        let outcome = send_all(endpoint, &requests, concurrency, Pace::FullSpeed, |_| {})?;
        require_all_acknowledged(&outcome)?;
        Ok(outcome.spans_per_second())
    };
    let (mut without, mut with) = (Vec::new(), Vec::new());
    for round in 1..=ROUNDS {
        eprintln!("round {round} of {ROUNDS}");
        without.push(rate(&open.endpoint())?);
        with.push(rate(&with_key)?);
    }
    let (open_per_s, with_key_per_s) = (median(without), median(with));
    open.stop()?;
    eprintln!("steady load, without and with log-ins");
    let alone: Vec<Duration> = (0..5).map(|_| log_in(&base_url)).collect::<Result<_>>()?;
    let steady = |begun: &dyn Fn() -> Result<Vec<Duration>>| {
        steady_load(&with_key, open_per_s * HALF, concurrency, now, begun)
    };
    let (calm, _) = steady(&|| Ok(Vec::new()))?;
    let (moved, log_ins) = steady(&|| {
        thread::sleep(LOG_INS_AFTER);
        log_in_together(&base_url)
    })?;
    authenticated.process.stop()?;
    let none = "nothing was measured";
    Ok(AccessCost {
        open_per_s,
        with_key_per_s,
        check_us: check_time()?,
        log_in: Latencies::of(&alone).context(none)?,
        steady: Latencies::of(&calm).context(none)?,
        steady_with_log_ins: Latencies::of(&moved).context(none)?,
        log_ins: Latencies::of(&log_ins).context(none)?,
    })
}

/// Latencies of acknowledgements on a fixed schedule, and what is done meanwhile.
fn steady_load(
    endpoint: &Endpoint,
    spans_per_s: f64,
    concurrency: usize,
    now: u64,
    meanwhile: &dyn Fn() -> Result<Vec<Duration>>,
) -> Result<(Vec<Duration>, Vec<Duration>)> {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a positive, moderate number"
    )]
    let count = (spans_per_s * STEADY_SECONDS) as usize / SPANS_PER_REQUEST;
    let requests = TraceGenerator::new(fastrand::u64(..), PROJECT, now).requests(0..count)?;
    thread::scope(|scope| {
        let sending = scope
            .spawn(|| send_all(endpoint, &requests, concurrency, Pace::SpansPerSecond(spans_per_s), |_| {}));
        let other = meanwhile()?;
        let outcome = sending.join().map_err(|_| anyhow::anyhow!("a sending thread panicked"))??;
        require_all_acknowledged(&outcome)?;
        Ok((outcome.latencies, other))
    })
}

fn log_in_together(base_url: &str) -> Result<Vec<Duration>> {
    thread::scope(|scope| {
        let people: Vec<_> = (0..LOG_INS).map(|_| scope.spawn(|| log_in(base_url))).collect();
        let ended = people.into_iter().map(|person| match person.join() {
            Ok(latency) => latency,
            Err(_) => anyhow::bail!("a thread that logs in panicked"),
        });
        ended.collect()
    })
}

fn log_in(base_url: &str) -> Result<Duration> {
    let begin = Instant::now();
    let body = json!({"email": "admin@localhost", "password": PASSWORD}).to_string();
    let request =
        plain_agent().post(format!("{base_url}/auth/login")).header("content-type", "application/json");
    let status = request.send(body)?.status();
    ensure!(status.is_success(), "a log-in was answered with {status}");
    Ok(begin.elapsed())
}

/// Microseconds that a remembered credential takes.
fn check_time() -> Result<f64> {
    let credentials = CachedCredentials::new(std::sync::Arc::new(OpenDeployment));
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    runtime.block_on(async {
        let token = "bnu_0123456789abcdef_0123456789abcdef0123456789abcdef0123456789abcdef";
        credentials.principal(token, None).await?;
        let begin = Instant::now();
        for _ in 0..CHECKS {
            std::hint::black_box(credentials.principal(std::hint::black_box(token), None).await?);
        }
        Ok(per(begin.elapsed().as_secs_f64() * 1e6, CHECKS))
    })
}

impl Display for AccessCost {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut row = |measure: &str, value: f64, target: Option<Target>| {
            let verdict = target.map_or_else(String::new, |target| target.verdict(value));
            writeln!(formatter, "{}", format!("{measure:<56} {:>10}   {verdict}", number(value)).trim_end())
        };
        row("acknowledged spans/s, authentication off", self.open_per_s, None)?;
        row("acknowledged spans/s, with an API key", self.with_key_per_s, None)?;
        row(
            "  share of the rate without",
            self.with_key_per_s / self.open_per_s,
            Some(Target::AtLeast(0.95)),
        )?;
        row("check of a remembered key, µs", self.check_us, Some(Target::AtMost(20.0)))?;
        row("one log-in, p50 ms", self.log_in.p50_ms, None)?;
        row(&format!("{LOG_INS} log-ins at once, p50 ms"), self.log_ins.p50_ms, None)?;
        row("acknowledgement p99 ms, half rate", self.steady.p99_ms, None)?;
        row(&format!("  the same while {LOG_INS} people log in"), self.steady_with_log_ins.p99_ms, None)
    }
}
