//! Erasing a tenant.

use bennu_access::SystemScope;
use bennu_domain::ids::{ProjectId, TenantId, UserId};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _, QuerySelect as _};

use super::Directory;
use crate::entities::{membership, project, tenant};
use crate::error::StoreError;

/// What a tenant has beside projects, with which their traces, sessions and blocks go. A test compares it with the database.
const TABLES: &[&str] = &[
    "annotations",
    "annotation_summaries",
    "annotation_jobs",
    "annotation_receipts",
    "annotation_failures",
    "project_annotation_configs",
    "annotation_configs",
    "model_prices",
    "compactions",
    "invitations",
    "api_keys",
    "auth_sessions",
    "memberships",
];

impl Directory<'_> {
    /// Deletes all that a tenant has, objects included, the accounts of people who are members of no other, and then its name.
    /// Called again it goes on where it was stopped.
    pub async fn erase_tenant(self, id: TenantId) -> Result<(), StoreError> {
        self.erase_content(id).await?;
        self.bury(id).await?;
        // Once more for what a writer had in hand meanwhile; from now on writers drop it.
        self.erase_content(id).await
    }

    async fn erase_content(self, id: TenantId) -> Result<(), StoreError> {
        let scope = SystemScope::for_tenant(id, "the tenant is erased");
        let scoped = self.store.scoped(&scope);
        while let Some(project) = self.any_project(id).await? {
            scoped.delete_project(project).await?;
        }
        let people: Vec<i64> = membership::Entity::find()
            .select_only()
            .column(membership::Column::UserId)
            .filter(membership::Column::TenantId.eq(id.0))
            .filter(membership::Column::UserId.ne(UserId::SYSTEM.0))
            .into_tuple()
            .all(&self.reads())
            .await?;
        for user in people {
            scoped.drop_member(UserId(user)).await?;
        }
        let transaction = self.begin().await?;
        self.store.erase_audit_log(&transaction, id).await?;
        for table in TABLES {
            transaction.run(&format!("DELETE FROM {table} WHERE tenant_id = $1"), [id.0.into()]).await?;
        }
        transaction.commit().await?;
        self.store.forget_deleted_pages().await
    }

    /// From now on the tenant is not there, and nobody gets its id: what of it is still on its way is dropped.
    async fn bury(self, id: TenantId) -> Result<(), StoreError> {
        let transaction = self.begin().await?;
        tenant::Entity::update_many()
            // No slug has such a form.
            .col_expr(tenant::Column::Slug, Expr::value(format!("erased:{}", id.0)))
            .col_expr(tenant::Column::Name, Expr::value(""))
            .col_expr(tenant::Column::ErasedAt, Expr::value(self.store.now()))
            .filter(tenant::Column::Id.eq(id.0))
            .exec(&transaction)
            .await?;
        transaction.commit().await
    }

    async fn any_project(self, id: TenantId) -> Result<Option<ProjectId>, StoreError> {
        let found =
            project::Entity::find().filter(project::Column::TenantId.eq(id.0)).one(&self.reads()).await?;
        Ok(found.map(|row| ProjectId(row.id)))
    }
}
