//! A replica of the Postgres server, for callers who only read.

use std::sync::Arc;
use std::time::Duration;

use bennu_access::SystemScope;
use bennu_archive::Archive;
use bennu_domain::ids::TenantId;
use bennu_domain::project::ProjectName;
use bennu_domain::time::Timestamp;
use bennu_store::{
    CompactionPolicy, ConnectOptions, DatabaseLocation, ProjectList, ScopedStore, Store, StoreError,
};
use bennu_testkit::clock::ManualClock;
use bennu_testkit::databases;
use bennu_testkit::otlp::{request, span};
use bennu_testkit::servers::Server;
use bennu_testkit::servers::postgres;
use sea_orm::{ConnectionTrait as _, Database};
use tempfile::TempDir;

use crate::support::{EVERYTHING_IS_LARGE, every_span, trace_id, write};

/// The stream brings a commit within milliseconds.
const PATIENCE: Duration = Duration::from_secs(20);

/// A store on two servers, one of which follows the other.
struct Followed {
    store: Store,
    primary: Server,
    replica: Server,
    _files: TempDir,
}

impl Followed {
    async fn start() -> Self {
        let primary = postgres::start().unwrap();
        let database = databases::postgres_on(&primary.variables[0].1).await;
        let replica = postgres::start_replica(&primary).unwrap();
        let at_replica = database.replace(&primary.variables[0].1, &replica.variables[0].1);
        let files = tempfile::tempdir().unwrap();
        let options = ConnectOptions::new(DatabaseLocation::Postgres(database), 2);
        let clock = Arc::new(ManualClock::at(Timestamp(1)));
        let archive = Archive::in_directory(files.path()).unwrap();
        let mut store = Store::open(&options, archive, EVERYTHING_IS_LARGE, clock).await.unwrap();
        store.read_from_replica(&at_replica, &options).await.unwrap();
        Self { store, primary, replica, _files: files }
    }

    fn data(&self) -> ScopedStore<'_> {
        self.store.scoped(&SystemScope::for_tenant(TenantId::DEFAULT, "test"))
    }

    /// Returns when the replica has so many spans; at first it does not even have the tables.
    async fn has_followed(&self, spans: usize) {
        let following = async {
            while spans_of(self.data().lagging()).await.ok() != Some(spans) {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, following).await.expect("the replica follows");
    }
}

async fn names(data: ScopedStore<'_>) -> Result<Vec<String>, StoreError> {
    let projects = data.list_projects(&ProjectList { limit: 9, ..ProjectList::default() }).await?;
    Ok(projects.items.into_iter().map(|project| project.name.as_str().to_owned()).collect())
}

async fn spans_of(data: ScopedStore<'_>) -> Result<usize, StoreError> {
    let Some(project) = data.project_named("p").await? else { return Ok(0) };
    Ok(every_span(data, project.id).await.len())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_only_reads_is_served_by_the_replica_and_writers_by_the_first_server() {
    let mut servers = Followed::start().await;
    write(servers.data(), request().project("p").span(span(1, 1))).await.unwrap();
    servers.has_followed(1).await;

    // What is not behind goes to the first server, what may be behind does not need it.
    servers.primary.kill();
    let data = servers.data();
    assert_eq!(names(data.lagging()).await.unwrap(), ["p"]);
    assert!(names(data).await.is_err());
    assert!(data.lagging().create_project(&ProjectName::new("q").unwrap(), None).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_is_behind_still_finds_the_spans_of_objects_that_were_replaced() {
    let servers = Followed::start().await;
    for id in [1, 2] {
        write(servers.data(), request().project("p").span(span(1, id))).await.unwrap();
    }
    servers.has_followed(2).await;
    let data = servers.data();
    let trace = data.trace_row_with_id(trace_id(1)).await.unwrap().unwrap();
    let exported = data.lagging().export_trace(trace).await.unwrap();
    let replica = Database::connect(format!("{}/postgres", servers.replica.variables[0].1)).await.unwrap();
    replica.execute_unprepared("SELECT pg_wal_replay_pause()").await.unwrap();

    let policy = CompactionPolicy { idle: Duration::ZERO, most_bytes: 1 << 20 };
    assert_eq!(data.compact_trace(trace, policy, true).await.unwrap().merged, 1);

    assert_eq!(spans_of(data.lagging()).await.unwrap(), 2);
    assert_eq!(data.lagging().export_trace(trace).await.unwrap(), exported);
}
