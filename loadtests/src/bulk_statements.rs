//! Ways of writing many rows into Postgres, compared on the same rows: what the store does, and what it could do instead.

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use futures::TryStreamExt as _;
use sea_orm::sqlx::{
    AssertSqlSafe, Connection as _, Executor as _, PgConnection, Row as _, query, query_scalar,
};
use serde::Serialize;

use crate::raw_copy::written_columns;

/// Rows of a transaction: a full batch of the writer.
const BATCH: i64 = 4_096;
/// Each way takes its turn this often; the middle one of its times counts.
const ROUNDS: usize = 3;
/// What the copies are called.
const TARGET: &str = "bulk_target";
const STAGED: &str = "bulk_staged";

/// A table of the store: its columns by the type of the array that carries them. Nulls travel as -1 and as empty texts.
struct Table {
    name: &'static str,
    integers: &'static [&'static str],
    bytes: &'static [&'static str],
    texts: &'static [&'static str],
    /// Of the rows `v` that the statement carries.
    insert: &'static str,
}

const TABLES: [Table; 2] = [
    Table {
        name: "spans",
        integers: &[
            "id",
            "project_id",
            "trace_row_id",
            "kind",
            "status",
            "start_time",
            "end_time",
            "prompt_tokens",
            "completion_tokens",
            "prompt_cost",
            "completion_cost",
            "block_id",
            "block_index",
        ],
        bytes: &["span_id", "parent_id"],
        texts: &["name", "facets"],
        insert: "(tenant_id, id, project_id, trace_row_id, kind, status, start_time, end_time, prompt_tokens, \
                 completion_tokens, prompt_cost, completion_cost, block_id, block_index, span_id, parent_id, name, facets, \
                 facets_complete) \
                 SELECT 1, v.id, v.project_id, v.trace_row_id, v.kind, v.status, v.start_time, v.end_time, v.prompt_tokens, \
                 v.completion_tokens, NULLIF(v.prompt_cost, -1), NULLIF(v.completion_cost, -1), v.block_id, v.block_index, \
                 v.span_id, CASE WHEN length(v.parent_id) > 0 THEN v.parent_id END, v.name, v.facets::jsonb, true FROM v",
    },
    Table {
        name: "trace_blocks",
        integers: &["id", "trace_row_id", "span_count", "raw_bytes", "stored_bytes"],
        bytes: &["data"],
        texts: &["object_key"],
        insert: "(tenant_id, id, trace_row_id, codec, span_count, raw_bytes, stored_bytes, data, object_key) \
                 SELECT 1, v.id, v.trace_row_id, 1, v.span_count, v.raw_bytes, v.stored_bytes, v.data, \
                 NULLIF(v.object_key, '') FROM v",
    },
];

/// A way of writing a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Way {
    /// `INSERT … SELECT FROM UNNEST(…)`.
    Unnest,
    /// The same with `ON CONFLICT DO NOTHING RETURNING id`.
    UnnestReturning,
    /// Binary COPY into a temporary table, and from there `ON CONFLICT DO NOTHING`.
    StagedCopy,
    /// Binary COPY into the table: it knows no conflicts.
    BareCopy,
}

const WAYS: [Way; 4] = [Way::Unnest, Way::UnnestReturning, Way::StagedCopy, Way::BareCopy];

/// How fast rows of a table were written.
#[derive(Debug, Clone, Serialize)]
pub struct BulkRate {
    pub table: &'static str,
    pub way: Way,
    pub rows_per_s: f64,
}

/// The rows of a batch in both forms: as arrays, and as COPY carries them.
struct Batch {
    integers: Vec<Vec<i64>>,
    bytes: Vec<Vec<Vec<u8>>>,
    texts: Vec<Vec<String>>,
    copy: Vec<u8>,
    /// In the order in which COPY has them.
    columns: Arc<str>,
}

/// Writes the rows of a database that the store has filled into tables like its own.
pub async fn compare(database: &str) -> Result<Vec<BulkRate>> {
    let mut connection = PgConnection::connect(database).await.context("connecting")?;
    let mut rates = Vec::new();
    for table in &TABLES {
        let batches = table.read(&mut connection).await?;
        let rows: usize = batches.iter().map(|batch| batch.integers[0].len()).sum();
        let mut seconds = WAYS.map(|_| Vec::with_capacity(ROUNDS));
        for _ in 0..ROUNDS {
            for (way, seconds) in WAYS.iter().zip(&mut seconds) {
                seconds.push(table.write(&mut connection, *way, &batches, rows).await?);
            }
        }
        for (way, mut seconds) in WAYS.into_iter().zip(seconds) {
            seconds.sort_by(f64::total_cmp);
            #[expect(clippy::cast_precision_loss, reason = "row counts of a run stay far below 2^52")]
            let rows_per_s = rows as f64 / seconds[ROUNDS / 2];
            rates.push(BulkRate { table: table.name, way, rows_per_s });
        }
    }
    Ok(rates)
}

