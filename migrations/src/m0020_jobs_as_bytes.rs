//! Jobs of the queue of annotations are bytes. Those that wait stay as they are, JSON, which is read as well.

use sea_orm_migration::prelude::*;

use crate::dialect::execute_on_postgres;

#[derive(DeriveMigrationName)]
pub struct Migration;

/// Columns of SQLite take values of any type.
const UP_POSTGRES: &[&str] =
    &["ALTER TABLE annotation_jobs ALTER COLUMN payload TYPE BYTEA USING convert_to(payload, 'UTF8')"];

/// Only jobs that are JSON are text.
const DOWN_POSTGRES: &[&str] =
    &["ALTER TABLE annotation_jobs ALTER COLUMN payload TYPE TEXT USING convert_from(payload, 'UTF8')"];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        execute_on_postgres(manager, UP_POSTGRES).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        execute_on_postgres(manager, DOWN_POSTGRES).await
    }
}
