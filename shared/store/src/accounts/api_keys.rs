//! API keys: those of members, and those of the tenant itself.

use bennu_access::{ApiKeyHash, ApiKeyName, KeyTraffic, NewApiKey};
use bennu_domain::audit::AuditAction;
use bennu_domain::global_id::Node as _;
use bennu_domain::ids::{ApiKeyId, ProjectId, TenantId, UserId};
use bennu_domain::limits::RateLimits;
use bennu_domain::page::Page;
use bennu_domain::time::Timestamp;
use sea_orm::sea_query::Expr;
use sea_orm::{
    ActiveValue::NotSet, ColumnTrait as _, Condition, EntityTrait as _, PaginatorTrait as _,
    QueryFilter as _, QueryOrder as _, QuerySelect as _, Select, Set,
};

use super::Directory;
use super::limits::read_rates;
use crate::audit::AuditEntry;
use crate::entities::{api_key, project};
use crate::error::StoreError;
use crate::store::ScopedStore;

/// A key without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    pub id: ApiKeyId,
    pub public_name: String,
    /// The member whose key it is; none for one of the tenant's own.
    pub user: Option<UserId>,
    pub name: String,
    pub description: Option<String>,
    pub traffic: KeyTraffic,
    pub project: Option<ProjectId>,
    pub created_at: Timestamp,
    pub expires_at: Option<Timestamp>,
    pub last_used_at: Option<Timestamp>,
    /// Beside those of its tenant.
    pub rates: RateLimits,
}

/// A key that is to be stored.
pub struct NewStoredKey {
    pub key: NewApiKey,
    pub user: Option<UserId>,
    pub name: String,
    pub description: Option<String>,
    pub traffic: KeyTraffic,
    pub project: Option<ProjectId>,
    pub expires_at: Option<Timestamp>,
    pub rates: RateLimits,
}

/// What the one who verifies a key needs to know.
#[derive(Clone)]
pub struct KeyHolder {
    pub tenant: TenantId,
    pub key: ApiKey,
    pub hash: ApiKeyHash,
    /// The name of the project that the key is restricted to; `None` beside a project id: it was deleted.
    pub project_name: Option<String>,
}

/// Whose keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyOwner {
    User(UserId),
    AnyUser,
    Tenant,
}

impl Directory<'_> {
    pub async fn key(self, name: &ApiKeyName) -> Result<Option<KeyHolder>, StoreError> {
        let found = api_key::Entity::find()
            .filter(api_key::Column::PublicName.eq(name.to_string()))
            .one(&self.reads())
            .await?;
        let Some(row) = found else { return Ok(None) };
        let project_name = match row.project_id {
            None => None,
            Some(id) => {
                project::Entity::find_by_id((row.tenant_id, id)).one(&self.reads()).await?.map(|row| row.name)
            }
        };
        let (tenant, hash) = (TenantId(row.tenant_id), ApiKeyHash::from_stored(row.hash.clone()));
        Ok(Some(KeyHolder { tenant, hash, project_name, key: row.into() }))
    }

    /// Notes when keys were last used; a later time stays.
    pub async fn keys_used(self, used: &[(TenantId, ApiKeyId, Timestamp)]) -> Result<(), StoreError> {
        let transaction = self.begin().await?;
        for (tenant, key, time) in used {
            api_key::Entity::update_many()
                .col_expr(api_key::Column::LastUsedAt, Expr::value(time.0))
                .filter(api_key::Column::TenantId.eq(tenant.0))
                .filter(api_key::Column::Id.eq(key.0))
                .filter(
                    Condition::any()
                        .add(api_key::Column::LastUsedAt.is_null())
                        .add(api_key::Column::LastUsedAt.lt(time.0)),
                )
                .exec(&transaction)
                .await?;
        }
        transaction.commit().await
    }
}

