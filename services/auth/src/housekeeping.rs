//! Looks after limits that no request can: what is stored, and for how long.

use std::time::Duration;

use bennu_access::{CredentialName, SystemScope};
use bennu_domain::page::Page;
use bennu_domain::time::Timestamp;
use bennu_kit::lifecycle::Shutdown;
use bennu_store::{Project, ProjectList, StoreError, Tenant};
use tokio::task::JoinHandle;

use crate::service::AuthState;

/// Tenants and projects read at once.
const AT_ONCE: usize = 100;
const DAY: Duration = Duration::from_hours(24);

/// Looks at every tenant that has such a limit, again and again until the end.
pub fn keep_house(state: AuthState, period: Duration, shutdown: Shutdown) -> JoinHandle<()> {
    tokio::spawn(async move {
        while !shutdown.is_fired() {
            if let Err(error) = look_at_all(&state).await {
                tracing::warn!(%error, "limits of tenants were not looked at");
            }
            tokio::select! {
                _ = shutdown.fired() => {}
                () = tokio::time::sleep(period) => {}
            }
        }
    })
}

async fn look_at_all(state: &AuthState) -> Result<(), StoreError> {
    let mut from = None;
    loop {
        let mut tenants = state.directory().tenants(from, AT_ONCE + 1).await?;
        let next = tenants.get(AT_ONCE).map(|tenant| tenant.id);
        tenants.truncate(AT_ONCE);
        for tenant in &tenants {
            delete_what_is_old(state, tenant).await?;
            compare_storage(state, tenant).await?;
        }
        match next {
            Some(_) => from = next,
            None => return Ok(()),
        }
    }
}

/// Several processes may do it at the same time: what one has deleted the others do not find.
async fn delete_what_is_old(state: &AuthState, tenant: &Tenant) -> Result<(), StoreError> {
    let Some(days) = tenant.limits.retention_days else { return Ok(()) };
    let scope = SystemScope::for_tenant(tenant.id, "traces beyond the retention are deleted");
    let store = state.store.scoped(&scope);
    let horizon = state.clock.now().before(DAY * days);
    let mut list = ProjectList { limit: AT_ONCE, ..ProjectList::default() };
    loop {
        let Page { items, next } = store.list_projects(&list).await?;
        for Project { id, name, .. } in items {
            let deleted = store.delete_traces_between(id, Timestamp(i64::MIN), horizon).await?;
            if deleted > 0 {
                tracing::info!(tenant = tenant.id.0, project = name, deleted, "traces beyond the retention");
            }
        }
        if next.is_none() {
            return Ok(());
        }
        list.from = next;
    }
}

async fn compare_storage(state: &AuthState, tenant: &Tenant) -> Result<(), StoreError> {
    let full = match tenant.limits.stored_bytes {
        None => false,
        Some(most) => {
            let scope = SystemScope::for_tenant(tenant.id, "stored bytes are compared with the limit");
            state.store.scoped(&scope).stored_usage().await?.bytes >= most
        }
    };
    if full != tenant.storage_full {
        state.directory().set_storage_full(tenant.id, full).await?;
        state.revoke(tenant.id, CredentialName::Tenant).await;
    }
    Ok(())
}
