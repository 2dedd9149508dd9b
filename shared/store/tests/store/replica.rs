//! A replica of the Postgres server, for callers who only read.

use std::sync::Arc;
use std::time::Duration;

use bennu_access::SystemScope;
use bennu_archive::Archive;
use bennu_domain::ids::TenantId;
use bennu_domain::project::ProjectName;
use bennu_domain::time::Timestamp;
use bennu_store::{ConnectOptions, DatabaseLocation, ProjectList, ScopedStore, Store, StoreError};
use bennu_testkit::clock::ManualClock;
use bennu_testkit::databases;
use bennu_testkit::otlp::{request, span};
use bennu_testkit::servers::postgres;

use crate::support::{NOTHING_IS_LARGE, every_span, write};

/// The stream brings a commit within milliseconds.
const PATIENCE: Duration = Duration::from_secs(20);

async fn names(data: ScopedStore<'_>) -> Result<Vec<String>, StoreError> {
    let projects = data.list_projects(&ProjectList { limit: 9, ..ProjectList::default() }).await?;
    Ok(projects.items.into_iter().map(|project| project.name.as_str().to_owned()).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_only_reads_is_served_by_the_replica_and_writers_by_the_first_server() {
    let mut primary = postgres::start().unwrap();
    let database = databases::postgres_on(&primary.variables[0].1).await;
    let replica = postgres::start_replica(&primary).unwrap();
    let at_replica = database.replace(&primary.variables[0].1, &replica.variables[0].1);
    let files = tempfile::tempdir().unwrap();
    let options = ConnectOptions::new(DatabaseLocation::Postgres(database), 2);
    let clock = Arc::new(ManualClock::at(Timestamp(1)));
    let archive = Archive::in_directory(files.path()).unwrap();
    let mut store = Store::open(&options, archive, NOTHING_IS_LARGE, clock).await.unwrap();
    store.read_from_replica(&at_replica, &options).await.unwrap();
    let data = store.scoped(&SystemScope::for_tenant(TenantId::DEFAULT, "test"));

    write(data, request().project("p").span(span(1, 1))).await.unwrap();
    let followed = async {
        // At first it does not even have the tables.
        while names(data.lagging()).await.ok().is_none_or(|names| names.is_empty()) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, followed).await.expect("the replica follows");
    let project = data.lagging().project_named("p").await.unwrap().unwrap().id;
    assert_eq!(every_span(data.lagging(), project).await.len(), 1);

    // What is not behind goes to the first server, what may be behind does not need it.
    primary.kill();
    assert_eq!(names(data.lagging()).await.unwrap(), ["p"]);
    assert!(names(data).await.is_err());
    assert!(data.lagging().create_project(&ProjectName::new("q").unwrap(), None).await.is_err());
}
