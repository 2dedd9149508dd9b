//! `bench`: Bennu beside the reference server, on one machine in one run; `bench send` only sends load.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use bennu_loadtests::load_phases::progress;
use bennu_loadtests::measure::Latencies;
use bennu_loadtests::otlp_client::{Endpoint, Pace, send_all};
use bennu_loadtests::report::{Comparison, load_line};
use bennu_loadtests::scenario::{Candidate, PROJECT, Settings};
use bennu_loadtests::server_process::ServerKind;
use bennu_loadtests::trace_generator::{TraceGenerator, requests_for};
use clap::{Args, Parser, Subcommand};

/// Measures Bennu beside the reference server with realistic LLM traces (about 3 KB a span).
///
/// Each server is started on an empty directory and free loopback ports, loaded, read, stopped and started
/// again, one after the other. The reference gets far fewer spans because it stores them slowly; all figures are rates
/// or per span. The table goes to stdout, progress to stderr.
///
/// Example: bench --bennu target/release/bennu --reference .venv/bin/phoenix --json bench.json
#[derive(Parser)]
#[command(name = "bench", version, args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
struct Cli {
    #[command(flatten)]
    compare: Option<Compare>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Load a server that is already running, and print rate and latencies of its acknowledgements
    Send(Send),
}

#[derive(Args)]
struct Compare {
    /// The Bennu program; it is run as `PATH serve`
    #[arg(long, value_name = "PATH", required = true)]
    bennu: PathBuf,
    /// The reference's `phoenix` script in a virtual environment; without it only Bennu is measured
    #[arg(long, value_name = "PATH")]
    reference: Option<PathBuf>,
    /// Spans sent to Bennu at full speed (about 0.75 KB of memory each while they wait)
    #[arg(long, default_value_t = 240_000, value_name = "N", value_parser = at_least_one_page)]
    spans: usize,
    /// Spans sent to the reference
    #[arg(long, default_value_t = 1_500, value_name = "N", value_parser = at_least_one_page)]
    reference_spans: usize,
    /// Connections that send at the same time
    #[arg(long, default_value_t = 16, value_name = "N")]
    concurrency: usize,
    /// Also write every figure to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Where the servers keep their data during the run. Use a real disk: on a memory file system a sync costs nothing
    #[arg(long, default_value = ".bench", value_name = "DIR")]
    directory: PathBuf,
}

#[derive(Args)]
struct Send {
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

fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match (cli.command, cli.compare) {
        (Some(Command::Send(send)), _) => send_load(&send),
        (None, Some(arguments)) => compare(&arguments),
        (None, None) => Ok(()), // clap has already asked for --bennu
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn compare(arguments: &Compare) -> Result<()> {
    let generator = TraceGenerator::new(1, PROJECT, now());
    fs::create_dir_all(&arguments.directory)?;
    let directory = tempfile::tempdir_in(&arguments.directory)
        .with_context(|| format!("no directory could be made in {}", arguments.directory.display()))?;
    let run = |kind: ServerKind, program: &Path, settings: Settings| {
        let home = directory.path().join(kind.name());
        fs::create_dir(&home)?;
        Candidate { kind, program, directory: &home }
            .measure(&generator, settings)
            .with_context(|| kind.name())
    };
    let settings = Settings { spans: arguments.spans, concurrency: arguments.concurrency, half_rate: true };
    let for_reference = Settings { spans: arguments.reference_spans, half_rate: false, ..settings };
    let reference = arguments
        .reference
        .as_ref()
        .map(|program| run(ServerKind::Reference, program, for_reference))
        .transpose()?;
    let bennu = run(ServerKind::Bennu, &arguments.bennu, settings)?;
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let comparison = Comparison::new(cores, settings, bennu, reference);
    println!("{comparison}");
    if let Some(file) = &arguments.json {
        fs::write(file, serde_json::to_vec_pretty(&comparison)?)
            .with_context(|| format!("could not write {}", file.display()))?;
    }
    Ok(())
}

fn send_load(arguments: &Send) -> Result<()> {
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

/// Unix nanoseconds. The traces of a run begin now, as a live application's would.
#[expect(
    clippy::disallowed_methods,
    reason = "this program stands for the clients of a store, not for the store"
)]
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

fn at_least_one_page(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(spans) if spans >= 1_000 => Ok(spans),
        Ok(_) => Err("at least 1,000, the size of the largest page that is read".to_owned()),
        Err(error) => Err(format!("{error}")),
    }
}

fn positive_rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if rate.is_finite() && rate > 0.0 => Ok(rate),
        _ => Err("a number above 0".to_owned()),
    }
}
