//! `bench send`: load on a server that is already running.

use anyhow::Result;
use bennu_loadtests::load_phases::progress;
use bennu_loadtests::measure::Latencies;
use bennu_loadtests::otlp_client::{Endpoint, Pace, send_all};
use bennu_loadtests::report::load_line;
use bennu_loadtests::scenario::PROJECT;
use bennu_loadtests::trace_generator::{TraceGenerator, requests_for};
use clap::Args;

use super::now;

#[derive(Args)]
pub struct Send {
    /// Base address, for example http://127.0.0.1:6006
    #[arg(long)]
    url: String,
    /// Spans to send; rounded up to whole requests of 48
    #[arg(long, default_value_t = 48_000, value_name = "N")]
    spans: usize,
    /// Spans a second on a fixed schedule; without it as fast as possible
    #[arg(long, value_name = "R", value_parser = positive_rate)]
    rate: Option<f64>,
    /// Connections that send at the same time
    #[arg(long, default_value_t = 16, value_name = "N")]
    concurrency: usize,
    /// Project that receives the spans
    #[arg(long, default_value = PROJECT)]
    project: String,
    /// Bearer token of a server that asks for one
    #[arg(long, value_name = "KEY")]
    api_key: Option<String>,
    /// Same seed, same ids. Without it every call sends new spans
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
}

pub fn send(arguments: &Send) -> Result<()> {
    let seed = arguments.seed.unwrap_or_else(|| fastrand::u64(..));
    let generator = TraceGenerator::new(seed, &arguments.project, now());
    let count = requests_for(arguments.spans);
    eprintln!("preparing {count} requests");
    let requests = generator.requests(0..count)?;
    let endpoint = Endpoint {
        base_url: arguments.url.trim_end_matches('/').to_owned(),
        api_key: arguments.api_key.clone(),
    };
    let pace = arguments.rate.map_or(Pace::FullSpeed, Pace::SpansPerSecond);
    let outcome = send_all(&endpoint, &requests, arguments.concurrency, pace, progress(count))?;
    println!("{}", load_line(outcome.spans_per_second(), Latencies::of(&outcome.latencies)));
    println!("{} busy answers; given up: {:?}", outcome.busy_answers, outcome.failures);
    anyhow::ensure!(outcome.failures.is_empty(), "not every request was acknowledged");
    Ok(())
}

fn positive_rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if rate.is_finite() && rate > 0.0 => Ok(rate),
        _ => Err("a number above 0".to_owned()),
    }
}
