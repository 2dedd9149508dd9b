//! Programs that act for people, as the authorization server knows them (OAuth 2.0).

use sea_orm_migration::prelude::*;

use crate::dialect::execute;
use crate::row_security::force_row_security;

#[derive(DeriveMigrationName)]
pub struct Migration;

const UP: &[&str] = &[
    // Programs that registered themselves. They have no secret, and count for nothing until somebody lets one act.
    "CREATE TABLE oauth_clients (
        tenant_id BIGINT NOT NULL,
        client_id TEXT NOT NULL,
        name TEXT,
        logo_uri TEXT,
        redirect_uris TEXT NOT NULL,
        refreshes BOOLEAN NOT NULL,
        created_at BIGINT NOT NULL,
        last_used_at BIGINT,
        PRIMARY KEY (tenant_id, client_id)
    )",
    // Codes that programs change for tokens, once. One that was used stays until it expires, with the log-in that it began: if it
    // comes a second time, somebody has a copy.
    "CREATE TABLE oauth_codes (
        tenant_id BIGINT NOT NULL,
        code_hash {BYTES} NOT NULL,
        client_id TEXT NOT NULL,
        user_id BIGINT NOT NULL,
        redirect_uri TEXT NOT NULL,
        code_challenge TEXT NOT NULL,
        refreshes BOOLEAN NOT NULL,
        session_id TEXT,
        created_at BIGINT NOT NULL,
        expires_at BIGINT NOT NULL,
        PRIMARY KEY (tenant_id, code_hash)
    )",
    "CREATE UNIQUE INDEX oauth_codes_by_hash ON oauth_codes (code_hash)",
    "CREATE INDEX oauth_codes_by_user ON oauth_codes (user_id)",
    "CREATE INDEX oauth_codes_by_time ON oauth_codes (expires_at)",
    // The program whose log-in it is, and when that ends however often it is renewed; null for the log-in of a browser.
    "ALTER TABLE auth_sessions ADD COLUMN client_id TEXT",
    "ALTER TABLE auth_sessions ADD COLUMN ends_at BIGINT",
];

const DOWN: &[&str] = &[
    "ALTER TABLE auth_sessions DROP COLUMN ends_at",
    "ALTER TABLE auth_sessions DROP COLUMN client_id",
    "DROP TABLE oauth_codes",
    "DROP TABLE oauth_clients",
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        execute(manager, UP).await?;
        force_row_security(manager, &["oauth_clients", "oauth_codes"]).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        execute(manager, DOWN).await
    }
}
