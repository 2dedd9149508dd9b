//! `bench stack`, `bench fill` and `bench bulk`: the distributed shape under load, either shape as it fills, and ways of writing rows.

use std::fs;
use std::path::PathBuf;

use anyhow::{Result, ensure};
use bennu_loadtests::bulk_statements;
use bennu_loadtests::fill_curve::{FillPoint, FillingStore};
use bennu_loadtests::otlp_client::Endpoint;
use bennu_loadtests::scenario::PROJECT;
use bennu_loadtests::server_process::{ServerKind, ServerProcess};
use bennu_loadtests::span_reader::SpanReader;
use bennu_loadtests::stack_load::LoadedStack;
use bennu_loadtests::stack_report::CurveTable;
use bennu_loadtests::trace_generator::TraceGenerator;
use clap::{Args, ValueEnum};

use super::{keep, now};

/// Where the rate is measured, as far as the option says.
const POINTS: [usize; 5] = [0, 500_000, 1_000_000, 2_000_000, 5_000_000];

#[derive(Args)]
pub struct Stack {
    /// Directory of the built services
    #[arg(long, default_value = "target/release", value_name = "DIR")]
    programs: PathBuf,
    /// Spans sent at full speed (about 0.75 KB of memory each while they wait)
    #[arg(long, default_value_t = 240_000, value_name = "N")]
    spans: usize,
    /// Connections that send at the same time
    #[arg(long, default_value_t = 16, value_name = "N")]
    concurrency: usize,
    /// A setting of the services, such as BENNU_INGEST_BATCH_SPANS=8192; may be given more than once
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = setting)]
    settings: Vec<(String, String)>,
    /// Also write every figure to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

#[derive(Args)]
pub struct Fill {
    /// One process on SQLite, or the distributed shape on Postgres
    engine: Engine,
    /// Directory of the built programs
    #[arg(long, default_value = "target/release", value_name = "DIR")]
    programs: PathBuf,
    /// Measure at 0, 0.5, 1, 2 and 5 million stored spans, but not beyond this many
    #[arg(long, default_value_t = 5_000_000, value_name = "N")]
    until: usize,
    /// Connections that send at the same time
    #[arg(long, default_value_t = 16, value_name = "N")]
    concurrency: usize,
    /// Where SQLite keeps its data during the run: a real disk
    #[arg(long, default_value = ".bench", value_name = "DIR")]
    directory: PathBuf,
    /// Also write every figure to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

#[derive(Args)]
pub struct Bulk {
    /// Directory of the built services
    #[arg(long, default_value = "target/release", value_name = "DIR")]
    programs: PathBuf,
    /// Spans whose rows and blocks are written
    #[arg(long, default_value_t = 98_304, value_name = "N")]
    spans: usize,
}

#[derive(Clone, Copy, ValueEnum)]
enum Engine {
    Sqlite,
    Postgres,
}

pub fn stack(arguments: &Stack) -> Result<()> {
    let generator = TraceGenerator::new(fastrand::u64(..), PROJECT, now());
    let stack = LoadedStack::start(&arguments.programs, &arguments.settings)?;
    let measured = stack.measure(&generator, arguments.spans, arguments.concurrency)?;
    print!("{measured}");
    keep(arguments.json.as_deref(), &measured)
}

pub fn fill(arguments: &Fill) -> Result<()> {
    let points: Vec<usize> = POINTS.into_iter().filter(|point| *point <= arguments.until).collect();
    let curve = match arguments.engine {
        Engine::Postgres => {
            let stack = LoadedStack::start(&arguments.programs, &[])?;
            curve(&stack.endpoint, &stack.reader, arguments.concurrency, &points)?
        }
        Engine::Sqlite => {
            fs::create_dir_all(&arguments.directory)?;
            let home = tempfile::tempdir_in(&arguments.directory)?;
            let program = arguments.programs.join("bennu");
            let server = ServerProcess::start(ServerKind::Bennu, &program, home.path())?;
            let reader = SpanReader::new(&server.endpoint(), PROJECT);
            curve(&server.endpoint(), &reader, arguments.concurrency, &points)?
        }
    };
    ensure!(!curve.is_empty(), "nothing was measured");
    print!("{}", CurveTable(&curve));
    keep(arguments.json.as_deref(), &curve)
}

pub fn bulk(arguments: &Bulk) -> Result<()> {
    let generator = TraceGenerator::new(fastrand::u64(..), PROJECT, now());
    let stack = LoadedStack::start(&arguments.programs, &[])?;
    let database = stack.store(&generator, arguments.spans, 16)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    for rate in runtime.block_on(bulk_statements::compare(database))? {
        println!("{:<14} {:<18} {:>10.0} rows/s", rate.table, format!("{:?}", rate.way), rate.rows_per_s);
    }
    Ok(())
}

fn curve(
    endpoint: &Endpoint,
    reader: &SpanReader,
    concurrency: usize,
    points: &[usize],
) -> Result<Vec<FillPoint>> {
    let generator = TraceGenerator::new(fastrand::u64(..), PROJECT, now());
    let store = FillingStore { endpoint, reader, generator: &generator, concurrency };
    store.curve(points, |point| {
        eprintln!("{} spans stored: {:.0} durable spans/s", point.stored, point.durable_per_s);
    })
}

fn setting(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("a name, =, and a value")?;
    Ok((name.to_owned(), value.to_owned()))
}
