//! Opens the store that the configuration names.

use std::sync::Arc;

use anyhow::Context as _;
use bennu_access::SystemScope;
use bennu_archive::Archive;
use bennu_domain::ids::TenantId;
use bennu_domain::project::ProjectName;
use bennu_domain::time::SystemClock;
use bennu_kit::config::{Config, DatabaseUrl, ObjectStoreUrl};
use bennu_store::{BlockPolicy, ConnectOptions, DatabaseLocation, Store};

pub(crate) async fn open_store(config: &Config) -> anyhow::Result<Store> {
    std::fs::create_dir_all(&config.working_dir).with_context(|| {
        format!("BENNU_WORKING_DIR: cannot make the directory {}", config.working_dir.display())
    })?;
    let ObjectStoreUrl::Directory(objects) = &config.object_store;
    let archive = Archive::in_directory(objects).context("BENNU_OBJECT_STORE_URL")?;
    let location = match &config.database {
        DatabaseUrl::SqliteMemory => DatabaseLocation::SqliteMemory,
        DatabaseUrl::SqliteFile(path) => DatabaseLocation::SqliteFile(path.clone()),
        DatabaseUrl::Postgres(url) => DatabaseLocation::Postgres(url.clone()),
    };
    let options = ConnectOptions { location, connections: config.database_connections };
    let blocks = BlockPolicy { large_bytes: config.large_block_bytes };
    let store = Store::open(&options, archive, blocks, Arc::new(SystemClock))
        .await
        .with_context(|| format!("BENNU_DATABASE_URL: cannot open {}", config.database))?;
    create_default_project(&store).await?;
    Ok(store)
}

/// Clients expect the default project to be there before its first span.
async fn create_default_project(store: &Store) -> anyhow::Result<()> {
    let scope = SystemScope::for_tenant(TenantId::DEFAULT, "the default project of an open deployment");
    let store = store.scoped(&scope);
    store.create_project(&ProjectName::default(), Some("Default project".to_owned())).await?;
    Ok(())
}
