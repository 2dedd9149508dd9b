//! Which objects are in use.

use std::collections::{BTreeMap, HashSet};

use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _, QuerySelect as _};

use crate::blocks::tenant_of_object;
use crate::entities::trace_block;
use crate::error::StoreError;
use crate::store::Store;

/// Keys in one statement; SQLite allows 32,766 parameters.
const KEYS_A_STATEMENT: usize = 500;

impl Store {
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
            for some in keys.chunks(KEYS_A_STATEMENT) {
                let named: Vec<String> = trace_block::Entity::find()
                    .select_only()
                    .column(trace_block::Column::ObjectKey)
                    .filter(trace_block::Column::TenantId.eq(tenant))
                    .filter(trace_block::Column::ObjectKey.is_in(some.iter().map(|key| key.as_str())))
                    .into_tuple()
                    .all(&self.read)
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
