//! The schema of the file in which an embedded store keeps its queue of annotations, apart from the database.

use sea_orm_migration::prelude::*;

use crate::dialect::execute;
use crate::m0023_inflated_jobs;

/// Applies the steps of that file.
pub struct JobsMigrator;

impl MigratorTrait for JobsMigrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(Jobs), Box::new(InflatedJobs)]
    }
}

/// The table as it stands in databases that have the queue within.
struct Jobs;

impl MigrationName for Jobs {
    fn name(&self) -> &'static str {
        "j0001_jobs"
    }
}

const UP: &[&str] = &[
    "CREATE TABLE annotation_jobs (
        tenant_id BIGINT NOT NULL,
        id {ID},
        receipt TEXT NOT NULL,
        items BIGINT NOT NULL,
        due_at BIGINT NOT NULL,
        payload {BYTES} NOT NULL
    )",
    "CREATE INDEX annotation_jobs_by_time ON annotation_jobs (due_at, id)",
    "CREATE INDEX annotation_jobs_by_receipt ON annotation_jobs (tenant_id, receipt)",
];

#[async_trait::async_trait]
impl MigrationTrait for Jobs {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        execute(manager, UP).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        execute(manager, &["DROP TABLE annotation_jobs"]).await
    }
}

/// As in databases that have the queue within.
struct InflatedJobs;

impl MigrationName for InflatedJobs {
    fn name(&self) -> &'static str {
        "j0002_inflated_jobs"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for InflatedJobs {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        execute(manager, m0023_inflated_jobs::UP).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        execute(manager, m0023_inflated_jobs::DOWN).await
    }
}
