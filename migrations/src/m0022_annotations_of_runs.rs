//! The identifier of a run comes before the name in the key of annotations: so the key also serves lists and deletes of a run, and an
//! index for these alone, which every annotation of a run paid for, can go.

use sea_orm_migration::prelude::*;

use crate::dialect::execute;

#[derive(DeriveMigrationName)]
pub struct Migration;

const UP: &[&str] = &[
    "DROP INDEX annotations_by_identifier",
    "DROP INDEX annotations_by_key",
    "CREATE UNIQUE INDEX annotations_by_key ON annotations
        (tenant_id, target_kind, identifier, name, target_row_id, position)",
];

const DOWN: &[&str] = &[
    "DROP INDEX annotations_by_key",
    "CREATE UNIQUE INDEX annotations_by_key ON annotations
        (tenant_id, target_kind, name, identifier, target_row_id, position)",
    "CREATE INDEX annotations_by_identifier ON annotations (tenant_id, project_id, target_kind, identifier, id)
        WHERE identifier <> ''",
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
