//! Annotations that are not applied yet: the embedded queue, what became of requests, and what could not be applied.

use sea_orm_migration::prelude::*;

use crate::dialect::execute;

#[derive(DeriveMigrationName)]
pub struct Migration;

const UP: &[&str] = &[
    // The embedded queue. A job that is claimed is due again when its lease is over.
    "CREATE TABLE annotation_jobs (
        tenant_id BIGINT NOT NULL,
        id {ID},
        receipt TEXT NOT NULL,
        items BIGINT NOT NULL,
        due_at BIGINT NOT NULL,
        payload TEXT NOT NULL
        {KEY}
    )",
    "CREATE INDEX annotation_jobs_by_time ON annotation_jobs (due_at, id)",
    "CREATE INDEX annotation_jobs_by_receipt ON annotation_jobs (tenant_id, receipt)",
    // What became of the annotations of a request, a hundred a row: a JSON list of the id of the annotation, of the reason
    // why there is none, or null while it waits for its target.
    "CREATE TABLE annotation_receipts (
        tenant_id BIGINT NOT NULL,
        receipt TEXT NOT NULL,
        part BIGINT NOT NULL,
        target_kind SMALLINT NOT NULL,
        total BIGINT NOT NULL,
        received_at BIGINT NOT NULL,
        outcomes TEXT NOT NULL,
        PRIMARY KEY (tenant_id, receipt, part)
    )",
    "CREATE INDEX annotation_receipts_by_time ON annotation_receipts (received_at)",
    "CREATE TABLE annotation_failures (
        tenant_id BIGINT NOT NULL,
        id {ID},
        receipt TEXT NOT NULL,
        item BIGINT NOT NULL,
        received_at BIGINT NOT NULL,
        failed_at BIGINT NOT NULL,
        reason TEXT NOT NULL,
        annotation TEXT NOT NULL
        {KEY}
    )",
    "CREATE UNIQUE INDEX annotation_failures_by_item ON annotation_failures (tenant_id, receipt, item)",
];

const DOWN: &[&str] =
    &["DROP TABLE annotation_failures", "DROP TABLE annotation_receipts", "DROP TABLE annotation_jobs"];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        execute(manager, UP).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        execute(manager, DOWN).await
    }
}