impl ScopedStore<'_> {
    fn api_keys(self, owner: KeyOwner) -> Select<api_key::Entity> {
        let keys = api_key::Entity::find().filter(api_key::Column::TenantId.eq(self.tenant));
        match owner {
            KeyOwner::User(user) => keys.filter(api_key::Column::UserId.eq(user.0)),
            KeyOwner::AnyUser => keys.filter(api_key::Column::UserId.is_not_null()),
            KeyOwner::Tenant => keys.filter(api_key::Column::UserId.is_null()),
        }
    }

    /// Newest first.
    pub async fn list_api_keys(
        self,
        owner: KeyOwner,
        from: Option<ApiKeyId>,
        limit: usize,
    ) -> Result<Page<ApiKey, ApiKeyId>, StoreError> {
        let mut keys = self.api_keys(owner);
        if let Some(from) = from {
            keys = keys.filter(api_key::Column::Id.lte(from.0));
        }
        let mut rows =
            keys.order_by_desc(api_key::Column::Id).limit(limit as u64 + 1).all(&self.reads()).await?;
        let next = rows.get(limit).map(|row| ApiKeyId(row.id));
        rows.truncate(limit);
        Ok(Page { items: rows.into_iter().map(ApiKey::from).collect(), next })
    }

    pub async fn api_key(self, owner: KeyOwner, id: ApiKeyId) -> Result<Option<ApiKey>, StoreError> {
        let found = self.api_keys(owner).filter(api_key::Column::Id.eq(id.0)).one(&self.reads()).await?;
        Ok(found.map(ApiKey::from))
    }

    pub async fn count_api_keys(self, owner: KeyOwner) -> Result<u64, StoreError> {
        Ok(self.api_keys(owner).count(&self.reads()).await?)
    }

    pub async fn add_api_key(self, new: NewStoredKey) -> Result<ApiKey, StoreError> {
        let row = api_key::ActiveModel {
            tenant_id: Set(self.tenant),
            id: NotSet,
            public_name: Set(new.key.name.to_string()),
            hash: Set(new.key.hash.as_bytes().to_vec()),
            user_id: Set(new.user.map(|user| user.0)),
            name: Set(new.name),
            description: Set(new.description),
            traffic: Set(new.traffic.as_str().to_owned()),
            project_id: Set(new.project.map(|project| project.0)),
            created_at: Set(self.store.now()),
            expires_at: Set(new.expires_at.map(|time| time.0)),
            last_used_at: Set(None),
            spans_per_second: Set(new.rates.spans_per_second.and_then(|rate| i64::try_from(rate).ok())),
            bytes_per_second: Set(new.rates.bytes_per_second.and_then(|rate| i64::try_from(rate).ok())),
        };
        let transaction = self.begin().await?;
        let stored = api_key::Entity::insert(row).exec_with_returning(&transaction).await?;
        let entry = AuditEntry::new(AuditAction::CreateKey, stored.public_name.as_str());
        let owner = stored.user_id.map(|user| UserId(user).global_id());
        self.record_in(&transaction, entry.with("name", stored.name.as_str()).with("user", owner)).await?;
        transaction.commit().await?;
        Ok(stored.into())
    }

    /// `false` if there is no such key.
    pub async fn delete_api_key(self, id: ApiKeyId) -> Result<bool, StoreError> {
        let transaction = self.begin().await?;
        let found =
            api_key::Entity::find_by_id((self.tenant, id.0)).lock_exclusive().one(&transaction).await?;
        let Some(row) = found else { return Ok(false) };
        api_key::Entity::delete_by_id((self.tenant, id.0)).exec(&transaction).await?;
        let entry = AuditEntry::new(AuditAction::DeleteKey, row.public_name);
        self.record_in(&transaction, entry.with("name", row.name)).await?;
        transaction.commit().await?;
        Ok(true)
    }
}

impl From<api_key::Model> for ApiKey {
    fn from(row: api_key::Model) -> Self {
        Self {
            id: ApiKeyId(row.id),
            public_name: row.public_name,
            user: row.user_id.map(UserId),
            name: row.name,
            description: row.description,
            // What only this crate writes; anything else may do the least.
            traffic: KeyTraffic::from_name(&row.traffic).unwrap_or(KeyTraffic::ReadOnly),
            project: row.project_id.map(ProjectId),
            created_at: Timestamp(row.created_at),
            expires_at: row.expires_at.map(Timestamp),
            last_used_at: row.last_used_at.map(Timestamp),
            rates: read_rates(row.spans_per_second, row.bytes_per_second),
        }
    }
}
