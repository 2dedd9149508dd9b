//! Filters that let a search for a text pass over blocks which cannot hold it.

use sea_orm_migration::prelude::*;

use crate::dialect::{execute, execute_on_postgres, execute_on_sqlite};
use crate::row_security::force_row_security;

#[derive(DeriveMigrationName)]
pub struct Migration;

// Each has the id of its block, and is apart from it because whoever reads filters reads thousands. `bits` is described in the
// crate `domain`. Blocks of before have none: they may hold anything.
const UP: &[&str] = &["CREATE TABLE text_filters (
        tenant_id BIGINT NOT NULL,
        id {GIVEN_ID},
        bits {BYTES} NOT NULL
        {KEY}
    )"];

/// With the block, so that which blocks a search meets is told without reading rows. Postgres would read them nevertheless where
/// it has not vacuumed, and make the index anew under a lock.
const UP_SQLITE: &[&str] = &[
    "DROP INDEX spans_by_start",
    "CREATE INDEX spans_by_start ON spans (tenant_id, project_id, start_time, id, block_id)",
];

/// Half of the bits are set: nothing is there to compress.
const UP_POSTGRES: &[&str] = &["ALTER TABLE text_filters ALTER COLUMN bits SET STORAGE EXTERNAL"];

const DOWN_SQLITE: &[&str] = &[
    "DROP INDEX spans_by_start",
    "CREATE INDEX spans_by_start ON spans (tenant_id, project_id, start_time, id)",
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        execute(manager, UP).await?;
        execute_on_sqlite(manager, UP_SQLITE).await?;
        execute_on_postgres(manager, UP_POSTGRES).await?;
        force_row_security(manager, &["text_filters"]).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        execute_on_sqlite(manager, DOWN_SQLITE).await?;
        execute(manager, &["DROP TABLE text_filters"]).await
    }
}
