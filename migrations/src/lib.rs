//! The database schema, one file a step. Every step runs on SQLite and on Postgres.

mod dialect;
mod jobs_file;
mod m0001_tenants_and_projects;
mod m0002_traces;
mod m0003_spans;
mod m0004_text_ids_costs_and_running_spans;
mod m0006_annotations;
mod m0009_annotation_queue;
mod m0010_accounts;
mod m0011_row_security;
mod m0012_compaction;
mod m0013_audit_log;
mod m0014_limits;
mod m0015_erased_tenants;
mod m0016_outside_identities;
mod m0017_text_filters;
mod m0018_failed_annotations_of_users;
mod m0019_authorization_server;
mod m0020_jobs_as_bytes;
mod m0021_annotation_keys;
mod m0022_annotations_of_runs;
mod m0023_inflated_jobs;
mod row_security;
mod statistics;

pub use jobs_file::JobsMigrator;
pub use m0015_erased_tenants::{TENANT_ERASED, TENANT_LOCK};
use sea_orm_migration::MigrationTrait;
pub use sea_orm_migration::MigratorTrait;
pub use statistics::assume_statistics;

/// Applies the steps in order; each is recorded in the table `seaql_migrations`.
pub struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m0001_tenants_and_projects::Migration),
            Box::new(m0002_traces::Migration),
            Box::new(m0003_spans::Migration),
            Box::new(m0004_text_ids_costs_and_running_spans::Migration),
            Box::new(m0006_annotations::Migration),
            Box::new(m0009_annotation_queue::Migration),
            Box::new(m0010_accounts::Migration),
            Box::new(m0011_row_security::Migration),
            Box::new(m0012_compaction::Migration),
            Box::new(m0013_audit_log::Migration),
            Box::new(m0014_limits::Migration),
            Box::new(m0015_erased_tenants::Migration),
            Box::new(m0016_outside_identities::Migration),
            Box::new(m0017_text_filters::Migration),
            Box::new(m0018_failed_annotations_of_users::Migration),
            Box::new(m0019_authorization_server::Migration),
            Box::new(m0020_jobs_as_bytes::Migration),
            Box::new(m0021_annotation_keys::Migration),
            Box::new(m0022_annotations_of_runs::Migration),
            Box::new(m0023_inflated_jobs::Migration),
        ]
    }
}
