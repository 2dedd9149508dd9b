//! `bench`: Bennu beside the reference server, on one machine in one run; its subcommands measure one thing each.

mod cli;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread;

use anyhow::{Context, Result};
use bennu_loadtests::report::Comparison;
use bennu_loadtests::scenario::{Candidate, PROJECT, Settings};
use bennu_loadtests::server_process::ServerKind;
use bennu_loadtests::trace_generator::TraceGenerator;
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
    /// Measure what authentication costs: a load with keys and without, and one during which people log in
    Access(cli::BennuAlone),
    /// Measure how fast annotations are taken in
    Annotations(cli::Annotations),
    /// Measure what a tenant in flood does to another one's acknowledgements
    Neighbour(cli::BennuAlone),
    /// Load a server that is already running, and print rate and latencies of its acknowledgements
    Send(cli::Send),
    /// Run load scenarios of k6 against a running server or a throw-away one
    Load(cli::Load),
    /// Load the distributed shape (RabbitMQ, Postgres, services), beside what bare COPY reaches
    ///
    /// Let it end by itself: after a signal its throw-away servers go on running.
    Stack(cli::Stack),
    /// Measure how the rate changes while a store fills up
    Fill(cli::Fill),
    /// Compare ways of writing the same rows into Postgres
    Bulk(cli::Bulk),
    /// Write the request bodies that the scenarios of k6 send
    Bodies(cli::Bodies),
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

fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match (cli.command, cli.compare) {
        (Some(Command::Access(arguments)), _) => cli::access(&arguments),
        (Some(Command::Annotations(arguments)), _) => cli::annotations(&arguments),
        (Some(Command::Neighbour(arguments)), _) => cli::neighbour(&arguments),
        (Some(Command::Send(arguments)), _) => cli::send(&arguments),
        (Some(Command::Load(arguments)), _) => cli::load(&arguments),
        (Some(Command::Stack(arguments)), _) => cli::stack(&arguments),
        (Some(Command::Fill(arguments)), _) => cli::fill(&arguments),
        (Some(Command::Bulk(arguments)), _) => cli::bulk(&arguments),
        (Some(Command::Bodies(arguments)), _) => cli::bodies(&arguments),
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
    let generator = TraceGenerator::new(1, PROJECT, cli::now());
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

fn at_least_one_page(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(spans) if spans >= 1_000 => Ok(spans),
        Ok(_) => Err("at least 1,000, the size of the largest page that is read".to_owned()),
        Err(error) => Err(format!("{error}")),
    }
}
