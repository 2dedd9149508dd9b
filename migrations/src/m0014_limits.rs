//! What tenants and keys may use. Null: as much as they want.

use sea_orm_migration::prelude::*;

use crate::dialect::execute;

#[derive(DeriveMigrationName)]
pub struct Migration;

const UP: &[&str] = &[
    "ALTER TABLE tenants ADD COLUMN spans_per_second BIGINT",
    "ALTER TABLE tenants ADD COLUMN bytes_per_second BIGINT",
    "ALTER TABLE tenants ADD COLUMN stored_bytes BIGINT",
    "ALTER TABLE tenants ADD COLUMN retention_days BIGINT",
    // Whether it was found to store more than it may.
    "ALTER TABLE tenants ADD COLUMN storage_full BOOLEAN NOT NULL DEFAULT FALSE",
    "ALTER TABLE api_keys ADD COLUMN spans_per_second BIGINT",
    "ALTER TABLE api_keys ADD COLUMN bytes_per_second BIGINT",
    // When all that a tenant had was erased. Its id stays: what of it is still on its way must find nobody new under it.
    "ALTER TABLE tenants ADD COLUMN erased_at BIGINT",
];

const DOWN: &[&str] = &[
    "ALTER TABLE tenants DROP COLUMN erased_at",
    "ALTER TABLE api_keys DROP COLUMN bytes_per_second",
    "ALTER TABLE api_keys DROP COLUMN spans_per_second",
    "ALTER TABLE tenants DROP COLUMN storage_full",
    "ALTER TABLE tenants DROP COLUMN retention_days",
    "ALTER TABLE tenants DROP COLUMN stored_bytes",
    "ALTER TABLE tenants DROP COLUMN bytes_per_second",
    "ALTER TABLE tenants DROP COLUMN spans_per_second",
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
