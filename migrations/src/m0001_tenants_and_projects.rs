//! Tenants, and the projects that group their traces.

use sea_orm_migration::prelude::*;

use crate::dialect::execute;

#[derive(DeriveMigrationName)]
pub struct Migration;

const UP: &[&str] = &[
    "CREATE TABLE tenants (
        id BIGINT NOT NULL PRIMARY KEY,
        slug TEXT NOT NULL UNIQUE
    )",
    // The tenant of deployments that run without authentication.
    "INSERT INTO tenants (id, slug) VALUES (1, 'default')",
    "CREATE TABLE projects (
        tenant_id BIGINT NOT NULL,
        id {ID},
        name TEXT NOT NULL,
        description TEXT,
        created_at BIGINT NOT NULL,
        UNIQUE (tenant_id, name)
        {KEY}
    )",
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        execute(manager, UP).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        execute(manager, &["DROP TABLE projects", "DROP TABLE tenants"]).await
    }
}
