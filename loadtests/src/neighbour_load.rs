//! What a tenant in flood does to another one's acknowledgements.

use std::fmt::{self, Display};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use anyhow::{Context as _, Result, anyhow, ensure};
use serde::Serialize;

use crate::authenticated_server::AuthenticatedServer;
use crate::load_phases::require_all_acknowledged;
use crate::measure::{Latencies, median};
use crate::otlp_client::{Endpoint, LoadOutcome, Pace, send_all, send_while};
use crate::report::{Target, number};
use crate::scenario::PROJECT;
use crate::trace_generator::{GeneratedRequest, SPANS_PER_REQUEST, TraceGenerator, requests_for};

/// The tenant in flood.
pub const NOISY: &str = "noisy";
/// A request every 25 ms, for twelve seconds.
const QUIET_SPANS_PER_S: f64 = 1_920.0;
const QUIET_REQUESTS: usize = 480;
const QUIET_CONNECTIONS: usize = 4;
/// More than any machine that this runs on stores while the quiet one sends; what is left is given up.
const FLOOD_SPANS: usize = 480_000;
/// Of the noisy tenant, where it has one; a fifteenth of what two cores store.
const QUOTA_SPANS_PER_S: u64 = 2_000;
/// Alone, beside the flood, and with a quota, in turn, so that what else the machine does meets all of them.
const ROUNDS: usize = 3;

/// What the flood is to the p99 of the quiet tenant, at most.
const MOST: f64 = 2.0;

/// Figures of one run.
#[derive(Debug, Clone, Serialize)]
pub struct NeighbourCost {
    pub alone: Latencies,
    pub beside_flood: Latencies,
    /// Acknowledged meanwhile, a second.
    pub flood_per_s: f64,
    pub beside_flood_over_quota: Latencies,
    pub flood_over_quota_per_s: f64,
}

/// Measures `program` in an empty directory below `directory`.
pub fn measure_neighbour(
    program: &Path,
    directory: &Path,
    concurrency: usize,
    now: u64,
) -> Result<NeighbourCost> {
    let free = AuthenticatedServer::start(program, &directory.join("free"))?;
    let limited = AuthenticatedServer::start(program, &directory.join("limited"))?;
    for server in [&free, &limited] {
        server.create_tenant(NOISY)?;
    }
    limited.limit_tenant(NOISY, QUOTA_SPANS_PER_S)?;
    let neighbours = |server: &AuthenticatedServer| {
        Ok::<_, anyhow::Error>((server.endpoint(None)?, server.endpoint(Some(NOISY))?))
    };
    let ((quiet, noisy), (quiet_limited, noisy_limited)) = (neighbours(&free)?, neighbours(&limited)?);
    let requests =
        |spans: usize| TraceGenerator::new(fastrand::u64(..), PROJECT, now).requests(0..requests_for(spans));
    let (mut alone, mut beside, mut over_quota) = (Vec::new(), Vec::new(), Vec::new());
    let (mut flood, mut flood_over_quota) = (Vec::new(), Vec::new());
    for round in 1..=ROUNDS {
        eprintln!("round {round} of {ROUNDS}");
        let calm = || requests(QUIET_REQUESTS * SPANS_PER_REQUEST);
        alone.extend(send_quietly(&quiet, &calm()?)?.latencies);
        let (outcome, rate) = beside_flood(&quiet, &calm()?, &noisy, &requests(FLOOD_SPANS)?, concurrency)?;
        beside.extend(outcome.latencies);
        flood.push(rate);
        let (outcome, rate) =
            beside_flood(&quiet_limited, &calm()?, &noisy_limited, &requests(FLOOD_SPANS)?, concurrency)?;
        over_quota.extend(outcome.latencies);
        flood_over_quota.push(rate);
    }
    free.process.stop()?;
    limited.process.stop()?;
    let none = "nothing was measured";
    Ok(NeighbourCost {
        alone: Latencies::of(&alone).context(none)?,
        beside_flood: Latencies::of(&beside).context(none)?,
        flood_per_s: median(flood),
        beside_flood_over_quota: Latencies::of(&over_quota).context(none)?,
        flood_over_quota_per_s: median(flood_over_quota),
    })
}

fn send_quietly(endpoint: &Endpoint, requests: &[GeneratedRequest]) -> Result<LoadOutcome> {
    let pace = Pace::SpansPerSecond(QUIET_SPANS_PER_S);
    let outcome = send_all(endpoint, requests, QUIET_CONNECTIONS, pace, |_| {})?;
    require_all_acknowledged(&outcome)?;
    ensure!(outcome.busy_answers == 0, "the quiet tenant was sent away {} times", outcome.busy_answers);
    Ok(outcome)
}

/// The quiet tenant's load while the other one sends as fast as it may; and what of that is acknowledged a second.
fn beside_flood(
    quiet: &Endpoint,
    calm: &[GeneratedRequest],
    noisy: &Endpoint,
    flood: &[GeneratedRequest],
    concurrency: usize,
) -> Result<(LoadOutcome, f64)> {
    let ended = AtomicBool::new(false);
    thread::scope(|scope| {
        let flooding = scope.spawn(|| {
            let goes_on = || !ended.load(Ordering::Relaxed);
            send_while(noisy, flood, concurrency, Pace::FullSpeed, |_| {}, goes_on)
        });
        let outcome = send_quietly(quiet, calm);
        ensure!(!flooding.is_finished(), "the flood ended before the quiet tenant's load did");
        ended.store(true, Ordering::Relaxed);
        let flooded = flooding.join().map_err(|_| anyhow!("a sending thread panicked"))??;
        require_all_acknowledged(&flooded)?;
        Ok((outcome?, flooded.spans_per_second()))
    })
}

impl Display for NeighbourCost {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut row = |measure: &str, value: f64, target: Option<Target>| {
            let verdict = target.map_or_else(String::new, |target| target.verdict(value));
            writeln!(formatter, "{}", format!("{measure:<60} {:>10}   {verdict}", number(value)).trim_end())
        };
        row("acknowledgement p50 ms, quiet tenant alone", self.alone.p50_ms, None)?;
        row("acknowledgement p99 ms, quiet tenant alone", self.alone.p99_ms, None)?;
        let mut beside = |how: &str, quiet: &Latencies, rate: f64| {
            row(&format!("flood {how}, acknowledged spans/s"), rate, None)?;
            row("  acknowledgement p50 ms, quiet tenant", quiet.p50_ms, None)?;
            row("  acknowledgement p99 ms, quiet tenant", quiet.p99_ms, None)?;
            let share = quiet.p99_ms / self.alone.p99_ms;
            row("  p99 beside it / p99 alone", share, Some(Target::AtMost(MOST)))
        };
        beside("of another tenant", &self.beside_flood, self.flood_per_s)?;
        let limited = format!("over a quota of {QUOTA_SPANS_PER_S} spans/s");
        beside(&limited, &self.beside_flood_over_quota, self.flood_over_quota_per_s)
    }
}
