//! `bennu audit`: for whoever keeps the deployment, past its API.

use anyhow::{Context as _, ensure};
use bennu_access::SystemScope;
use bennu_process::{Process, open_archive, open_store};
use bennu_store::{AuditVerdict, Store};

/// Prints a line for the audit log of each tenant, or of the one with this slug; an error if one is broken.
pub async fn verify(process: Process, tenant: Option<String>) -> anyhow::Result<()> {
    let config = &process.config;
    let store = open_store(config, open_archive(config).await?).await?;
    let broken = verify_logs(&store, tenant.as_deref()).await?;
    store.close().await?;
    ensure!(broken == 0, "{broken} audit logs are broken");
    Ok(())
}

/// Answers how many are broken.
async fn verify_logs(store: &Store, only: Option<&str>) -> anyhow::Result<usize> {
    let mut tenants = store.audited_tenants().await?;
    if let Some(only) = only {
        tenants.retain(|(_, slug)| slug == only);
        tenants.first().with_context(|| format!("--tenant: there is no tenant {only:?}"))?;
    }
    let mut broken = 0;
    for (tenant, slug) in tenants {
        let scope = SystemScope::for_tenant(tenant, "verifying its audit log");
        match store.scoped(&scope).verify_audit_log().await? {
            AuditVerdict::Intact { entries, last } => {
                println!("{slug}\tintact\t{entries} entries\tlast hash {last}");
            }
            AuditVerdict::Broken(link) => {
                println!("{slug}\tBROKEN\t{link}");
                broken += 1;
            }
        }
    }
    Ok(broken)
}
