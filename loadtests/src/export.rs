//! How fast everything comes out for a notebook, and the memory that it takes: one Parquet file, or what the reference has in
//! its place, one data frame.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde::Serialize;
use serde_json::json;

use crate::measure::per;
use crate::server_process::ServerProcess;
use crate::span_reader::SpanReader;

/// Memory in bytes, of the whole server.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Export {
    pub spans_per_s: f64,
    pub peak_memory: u64,
}

/// Exports the project, which holds this many spans.
pub fn parquet_export(server: &ServerProcess, reader: &SpanReader, spans: usize) -> Result<Export> {
    measured(server, spans, || {
        let (took, file) = reader.parquet_file()?;
        // Four bytes of mark at both ends; the end is only there once everything was written.
        let is_whole = file.starts_with(b"PAR1") && file.ends_with(b"PAR1");
        ensure!(is_whole, "the export is no whole Parquet file");
        Ok(took)
    })
}

/// Asks for a data frame of the project, which holds this many spans.
pub fn frame_of_everything(server: &ServerProcess, reader: &SpanReader, spans: usize) -> Result<Export> {
    measured(server, spans, || {
        let (took, rows) = reader.frame(&json!({}), spans)?;
        ensure!(rows == spans, "the data frame of everything has {rows} rows, not {spans}");
        Ok(took)
    })
}

fn measured(server: &ServerProcess, spans: usize, read: impl Fn() -> Result<Duration>) -> Result<Export> {
    let memory = server.watch_memory();
    let took = read()?;
    Ok(Export { spans_per_s: 1.0 / per(took.as_secs_f64(), spans), peak_memory: memory.finish()? })
}
