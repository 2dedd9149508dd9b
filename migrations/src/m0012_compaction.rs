//! What the compactor has to do, and which objects rows name.

use sea_orm_migration::prelude::*;

use crate::dialect::execute;
use crate::row_security::force_row_security;

#[derive(DeriveMigrationName)]
pub struct Migration;

const UP: &[&str] = &[
    // Traces that are in several blocks, and when the last of them came.
    "CREATE TABLE compactions (
        tenant_id BIGINT NOT NULL,
        trace_row_id BIGINT NOT NULL,
        written_at BIGINT NOT NULL,
        PRIMARY KEY (tenant_id, trace_row_id)
    )",
    "CREATE INDEX compactions_by_time ON compactions (written_at)",
    "INSERT INTO compactions (tenant_id, trace_row_id, written_at)
        SELECT tenant_id, trace_row_id, 0 FROM trace_blocks GROUP BY tenant_id, trace_row_id HAVING count(*) > 1",
    // One row at most: the name by which the object store knows this database.
    "CREATE TABLE deployment (id TEXT NOT NULL)",
    // Few blocks are objects; the sweep asks for them by their keys.
    "CREATE INDEX trace_blocks_by_object ON trace_blocks (tenant_id, object_key) WHERE object_key IS NOT NULL",
];

const DOWN: &[&str] =
    &["DROP INDEX trace_blocks_by_object", "DROP TABLE deployment", "DROP TABLE compactions"];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        execute(manager, UP).await?;
        force_row_security(manager, &["compactions"]).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        execute(manager, DOWN).await
    }
}
