//! `bench annotations`: how fast annotations are taken in, by a server that does nothing else.

use std::fs;
use std::path::PathBuf;

use anyhow::Result;
use bennu_loadtests::annotation_load::{AnnotationAmounts, annotate};
use bennu_loadtests::load_phases::require_all_acknowledged;
use bennu_loadtests::otlp_client::{Pace, send_all};
use bennu_loadtests::scenario::PROJECT;
use bennu_loadtests::server_process::{ServerKind, ServerProcess};
use bennu_loadtests::span_reader::SpanReader;
use bennu_loadtests::trace_generator::{TraceGenerator, requests_for};
use clap::Args;

use super::{keep, now};

#[derive(Args)]
pub struct Annotations {
    /// The Bennu program; it is run as `PATH serve`
    #[arg(long, default_value = "target/release/bennu", value_name = "PATH")]
    bennu: PathBuf,
    /// Spans stored before
    #[arg(long, default_value_t = 24_000, value_name = "N")]
    spans: usize,
    /// Annotations queued at once and waited for
    #[arg(long, default_value_t = 100_000, value_name = "N")]
    burst: usize,
    /// Where the server keeps its data during the run: a real disk
    #[arg(long, default_value = ".bench", value_name = "DIR")]
    directory: PathBuf,
    /// Also write every figure to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

pub fn annotations(arguments: &Annotations) -> Result<()> {
    fs::create_dir_all(&arguments.directory)?;
    let home = tempfile::tempdir_in(&arguments.directory)?;
    let server = ServerProcess::start(ServerKind::Bennu, &arguments.bennu, home.path())?;
    let requests =
        TraceGenerator::new(fastrand::u64(..), PROJECT, now()).requests(0..requests_for(arguments.spans))?;
    require_all_acknowledged(&send_all(&server.endpoint(), &requests, 16, Pace::FullSpeed, |_| {})?)?;
    let reader = SpanReader::new(&server.endpoint(), PROJECT);
    let memory = server.watch_memory();
    let load =
        annotate(&server, &reader, PROJECT, AnnotationAmounts { burst: arguments.burst, summed_up: 0 })?;
    for (how, answers) in [("stored", load.sync), ("queued", load.queued)] {
        println!("100 annotations {how}: p50 {:.1} ms, p99 {:.1} ms", answers.p50_ms, answers.p99_ms);
    }
    println!(
        "queued annotations applied: {:.0}/s, {:.1} µs CPU each",
        load.applied_per_s, load.cpu_us_per_applied
    );
    println!("memory: {} MB at the peak", memory.finish()? / 1_000_000);
    server.stop()?;
    keep(arguments.json.as_deref(), &load)
}
