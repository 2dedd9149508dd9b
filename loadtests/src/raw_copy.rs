//! What Postgres itself takes in: the rows and blocks that it just stored, once more through a bare binary COPY.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use serde::Serialize;

/// The tables that hold nearly all bytes.
const TABLES: [&str; 2] = ["spans", "trace_blocks"];

/// The fastest counts: after a load Postgres still vacuums, and the system writes to the disk, which is no matter of COPY.
const ROUNDS: usize = 3;

/// Spans a second.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct RawCopy {
    pub spans: usize,
    /// Into tables with the indexes of the real ones.
    pub with_indexes_per_s: f64,
    /// Into tables without any.
    pub without_indexes_per_s: f64,
}

/// Copies what is stored into tables of its own; `directory` takes the files between.
pub fn raw_copy(database: &str, directory: &Path) -> Result<RawCopy> {
    let file = |table: &str| directory.join(format!("{table}.copy")).display().to_string();
    let mut columns = Vec::new();
    for table in TABLES {
        let names = psql(database, &[written_columns(table)])?.trim().to_owned();
        let rows = format!("SELECT {names} FROM {table} ORDER BY id");
        psql(database, &[format!(r"\copy ({rows}) TO '{}' (FORMAT binary)", file(table))])?;
        columns.push((table, names));
    }
    let spans: usize =
        psql(database, &["SELECT count(*) FROM spans".to_owned()])?.trim().parse().context("a count")?;
    let copies = columns
        .iter()
        .map(|(table, names)| format!(r"\copy raw_{table} ({names}) FROM '{}' (FORMAT binary)", file(table)));
    let copies: Vec<String> = copies.collect();
    let once = |like: &str| {
        psql(database, &TABLES.map(|table| format!("CREATE TABLE raw_{table} (LIKE {table} {like})")))?;
        let begin = Instant::now();
        psql(database, &copies)?;
        let seconds = begin.elapsed().as_secs_f64();
        psql(database, &TABLES.map(|table| format!("DROP TABLE raw_{table}")))?;
        Ok::<_, anyhow::Error>(seconds)
    };
    #[expect(clippy::cast_precision_loss, reason = "span counts of a run stay far below 2^52")]
    let fastest = |like: &str| {
        let times = (0..ROUNDS).map(|_| once(like)).collect::<Result<Vec<_>>>()?;
        Ok::<_, anyhow::Error>(spans as f64 / times.into_iter().fold(f64::INFINITY, f64::min))
    };
    Ok(RawCopy {
        spans,
        with_indexes_per_s: fastest("INCLUDING ALL")?,
        without_indexes_per_s: fastest("INCLUDING STORAGE")?,
    })
}

/// A query for the columns of a table that are written: those that Postgres makes itself are not copied.
pub(crate) fn written_columns(table: &str) -> String {
    format!(
        "SELECT string_agg(column_name, ', ' ORDER BY ordinal_position) FROM information_schema.columns \
         WHERE table_schema = 'public' AND table_name = '{table}' AND is_generated = 'NEVER'"
    )
}

/// Runs commands in one transaction, and answers what they print.
fn psql(database: &str, commands: &[String]) -> Result<String> {
    let mut psql = Command::new("psql");
    psql.args([database, "--no-psqlrc", "--quiet", "--tuples-only", "--single-transaction"]);
    psql.args(["--set", "ON_ERROR_STOP=1"]);
    psql.args(commands.iter().flat_map(|command| ["--command", command]));
    let done = psql.output().context("psql, which is part of the Debian package postgresql-client")?;
    ensure!(done.status.success(), "{commands:?}: {}", String::from_utf8_lossy(&done.stderr));
    Ok(String::from_utf8_lossy(&done.stdout).into_owned())
}
