//! The tables of the steps before are put behind the wall between tenants; see `row_security`.

use sea_orm_migration::prelude::*;

use crate::dialect::execute_on_postgres;
use crate::row_security::force_row_security;

#[derive(DeriveMigrationName)]
pub struct Migration;

const TABLES: [&str; 17] = [
    "projects",
    "sessions",
    "traces",
    "trace_blocks",
    "spans",
    "model_prices",
    "annotations",
    "annotation_summaries",
    "annotation_configs",
    "project_annotation_configs",
    "annotation_jobs",
    "annotation_receipts",
    "annotation_failures",
    "memberships",
    "api_keys",
    "auth_sessions",
    "invitations",
];

/// Behind the wall an index serves only comparisons that cannot fail, lest an error tell of foreign rows: no sums and no
/// quotients of columns. So these are columns.
const UP_POSTGRES: &[&str] = &[
    "ALTER TABLE spans ADD COLUMN id_part BIGINT GENERATED ALWAYS AS (id / 16384) STORED",
    "DROP INDEX spans_by_span_id",
    "CREATE INDEX spans_by_span_id ON spans (tenant_id, id_part, span_id)",
    "ALTER TABLE traces ADD COLUMN latency BIGINT GENERATED ALWAYS AS (end_time - start_time) STORED",
    "DROP INDEX traces_by_latency",
    "CREATE INDEX traces_by_latency ON traces (tenant_id, project_id, latency, id)",
];

const DOWN_POSTGRES: &[&str] = &[
    "DROP INDEX traces_by_latency",
    "CREATE INDEX traces_by_latency ON traces (tenant_id, project_id, (end_time - start_time), id)",
    "ALTER TABLE traces DROP COLUMN latency",
    "DROP INDEX spans_by_span_id",
    "CREATE INDEX spans_by_span_id ON spans (tenant_id, (id / 16384), span_id)",
    "ALTER TABLE spans DROP COLUMN id_part",
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        execute_on_postgres(manager, UP_POSTGRES).await?;
        force_row_security(manager, &TABLES).await
    }

    /// The role stays: other databases of the cluster may use it.
    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in TABLES {
            execute_on_postgres(
                manager,
                &[
                    &format!("DROP POLICY of_tenant ON {table}"),
                    &format!("DROP POLICY across_tenants ON {table}"),
                    &format!("ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY"),
                    &format!("ALTER TABLE {table} DISABLE ROW LEVEL SECURITY"),
                    &format!("REVOKE ALL ON {table} FROM bennu_tenant"),
                ],
            )
            .await?;
        }
        execute_on_postgres(manager, DOWN_POSTGRES).await
    }
}
