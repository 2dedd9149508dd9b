//! Whose a failed annotation is, so that members drop their own alone.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DbBackend;

use crate::dialect::execute;

#[derive(DeriveMigrationName)]
pub struct Migration;

/// Null: nobody's, as where authentication is off.
const UP: &[&str] = &["ALTER TABLE annotation_failures ADD COLUMN user_id BIGINT"];

const FILL_ON_SQLITE: &[&str] =
    &["UPDATE annotation_failures SET user_id = json_extract(annotation, '$.user')"];

const FILL_ON_POSTGRES: &[&str] =
    &["UPDATE annotation_failures SET user_id = (annotation::json ->> 'user')::bigint"];

const DOWN: &[&str] = &["ALTER TABLE annotation_failures DROP COLUMN user_id"];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        execute(manager, UP).await?;
        match manager.get_connection().get_database_backend() {
            DbBackend::Postgres => execute(manager, FILL_ON_POSTGRES).await,
            _ => execute(manager, FILL_ON_SQLITE).await,
        }
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        execute(manager, DOWN).await
    }
}
