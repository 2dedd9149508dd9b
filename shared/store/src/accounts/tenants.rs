//! Tenants, and whose they are.

use bennu_access::Role;
use bennu_domain::account::TenantSlug;
use bennu_domain::ids::{TenantId, UserId};
use bennu_domain::limits::TenantLimits;
use bennu_domain::time::Timestamp;
use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{
    ColumnTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _, Select, Set,
};

use super::Directory;
use super::limits::read_limits;
use super::members::{inserted, read_role};
use crate::entities::{membership, tenant};
use crate::error::StoreError;

/// A customer of the deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tenant {
    pub id: TenantId,
    pub slug: String,
    pub name: String,
    pub created_at: Timestamp,
    /// Since when it may not be used.
    pub suspended_at: Option<Timestamp>,
    pub limits: TenantLimits,
    /// Whether it was found to store as much as it may.
    pub storage_full: bool,
}

/// What a person is in a tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    pub tenant: Tenant,
    pub username: String,
    pub role: Role,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CreateTenant {
    Created(Tenant),
    SlugTaken,
}

impl From<tenant::Model> for Tenant {
    fn from(row: tenant::Model) -> Self {
        let limits = read_limits(&row);
        let tenant::Model { id, slug, name, created_at, suspended_at, storage_full, .. } = row;
        let (created_at, suspended_at) = (Timestamp(created_at), suspended_at.map(Timestamp));
        Self { id: TenantId(id), slug, name, created_at, suspended_at, limits, storage_full }
    }
}

/// Those that were not erased.
fn existing() -> Select<tenant::Entity> {
    tenant::Entity::find().filter(tenant::Column::ErasedAt.is_null())
}

impl Directory<'_> {
    /// All tenants in the order in which they were made, from one on.
    pub async fn tenants(self, from: Option<TenantId>, limit: usize) -> Result<Vec<Tenant>, StoreError> {
        let from = from.map_or(0, |tenant| tenant.0);
        let rows = existing()
            .filter(tenant::Column::Id.gte(from))
            .order_by_asc(tenant::Column::Id)
            .limit(limit as u64)
            .all(&self.reads())
            .await?;
        Ok(rows.into_iter().map(Tenant::from).collect())
    }

    pub async fn tenant(self, id: TenantId) -> Result<Option<Tenant>, StoreError> {
        Ok(existing().filter(tenant::Column::Id.eq(id.0)).one(&self.reads()).await?.map(Tenant::from))
    }

    pub async fn tenant_named(self, slug: &str) -> Result<Option<Tenant>, StoreError> {
        let found = existing().filter(tenant::Column::Slug.eq(slug)).one(&self.reads()).await?;
        Ok(found.map(Tenant::from))
    }

    /// Makes a tenant without members, but for the deployment's own account that stands behind its system keys.
    pub async fn create_tenant(self, slug: &TenantSlug, name: &str) -> Result<CreateTenant, StoreError> {
        let now = self.store.now();
        let transaction = self.begin().await?;
        // Under the lock of the newest tenant, as ids are counted here: they have no sequence, since the first was given.
        let newest = tenant::Entity::find()
            .order_by_desc(tenant::Column::Id)
            .lock_exclusive()
            .one(&transaction)
            .await?;
        let row = tenant::ActiveModel {
            id: Set(newest.map_or(1, |newest| newest.id + 1)),
            slug: Set(slug.as_str().to_owned()),
            name: Set(name.to_owned()),
            created_at: Set(now),
            suspended_at: Set(None),
            ..Default::default()
        };
        let unless_taken = OnConflict::column(tenant::Column::Slug).do_nothing().to_owned();
        let insert = tenant::Entity::insert(row).on_conflict(unless_taken).try_insert();
        let Some(row) = inserted(insert, &transaction).await? else {
            transaction.rollback().await?;
            return Ok(CreateTenant::SlugTaken);
        };
        let system = membership::ActiveModel {
            tenant_id: Set(row.id),
            user_id: Set(UserId::SYSTEM.0),
            username: Set("system".to_owned()),
            role: Set(Role::System.as_str().to_owned()),
            created_at: Set(now),
            updated_at: Set(now),
        };
        membership::Entity::insert(system).exec_without_returning(&transaction).await?;
        transaction.commit().await?;
        Ok(CreateTenant::Created(row.into()))
    }

    pub async fn rename_tenant(self, id: TenantId, name: &str) -> Result<(), StoreError> {
        self.change_tenant(id, tenant::Column::Name, Expr::value(name)).await
    }

    /// Since when it may not be used; `None` lets it be used again.
    pub async fn suspend_tenant(self, id: TenantId, since: Option<Timestamp>) -> Result<(), StoreError> {
        self.change_tenant(id, tenant::Column::SuspendedAt, Expr::value(since.map(|time| time.0))).await
    }

    async fn change_tenant(
        self,
        id: TenantId,
        column: tenant::Column,
        value: Expr,
    ) -> Result<(), StoreError> {
        let transaction = self.begin().await?;
        tenant::Entity::update_many()
            .col_expr(column, value)
            .filter(tenant::Column::Id.eq(id.0))
            .exec(&transaction)
            .await?;
        transaction.commit().await
    }

    /// The tenants of a person, in the order in which they became a member.
    pub async fn memberships(self, user: UserId) -> Result<Vec<Membership>, StoreError> {
        let rows = membership::Entity::find()
            .filter(membership::Column::UserId.eq(user.0))
            .order_by_asc(membership::Column::CreatedAt)
            .order_by_asc(membership::Column::TenantId)
            .all(&self.reads())
            .await?;
        let tenants = existing()
            .filter(tenant::Column::Id.is_in(rows.iter().map(|row| row.tenant_id)))
            .all(&self.reads())
            .await?;
        let tenant_of = |id| tenants.iter().find(|tenant| tenant.id == id).cloned();
        let memberships = rows.into_iter().filter_map(|row| {
            let tenant = tenant_of(row.tenant_id)?.into();
            Some(Membership { tenant, role: read_role(&row.role), username: row.username })
        });
        Ok(memberships.collect())
    }

    /// What a person is in one tenant.
    pub async fn membership(self, user: UserId, tenant: TenantId) -> Result<Option<Membership>, StoreError> {
        let row = membership::Entity::find_by_id((tenant.0, user.0)).one(&self.reads()).await?;
        let (Some(row), Some(tenant)) = (row, self.tenant(tenant).await?) else { return Ok(None) };
        Ok(Some(Membership { tenant, role: read_role(&row.role), username: row.username }))
    }
}
