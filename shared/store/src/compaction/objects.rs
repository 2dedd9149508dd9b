//! Which objects are in use.

use std::collections::{BTreeMap, HashSet};

use bennu_access::SystemScope;
use bennu_domain::ids::TenantId;
use sea_orm::{
    ColumnTrait as _, ConnectionTrait as _, EntityTrait as _, QueryFilter as _, QuerySelect as _, Statement,
};

use crate::blocks::tenant_of_object;
use crate::entities::trace_block;
use crate::error::StoreError;
use crate::store::Store;

/// Keys in one statement; SQLite allows 32,766 parameters.
const KEYS_A_STATEMENT: usize = 500;

impl Store {
    /// The name of this database, made when it is first asked for. Whoever deletes objects because no row names them must first
    /// be sure that they are those of this database.
    pub async fn deployment_id(&self) -> Result<String, StoreError> {
        let transaction = self.begin_across_tenants("naming the deployment").await?;
        let backend = transaction.get_database_backend();
        let new = format!("{:032x}", fastrand::u128(..));
        let insert =
            "INSERT INTO deployment (id) SELECT CAST($1 AS TEXT) WHERE NOT EXISTS (SELECT 1 FROM deployment)";
        transaction.run(insert, [new.as_str().into()]).await?;
        let row =
            transaction.query_one_raw(Statement::from_string(backend, "SELECT id FROM deployment")).await?;
        let id = row.map(|row| row.try_get_by_index(0)).transpose()?.unwrap_or(new);
        transaction.commit().await?;
        Ok(id)
    }

    /// Those of the keys that are of blocks, and that no row names. No key is ever used again, so those that were put long
    /// enough ago stay that way.
    pub async fn unnamed_block_objects(&self, keys: &[String]) -> Result<Vec<String>, StoreError> {
        let mut by_tenant: BTreeMap<i64, Vec<&String>> = BTreeMap::new();
        for key in keys {
            if let Some(tenant) = tenant_of_object(key) {
                by_tenant.entry(tenant).or_default().push(key);
            }
        }
        let mut unnamed = Vec::new();
        for (tenant, keys) in by_tenant {
            let scope = SystemScope::for_tenant(TenantId(tenant), "looking for objects that no row names");
            let scoped = self.scoped(&scope);
            for some in keys.chunks(KEYS_A_STATEMENT) {
                let named: Vec<String> = trace_block::Entity::find()
                    .select_only()
                    .column(trace_block::Column::ObjectKey)
                    .filter(trace_block::Column::TenantId.eq(tenant))
                    .filter(trace_block::Column::ObjectKey.is_in(some.iter().map(|key| key.as_str())))
                    .into_tuple()
                    .all(&scoped.reads())
                    .await?;
                let named: HashSet<String> = named.into_iter().collect();
                unnamed.extend(
                    some.iter().filter(|key| !named.contains(key.as_str())).map(|key| (*key).clone()),
                );
            }
        }
        Ok(unnamed)
    }
}
