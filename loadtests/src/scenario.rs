//! The same sequence of phases for either server: start, idle, warm up, full load, fixed rate, reads, restart, export, annotations.

use std::path::Path;
use std::thread;
use std::time::Duration;

use anyhow::Result;
use serde::Serialize;

use crate::annotation_load::{AnnotationAmounts, AnnotationLoad, annotate};
use crate::disk_usage::allocated_bytes;
use crate::export::{Export, frame_of_everything, parquet_export};
use crate::load_phases::{FixedRate, FullLoad, fixed_rate, full_load, warm_up};
use crate::measure::per;
use crate::page_reads::{PageReads, read_pages};
use crate::query_reads::{QueryReads, ask};
use crate::server_process::{ServerKind, ServerProcess, data_directory};
use crate::span_reader::SpanReader;
use crate::trace_generator::{SPANS_PER_REQUEST, TraceGenerator, requests_for};

/// The project that receives the load.
pub const PROJECT: &str = "bench";
/// Sent before anything is measured.
const WARM_UP_REQUESTS: usize = 5;
/// The reference takes seconds for each hundred, and has no summaries.
const ANNOTATIONS: AnnotationAmounts = AnnotationAmounts { burst: 100_000, summed_up: 1_000_000 };
const ANNOTATIONS_OF_THE_REFERENCE: AnnotationAmounts = AnnotationAmounts { burst: 2_000, summed_up: 0 };
/// Start-up work has ended by then and memory has settled.
const IDLE_SETTLE: Duration = Duration::from_secs(3);

/// How much load, and which optional phases.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Settings {
    /// Spans at full speed; rounded up to whole requests.
    pub spans: usize,
    pub concurrency: usize,
    /// Also send at half of the durable rate. Says nothing about a server that acknowledges before it stores.
    pub half_rate: bool,
}

/// Everything measured on one server. Memory in bytes.
#[derive(Debug, Clone, Serialize)]
pub struct Measurement {
    pub start_to_ready_s: f64,
    pub idle_memory: u64,
    pub full_load: FullLoad,
    pub half_rate: Option<FixedRate>,
    pub pages: PageReads,
    pub queries: QueryReads,
    pub annotations: AnnotationLoad,
    /// Parquet from Bennu; the reference has a data frame of everything in its place.
    pub export: Export,
    pub peak_memory: u64,
    pub stop: StopAndRestart,
}

/// What the data weighs, and how long it takes to come back to it.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct StopAndRestart {
    /// Growth of the working directory for each stored span, logs included, while the server runs.
    pub disk_per_span_running: f64,
    /// The same after a clean stop.
    pub disk_per_span_stopped: f64,
    pub restart_to_ready_s: f64,
}

/// One server to be measured in an empty directory of its own.
pub struct Candidate<'a> {
    pub kind: ServerKind,
    pub program: &'a Path,
    pub directory: &'a Path,
}

impl Candidate<'_> {
    /// Runs all phases and says on stderr what it is doing.
    pub fn measure(&self, generator: &TraceGenerator, settings: Settings) -> Result<Measurement> {
        let after_load = WARM_UP_REQUESTS + requests_for(settings.spans);
        self.say(&format!(
            "preparing {} requests of {SPANS_PER_REQUEST} spans",
            requests_for(settings.spans)
        ));
        let requests = generator.requests(0..after_load)?;
        let (first, load) = requests.split_at(WARM_UP_REQUESTS);

        self.say("starting");
        let server = self.start()?;
        let start_to_ready_s = server.start_to_ready().as_secs_f64();
        let memory = server.watch_memory();
        let empty_disk = self.disk()?;
        thread::sleep(IDLE_SETTLE);
        let idle_memory = server.usage()?.resident;

        let reader = SpanReader::new(&server.endpoint(), PROJECT);
        warm_up(&server, &reader, first)?;
        self.say("full load, then reading everything back");
        let full_load = full_load(&server, &reader, load, settings.concurrency)?;
        drop(requests);
        let half_rate = if settings.half_rate {
            let rate = full_load.durable_per_s / 2.0;
            self.say(&format!("fixed rate of {rate:.0} spans/s"));
            Some(fixed_rate(&server, generator, after_load, rate, settings.concurrency)?)
        } else {
            None
        };
        self.say("reading pages");
        let pages = read_pages(&reader)?;
        let loaded = after_load * SPANS_PER_REQUEST + half_rate.map_or(0, |load| load.spans);
        self.say("asking, and opening a trace of 5,000 spans");
        let queries = ask(&server, &reader, generator, loaded)?;
        let loaded_memory = memory.finish()?;
        self.say("stopping and starting again");
        let (stop, server) = self.stop_and_restart(server, empty_disk, loaded + queries.large_trace_spans)?;

        // The kernel's high-water mark is that of a process: this one has only exported when it is read.
        let reader = SpanReader::new(&server.endpoint(), PROJECT);
        self.say("exporting everything");
        let export = match self.kind {
            ServerKind::Bennu => parquet_export(&server, &reader, loaded)?,
            ServerKind::Reference => frame_of_everything(&server, &reader, loaded)?,
        };
        self.say("annotating");
        let amounts = match self.kind {
            ServerKind::Bennu => ANNOTATIONS,
            ServerKind::Reference => ANNOTATIONS_OF_THE_REFERENCE,
        };
        let memory = server.watch_memory();
        let annotations = annotate(&server, &reader, PROJECT, amounts)?;
        let peak_memory = memory.finish()?.max(loaded_memory);
        server.stop()?;
        Ok(Measurement {
            start_to_ready_s,
            idle_memory,
            full_load,
            half_rate,
            pages,
            queries,
            annotations,
            export,
            peak_memory,
            stop,
        })
    }

    /// Answers the server that runs then.
    fn stop_and_restart(
        &self,
        server: ServerProcess,
        empty: u64,
        stored: usize,
    ) -> Result<(StopAndRestart, ServerProcess)> {
        let running = self.disk()?;
        server.stop()?;
        let stopped = self.disk()?;
        let again = self.start()?;
        let measured = StopAndRestart {
            disk_per_span_running: grown(empty, running, stored),
            disk_per_span_stopped: grown(empty, stopped, stored),
            restart_to_ready_s: again.start_to_ready().as_secs_f64(),
        };
        Ok((measured, again))
    }

    fn start(&self) -> Result<ServerProcess> {
        ServerProcess::start(self.kind, self.program, self.directory)
    }

    fn disk(&self) -> Result<u64> {
        Ok(allocated_bytes(&data_directory(self.directory))?)
    }

    fn say(&self, text: &str) {
        eprintln!("[{}] {text}", self.kind.name());
    }
}

#[expect(clippy::cast_precision_loss, reason = "directory sizes stay far below 2^52 bytes")]
fn grown(empty: u64, full: u64, spans: usize) -> f64 {
    per(full.saturating_sub(empty) as f64, spans)
}