impl Table {
    async fn read(&self, connection: &mut PgConnection) -> Result<Vec<Batch>> {
        let name = self.name;
        let integers = self.integers.iter().map(|column| format!("COALESCE({column}, -1)::bigint"));
        let bytes = self.bytes.iter().map(|column| format!("COALESCE({column}, ''::bytea)"));
        let texts = self.texts.iter().map(|column| format!("COALESCE({column}::text, '')"));
        let columns = integers.chain(bytes).chain(texts).collect::<Vec<_>>().join(", ");
        let last: i64 = query_scalar(AssertSqlSafe(format!("SELECT max(id) FROM {name}")))
            .fetch_one(&mut *connection)
            .await?;
        let written = query_scalar::<_, String>(AssertSqlSafe(written_columns(name)));
        let written: Arc<str> = written.fetch_one(&mut *connection).await?.into();
        let mut batches = Vec::new();
        for first in (1..=last).step_by(BATCH.unsigned_abs().try_into()?) {
            let rows = format!(
                "FROM {name} WHERE tenant_id = 1 AND id >= {first} AND id < {} ORDER BY id",
                first + BATCH
            );
            let found =
                query(AssertSqlSafe(format!("SELECT {columns} {rows}"))).fetch_all(&mut *connection).await?;
            let (of_bytes, of_texts) = (self.integers.len(), self.integers.len() + self.bytes.len());
            let copy = connection
                .copy_out_raw(&format!("COPY (SELECT {written} {rows}) TO STDOUT (FORMAT binary)"))
                .await?;
            let copy = copy.try_fold(Vec::new(), async |mut all, part| {
                all.extend_from_slice(&part);
                Ok(all)
            });
            batches.push(Batch {
                copy: copy.await?,
                columns: Arc::clone(&written),
                integers: (0..of_bytes).map(|at| found.iter().map(|row| row.get(at)).collect()).collect(),
                bytes: (of_bytes..of_texts).map(|at| found.iter().map(|row| row.get(at)).collect()).collect(),
                texts: (of_texts..of_texts + self.texts.len())
                    .map(|at| found.iter().map(|row| row.get(at)).collect())
                    .collect(),
            });
        }
        Ok(batches)
    }

    /// Seconds for all batches, a transaction each.
    async fn write(
        &self,
        connection: &mut PgConnection,
        way: Way,
        batches: &[Batch],
        rows: usize,
    ) -> Result<f64> {
        let name = self.name;
        for create in [
            format!("CREATE TABLE {TARGET} (LIKE {name} INCLUDING ALL)"),
            format!("CREATE TEMPORARY TABLE {STAGED} (LIKE {name}) ON COMMIT DELETE ROWS"),
            "CHECKPOINT".to_owned(),
        ] {
            connection.execute(AssertSqlSafe(create)).await?;
        }
        let begin = Instant::now();
        for batch in batches {
            let mut transaction = connection.begin().await?;
            match way {
                Way::Unnest => self.unnest(&mut transaction, batch, "").await?,
                Way::UnnestReturning => {
                    self.unnest(&mut transaction, batch, "WHERE true ON CONFLICT DO NOTHING RETURNING id")
                        .await?;
                }
                Way::StagedCopy => {
                    copy_in(&mut transaction, STAGED, batch).await?;
                    let columns = &batch.columns;
                    let insert = format!(
                        "INSERT INTO {TARGET} ({columns}) SELECT {columns} FROM {STAGED} ON CONFLICT DO NOTHING"
                    );
                    transaction.execute(AssertSqlSafe(insert)).await?;
                }
                Way::BareCopy => copy_in(&mut transaction, TARGET, batch).await?,
            }
            transaction.commit().await?;
        }
        let seconds = begin.elapsed().as_secs_f64();
        let written: i64 = query_scalar(AssertSqlSafe(format!("SELECT count(*) FROM {TARGET}")))
            .fetch_one(&mut *connection)
            .await?;
        ensure!(usize::try_from(written)? == rows, "{way:?} wrote {written} of {rows} rows");
        connection.execute(AssertSqlSafe(format!("DROP TABLE {TARGET}, {STAGED}"))).await?;
        Ok(seconds)
    }

    async fn unnest(&self, connection: &mut PgConnection, batch: &Batch, ending: &str) -> Result<()> {
        let types = [
            self.integers.iter().map(|column| (column, "bigint[]")).collect::<Vec<_>>(),
            self.bytes.iter().map(|column| (column, "bytea[]")).collect(),
            self.texts.iter().map(|column| (column, "text[]")).collect(),
        ]
        .concat();
        let names = types.iter().map(|(column, _)| **column).collect::<Vec<_>>().join(", ");
        let casts = types.iter().enumerate().map(|(at, (_, kind))| format!("${}::{kind}", at + 1));
        let casts = casts.collect::<Vec<_>>().join(", ");
        let sql = format!(
            "WITH v ({names}) AS (SELECT * FROM UNNEST({casts})) INSERT INTO {TARGET} {} {ending}",
            self.insert
        );
        let mut statement = query(AssertSqlSafe(sql));
        for column in &batch.integers {
            statement = statement.bind(column);
        }
        for column in &batch.bytes {
            statement = statement.bind(column);
        }
        for column in &batch.texts {
            statement = statement.bind(column);
        }
        // The rows that come back are read, as the store would.
        statement.fetch_all(connection).await?;
        Ok(())
    }
}

async fn copy_in(connection: &mut PgConnection, table: &str, batch: &Batch) -> Result<()> {
    let mut copy = connection
        .copy_in_raw(&format!("COPY {table} ({}) FROM STDIN (FORMAT binary)", batch.columns))
        .await?;
    copy.send(batch.copy.as_slice()).await?;
    copy.finish().await?;
    Ok(())
}
