//! Ids in the sender's own words, what spans cost, and spans that are still running.

use sea_orm_migration::prelude::*;

use crate::dialect::execute;

#[derive(DeriveMigrationName)]
pub struct Migration;

const UP: &[&str] = &[
    // The text that stands for an id, where the id is a hash of it. Null for nearly all rows.
    "ALTER TABLE traces ADD COLUMN trace_text TEXT",
    "ALTER TABLE spans ADD COLUMN span_text TEXT",
    "ALTER TABLE spans ADD COLUMN parent_text TEXT",
    // A span that a later version may replace.
    "ALTER TABLE spans ADD COLUMN unfinished BOOLEAN NOT NULL DEFAULT FALSE",
    // In billionths of a US dollar; null where no price is known.
    "ALTER TABLE spans ADD COLUMN prompt_cost BIGINT",
    "ALTER TABLE spans ADD COLUMN completion_cost BIGINT",
    "ALTER TABLE traces ADD COLUMN prompt_cost BIGINT NOT NULL DEFAULT 0",
    "ALTER TABLE traces ADD COLUMN completion_cost BIGINT NOT NULL DEFAULT 0",
    // What a tenant pays, in place of the list prices. `prices` is a JSON object.
    "CREATE TABLE model_prices (
        tenant_id BIGINT NOT NULL,
        id {ID},
        name TEXT NOT NULL,
        model TEXT NOT NULL,
        provider TEXT,
        prices {JSON} NOT NULL,
        updated_at BIGINT NOT NULL,
        UNIQUE (tenant_id, name)
        {KEY}
    )",
];

const DOWN: &[&str] = &[
    "DROP TABLE model_prices",
    "ALTER TABLE traces DROP COLUMN completion_cost",
    "ALTER TABLE traces DROP COLUMN prompt_cost",
    "ALTER TABLE spans DROP COLUMN completion_cost",
    "ALTER TABLE spans DROP COLUMN prompt_cost",
    "ALTER TABLE spans DROP COLUMN unfinished",
    "ALTER TABLE spans DROP COLUMN parent_text",
    "ALTER TABLE spans DROP COLUMN span_text",
    "ALTER TABLE traces DROP COLUMN trace_text",
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        execute(manager, UP).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        execute(manager, DOWN).await
    }
}
