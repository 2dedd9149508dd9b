//! Roll-ups of traces and sessions. Times are microseconds since 1970, UTC.

use sea_orm_migration::prelude::*;

use crate::dialect::execute;

#[derive(DeriveMigrationName)]
pub struct Migration;

const UP: &[&str] = &[
    "CREATE TABLE sessions (
        tenant_id BIGINT NOT NULL,
        id {ID},
        project_id BIGINT NOT NULL,
        session_id TEXT NOT NULL,
        start_time BIGINT NOT NULL,
        end_time BIGINT NOT NULL,
        UNIQUE (tenant_id, session_id)
        {KEY}
    )",
    "CREATE INDEX sessions_by_project ON sessions (tenant_id, project_id, id)",
    "CREATE TABLE traces (
        tenant_id BIGINT NOT NULL,
        id {ID},
        project_id BIGINT NOT NULL,
        trace_id {BYTES} NOT NULL,
        session_row_id BIGINT,
        start_time BIGINT NOT NULL,
        end_time BIGINT NOT NULL,
        span_count BIGINT NOT NULL,
        error_count BIGINT NOT NULL,
        prompt_tokens BIGINT NOT NULL,
        completion_tokens BIGINT NOT NULL,
        UNIQUE (tenant_id, trace_id)
        {KEY}
    )",
    "CREATE INDEX traces_by_start ON traces (tenant_id, project_id, start_time, id)",
    "CREATE INDEX traces_by_latency ON traces (tenant_id, project_id, (end_time - start_time), id)",
    "CREATE INDEX traces_by_session ON traces (tenant_id, session_row_id) WHERE session_row_id IS NOT NULL",
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        execute(manager, UP).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        execute(manager, &["DROP TABLE traces", "DROP TABLE sessions"]).await
    }
}
