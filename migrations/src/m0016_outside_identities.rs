//! What accounts of people who log in with outside identity providers have beside others.

use sea_orm_migration::prelude::*;

use crate::dialect::execute;

#[derive(DeriveMigrationName)]
pub struct Migration;

const UP: &[&str] = &[
    "ALTER TABLE users ADD COLUMN picture_url TEXT",
    // What a directory (LDAP) calls its entry, whatever its address becomes.
    "ALTER TABLE users ADD COLUMN ldap_unique_id TEXT",
    // Not unique: administrators may have made accounts for the same person.
    "CREATE INDEX users_by_oauth2_id ON users (oauth2_user_id, oauth2_client_id)",
    "CREATE INDEX users_by_ldap_id ON users (ldap_unique_id)",
];

const DOWN: &[&str] = &[
    "DROP INDEX users_by_ldap_id",
    "DROP INDEX users_by_oauth2_id",
    "ALTER TABLE users DROP COLUMN ldap_unique_id",
    "ALTER TABLE users DROP COLUMN picture_url",
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
