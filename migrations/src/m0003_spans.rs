//! Narrow span rows, and the compressed blocks that hold the spans themselves.

use sea_orm_migration::prelude::*;

use crate::dialect::{execute, execute_on_postgres};

#[derive(DeriveMigrationName)]
pub struct Migration;

const UP: &[&str] = &[
    // Exactly one of `data` and `object_key` is set. `raw_bytes` is the size before compression.
    "CREATE TABLE trace_blocks (
        tenant_id BIGINT NOT NULL,
        id {ID},
        trace_row_id BIGINT NOT NULL,
        codec SMALLINT NOT NULL,
        span_count BIGINT NOT NULL,
        raw_bytes BIGINT NOT NULL,
        stored_bytes BIGINT NOT NULL,
        data {BYTES},
        object_key TEXT
        {KEY}
    )",
    "CREATE INDEX trace_blocks_by_trace ON trace_blocks (tenant_id, trace_row_id)",
    // `name` is cut at 256 bytes; `facets` is described in the crate `domain`. Span ids are unique within a trace
    // (OTLP). The key leads with the trace's row id because new traces get rising ones: random keys would
    // touch a page of the index for every span.
    "CREATE TABLE spans (
        tenant_id BIGINT NOT NULL,
        id {ID},
        project_id BIGINT NOT NULL,
        trace_row_id BIGINT NOT NULL,
        span_id {BYTES} NOT NULL,
        parent_id {BYTES},
        name TEXT NOT NULL,
        kind SMALLINT NOT NULL,
        status SMALLINT NOT NULL,
        start_time BIGINT NOT NULL,
        end_time BIGINT NOT NULL,
        prompt_tokens BIGINT NOT NULL,
        completion_tokens BIGINT NOT NULL,
        block_id BIGINT NOT NULL,
        block_index BIGINT NOT NULL,
        facets {JSON} NOT NULL,
        facets_complete BOOLEAN NOT NULL
        {KEY}
    )",
    "CREATE UNIQUE INDEX spans_by_trace ON spans (tenant_id, trace_row_id, span_id)",
    // The same again for span ids alone: parts of 16,384 rows, see `span_ids` in the crate `store`.
    "CREATE INDEX spans_by_span_id ON spans (tenant_id, (id / 16384), span_id)",
    "CREATE INDEX spans_by_project ON spans (tenant_id, project_id, id)",
    "CREATE INDEX spans_by_start ON spans (tenant_id, project_id, start_time, id)",
];

/// Blocks are compressed already: Postgres is not to try it again. A statement of its own because `STORAGE` in
/// `CREATE TABLE` is new in Postgres 16.
const UP_POSTGRES: &[&str] = &["ALTER TABLE trace_blocks ALTER COLUMN data SET STORAGE EXTERNAL"];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        execute(manager, UP).await?;
        execute_on_postgres(manager, UP_POSTGRES).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        execute(manager, &["DROP TABLE spans", "DROP TABLE trace_blocks"]).await
    }
}
