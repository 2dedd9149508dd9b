//! Who may call: accounts, their membership in tenants, API keys, log-ins and invitations.

use sea_orm_migration::prelude::*;

use crate::dialect::execute;

#[derive(DeriveMigrationName)]
pub struct Migration;

const UP: &[&str] = &[
    "ALTER TABLE tenants ADD COLUMN name TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE tenants ADD COLUMN created_at BIGINT NOT NULL DEFAULT 0",
    // Null while the tenant may be used.
    "ALTER TABLE tenants ADD COLUMN suspended_at BIGINT",
    "UPDATE tenants SET name = 'Default' WHERE id = 1",
    // Accounts belong to people, who may be members of several tenants.
    "CREATE TABLE users (
        id {OWN_ID},
        email TEXT NOT NULL UNIQUE,
        auth_method TEXT NOT NULL,
        password_hash TEXT,
        password_set_at BIGINT NOT NULL DEFAULT 0,
        password_needs_reset BOOLEAN NOT NULL DEFAULT FALSE,
        oauth2_client_id TEXT,
        oauth2_user_id TEXT,
        manages_platform BOOLEAN NOT NULL DEFAULT FALSE,
        created_at BIGINT NOT NULL,
        updated_at BIGINT NOT NULL
    )",
    "CREATE TABLE memberships (
        tenant_id BIGINT NOT NULL,
        user_id BIGINT NOT NULL,
        username TEXT NOT NULL,
        role TEXT NOT NULL,
        created_at BIGINT NOT NULL,
        updated_at BIGINT NOT NULL,
        PRIMARY KEY (tenant_id, user_id),
        UNIQUE (tenant_id, username)
    )",
    "CREATE INDEX memberships_by_user ON memberships (user_id)",
    // The first two accounts have fixed ids: the deployment itself, which nobody can log in to, and the first administrator,
    // whose password is set as authentication is switched on.
    "INSERT INTO users (email, auth_method, created_at, updated_at) VALUES ('system@localhost', 'LOCAL', 0, 0)",
    "INSERT INTO users (email, auth_method, password_needs_reset, manages_platform, created_at, updated_at)
        VALUES ('admin@localhost', 'LOCAL', TRUE, TRUE, 0, 0)",
    "INSERT INTO memberships (tenant_id, user_id, username, role, created_at, updated_at)
        VALUES (1, 1, 'system', 'SYSTEM', 0, 0), (1, 2, 'admin', 'ADMIN', 0, 0)",
    // A key without a user is the tenant's own.
    "CREATE TABLE api_keys (
        tenant_id BIGINT NOT NULL,
        id {ID},
        public_name TEXT NOT NULL UNIQUE,
        hash {BYTES} NOT NULL,
        user_id BIGINT,
        name TEXT NOT NULL,
        description TEXT,
        traffic TEXT NOT NULL,
        project_id BIGINT,
        created_at BIGINT NOT NULL,
        expires_at BIGINT,
        last_used_at BIGINT
        {KEY}
    )",
    "CREATE INDEX api_keys_by_user ON api_keys (tenant_id, user_id)",
    // A log-in. The generation counts how often its tokens were renewed: only the newest are good.
    "CREATE TABLE auth_sessions (
        id TEXT NOT NULL PRIMARY KEY,
        user_id BIGINT NOT NULL,
        tenant_id BIGINT NOT NULL,
        generation BIGINT NOT NULL,
        created_at BIGINT NOT NULL,
        refreshed_at BIGINT NOT NULL,
        expires_at BIGINT NOT NULL
    )",
    "CREATE INDEX auth_sessions_by_user ON auth_sessions (user_id)",
    "CREATE INDEX auth_sessions_by_time ON auth_sessions (expires_at)",
    "CREATE TABLE invitations (
        tenant_id BIGINT NOT NULL,
        id {ID},
        token_hash {BYTES} NOT NULL UNIQUE,
        email TEXT,
        role TEXT NOT NULL,
        invited_by BIGINT,
        created_at BIGINT NOT NULL,
        expires_at BIGINT NOT NULL
        {KEY}
    )",
];

const DOWN: &[&str] = &[
    "DROP TABLE invitations",
    "DROP TABLE auth_sessions",
    "DROP TABLE api_keys",
    "DROP TABLE memberships",
    "DROP TABLE users",
    "ALTER TABLE tenants DROP COLUMN suspended_at",
    "ALTER TABLE tenants DROP COLUMN created_at",
    "ALTER TABLE tenants DROP COLUMN name",
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
