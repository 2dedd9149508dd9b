//! Keys of annotations in the order in which evaluators bring them: one name and one run over many targets. An index that begins
//! with the target has each annotation of a run touch a page of its own; this one grows in one place. Targets then need an
//! index of numbers only, a quarter as long.

use sea_orm_migration::prelude::*;

use crate::dialect::execute;

#[derive(DeriveMigrationName)]
pub struct Migration;

const UP: &[&str] = &[
    "DROP INDEX annotations_by_target",
    "CREATE UNIQUE INDEX annotations_by_key ON annotations
        (tenant_id, target_kind, name, identifier, target_row_id, position)",
    "CREATE INDEX annotations_by_target ON annotations (tenant_id, target_kind, target_row_id)",
];

const DOWN: &[&str] = &[
    "DROP INDEX annotations_by_target",
    "DROP INDEX annotations_by_key",
    "CREATE UNIQUE INDEX annotations_by_target ON annotations
        (tenant_id, target_kind, target_row_id, position, name, identifier)",
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
