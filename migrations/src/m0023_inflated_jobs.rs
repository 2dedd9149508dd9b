//! Jobs of the queue of annotations may be compressed: `bytes` is what they take when they are inflated, or zero if they are not
//! compressed, as those that wait already.

use sea_orm_migration::prelude::*;

use crate::dialect::execute;

#[derive(DeriveMigrationName)]
pub struct Migration;

pub(crate) const UP: &[&str] = &["ALTER TABLE annotation_jobs ADD COLUMN bytes BIGINT NOT NULL DEFAULT 0"];

pub(crate) const DOWN: &[&str] = &["ALTER TABLE annotation_jobs DROP COLUMN bytes"];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        execute(manager, UP).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        execute(manager, DOWN).await
    }
}
