//! How fast all spans come out as one Parquet file, and the memory that it takes. The reference has nothing like it.

use anyhow::{Result, ensure};
use serde::Serialize;

use crate::server_process::ServerProcess;
use crate::span_reader::SpanReader;

/// Memory in bytes, of the whole server.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Export {
    pub spans_per_s: f64,
    pub peak_memory: u64,
}

/// Exports the project, which holds this many spans.
pub fn export(server: &ServerProcess, reader: &SpanReader, spans: usize) -> Result<Export> {
    let memory = server.watch_memory();
    let (took, file) = reader.parquet_file()?;
    // Four bytes of mark at both ends; the end is only there once everything was written.
    let is_whole = file.starts_with(b"PAR1") && file.ends_with(b"PAR1");
    ensure!(is_whole, "the export is no whole Parquet file");
    #[expect(clippy::cast_precision_loss, reason = "numbers of spans stay far below 2^52")]
    let spans_per_s = spans as f64 / took.as_secs_f64();
    Ok(Export { spans_per_s, peak_memory: memory.finish()? })
}
