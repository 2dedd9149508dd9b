//! The audit log, to which the database itself only lets entries be added.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DbBackend;

use crate::dialect::{execute, execute_on_postgres};
use crate::row_security::force_row_security;

#[derive(DeriveMigrationName)]
pub struct Migration;

const UP: &[&str] = &[
    // Texts as they were hashed; `hash` is over the entry and the hash of the one before, see `audit` in the crate `domain`.
    "CREATE TABLE audit_log (
        tenant_id BIGINT NOT NULL,
        sequence BIGINT NOT NULL,
        created_at BIGINT NOT NULL,
        actor_kind TEXT NOT NULL,
        actor TEXT NOT NULL,
        address TEXT NOT NULL,
        action TEXT NOT NULL,
        target TEXT NOT NULL,
        details TEXT NOT NULL,
        hash {BYTES} NOT NULL,
        PRIMARY KEY (tenant_id, sequence)
    )",
    "CREATE INDEX audit_log_by_actor ON audit_log (tenant_id, actor, sequence)",
    "CREATE INDEX audit_log_by_action ON audit_log (tenant_id, action, sequence)",
    // The last entry of each tenant; whoever adds one holds this row until the commit.
    "CREATE TABLE audit_heads (
        tenant_id BIGINT NOT NULL PRIMARY KEY,
        sequence BIGINT NOT NULL,
        hash {BYTES} NOT NULL
    )",
    // Tenants whose log may be deleted in this transaction, with everything else of theirs. Empty between transactions.
    "CREATE TABLE audit_erasures (tenant_id BIGINT NOT NULL PRIMARY KEY)",
];

const UP_SQLITE: &[&str] = &[
    "CREATE TRIGGER audit_log_keeps_entries BEFORE UPDATE ON audit_log
        BEGIN SELECT RAISE(ABORT, 'entries of the audit log stay as they are'); END",
    "CREATE TRIGGER audit_log_loses_no_entries BEFORE DELETE ON audit_log
        WHEN NOT EXISTS (SELECT 1 FROM audit_erasures WHERE tenant_id = OLD.tenant_id)
        BEGIN SELECT RAISE(ABORT, 'entries of the audit log stay'); END",
    // `INSERT OR REPLACE` deletes without telling the trigger above.
    "CREATE TRIGGER audit_log_replaces_no_entries BEFORE INSERT ON audit_log
        WHEN EXISTS (SELECT 1 FROM audit_log WHERE tenant_id = NEW.tenant_id AND sequence = NEW.sequence)
        BEGIN SELECT RAISE(ABORT, 'entries of the audit log stay as they are'); END",
    "CREATE TRIGGER audit_heads_stay BEFORE DELETE ON audit_heads
        WHEN NOT EXISTS (SELECT 1 FROM audit_erasures WHERE tenant_id = OLD.tenant_id)
        BEGIN SELECT RAISE(ABORT, 'the end of the audit log stays'); END",
];

const UP_POSTGRES: &[&str] = &[
    "CREATE OR REPLACE FUNCTION keep_audit_log() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'DELETE' THEN
            IF EXISTS (SELECT FROM audit_erasures WHERE tenant_id = OLD.tenant_id) THEN
                RETURN OLD;
            END IF;
        END IF;
        RAISE EXCEPTION 'entries of the audit log stay as they are';
    END $$",
    "CREATE TRIGGER keep_entries BEFORE UPDATE OR DELETE ON audit_log
        FOR EACH ROW EXECUTE FUNCTION keep_audit_log()",
    "CREATE TRIGGER keep_all_entries BEFORE TRUNCATE ON audit_log
        FOR EACH STATEMENT EXECUTE FUNCTION keep_audit_log()",
    "CREATE TRIGGER keep_head BEFORE DELETE ON audit_heads
        FOR EACH ROW EXECUTE FUNCTION keep_audit_log()",
];

/// A tenant adds entries, and moves the end of its log on.
const RIGHTS: &[&str] = &[
    "REVOKE UPDATE, DELETE ON audit_log FROM bennu_tenant",
    "REVOKE DELETE ON audit_heads FROM bennu_tenant",
    "REVOKE ALL ON audit_erasures FROM bennu_tenant",
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        execute(manager, UP).await?;
        if manager.get_connection().get_database_backend() == DbBackend::Sqlite {
            return execute(manager, UP_SQLITE).await;
        }
        execute_on_postgres(manager, UP_POSTGRES).await?;
        force_row_security(manager, &["audit_log", "audit_heads", "audit_erasures"]).await?;
        execute_on_postgres(manager, RIGHTS).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        execute(manager, &["DROP TABLE audit_log", "DROP TABLE audit_heads", "DROP TABLE audit_erasures"])
            .await?;
        execute_on_postgres(manager, &["DROP FUNCTION keep_audit_log()"]).await
    }
}
