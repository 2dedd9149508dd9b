//! When keys were last used, noted now and then: a write for each request would cost more than the request.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bennu_domain::ids::{ApiKeyId, TenantId};
use bennu_domain::time::Timestamp;
use bennu_kit::lifecycle::Shutdown;
use bennu_store::Store;
use tokio::task::JoinHandle;

/// People look at it to find keys that nobody uses, in days.
const PERIOD: Duration = Duration::from_secs(30);
/// Keys noted in a period; the others are noted the next time they are used.
const MOST: usize = 10_000;

/// Uses that are not stored yet. Cheap to clone.
#[derive(Clone, Default)]
pub struct KeyUse {
    used: Arc<Mutex<HashMap<(TenantId, ApiKeyId), Timestamp>>>,
}

impl KeyUse {
    pub fn note(&self, tenant: TenantId, key: ApiKeyId, time: Timestamp) {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        if used.len() < MOST || used.contains_key(&(tenant, key)) {
            used.insert((tenant, key), time);
        }
    }

    /// Stores what was noted.
    pub async fn store(&self, store: &Store) {
        let used = std::mem::take(&mut *self.used.lock().unwrap_or_else(PoisonError::into_inner));
        if used.is_empty() {
            return;
        }
        let used: Vec<_> = used.into_iter().map(|((tenant, key), time)| (tenant, key, time)).collect();
        if let Err(error) = store.directory("uses of keys are noted").keys_used(&used).await {
            tracing::warn!(%error, "the last use of keys could not be noted");
        }
    }

    /// Stores now and then, and once more at the end.
    pub fn keep_storing(&self, store: Store, shutdown: Shutdown) -> JoinHandle<()> {
        let uses = self.clone();
        tokio::spawn(async move {
            while !shutdown.is_fired() {
                tokio::select! {
                    _ = shutdown.fired() => {}
                    () = tokio::time::sleep(PERIOD) => {}
                }
                uses.store(&store).await;
            }
        })
    }
}
