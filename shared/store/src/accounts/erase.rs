//! Erasing a tenant.

use bennu_access::SystemScope;
use bennu_domain::account::TenantSlug;
use bennu_domain::ids::{ProjectId, TenantId, UserId};
use bennu_migrations::TENANT_LOCK;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _, QuerySelect as _};

use super::{Directory, Tenant};
use crate::database::Door;
use crate::entities::{membership, project, tenant};
use crate::error::StoreError;
use crate::store::is_postgres;

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
    "oauth_codes",
    "oauth_clients",
    "memberships",
];

impl Directory<'_> {
    /// Deletes all that a tenant has, objects included, the accounts of people who are members of no other, and at last its name.
    /// Called again it goes on where it was stopped.
    pub async fn erase_tenant(self, id: TenantId) -> Result<(), StoreError> {
        self.close(id).await?;
        self.erase_content(id).await?;
        self.bury(id).await
    }

    /// The tenant of this slug, though it may be erased in part already.
    pub async fn tenant_to_erase(self, slug: &TenantSlug) -> Result<Option<Tenant>, StoreError> {
        let named = tenant::Entity::find().filter(tenant::Column::Slug.eq(slug.as_str()));
        Ok(named.one(&self.reads()).await?.map(Tenant::from))
    }

    /// From now on nobody finds the tenant, and nothing is written for it: what is still on its way is dropped.
    async fn close(self, id: TenantId) -> Result<(), StoreError> {
        let transaction = self.begin().await?;
        if is_postgres(&transaction) {
            // When all transactions of the tenant have ended that did not know of this; later ones see it.
            let sql = "SELECT pg_advisory_xact_lock($1, hashint8($2))";
            transaction.run(sql, [TENANT_LOCK.into(), id.0.into()]).await?;
        }
        tenant::Entity::update_many()
            .col_expr(tenant::Column::ErasedAt, Expr::value(self.store.now()))
            .filter(tenant::Column::Id.eq(id.0))
            .filter(tenant::Column::ErasedAt.is_null())
            .exec(&transaction)
            .await?;
        transaction.commit().await
    }

    async fn erase_content(self, id: TenantId) -> Result<(), StoreError> {
        let scope = SystemScope::for_tenant(id, "the tenant is erased");
        let scoped = self.store.scoped(&scope).erasing();
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
        self.erase_jobs_apart(id).await?;
        self.store.forget_deleted_pages().await
    }

    async fn erase_jobs_apart(self, id: TenantId) -> Result<(), StoreError> {
        let Some(jobs) = self.store.jobs_apart() else { return Ok(()) };
        let transaction = jobs.begin(Door::AcrossTenants("the tenant is erased")).await?;
        transaction.run("DELETE FROM annotation_jobs WHERE tenant_id = $1", [id.0.into()]).await?;
        transaction.commit().await
    }

    /// Its name may be used again; its id never is.
    async fn bury(self, id: TenantId) -> Result<(), StoreError> {
        let transaction = self.begin().await?;
        tenant::Entity::update_many()
            // No slug has such a form.
            .col_expr(tenant::Column::Slug, Expr::value(format!("erased:{}", id.0)))
            .col_expr(tenant::Column::Name, Expr::value(""))
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
