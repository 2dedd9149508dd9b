//! A store for a test, on either engine, and ways to look at it from outside.

mod annotate;
mod everything;
mod for_all;
mod probe;
mod walk;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use bennu_access::SystemScope;
use bennu_archive::Archive;
use bennu_domain::cost::PriceBook;
use bennu_domain::ids::{ProjectId, SpanId, TenantId, TraceId};
use bennu_domain::otlp::validate_request;
use bennu_domain::time::Timestamp;
use bennu_store::{
    BlockPolicy, ConnectOptions, DatabaseLocation, PreparedSpan, ScopedStore, Store, StoreError, WriteReport,
};
use bennu_testkit::clock::ManualClock;
use bennu_testkit::databases::{self, OwnedDatabase, SqliteFile};
use bennu_testkit::otlp::{EPOCH_MICROS, RequestBuilder};
use tempfile::TempDir;

pub use annotate::{
    annotate, annotation, annotation_list, every_annotation, identified, labels, of_document, of_session,
    of_span, of_trace, received, refused, scored, walk_annotations,
};
pub use everything::everything;
pub use for_all::for_all;
pub use walk::{
    NO_SPANS, every_session, every_span, every_trace, matching, span_ids, span_list, trace_list, walk_spans,
};

/// Makes two tests of each behaviour, so that a failure names the engine: `sqlite::…` and `postgres::…`.
macro_rules! on_both_engines {
    ($($behaviour:ident),+ $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $behaviour() {
                super::$behaviour(crate::support::TestStore::sqlite().await).await;
            })+
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $behaviour() {
                super::$behaviour(crate::support::TestStore::postgres().await).await;
            })+
        }
    };
}
pub(crate) use on_both_engines;

/// Large enough that no block of an ordinary test goes to the archive.
pub const NOTHING_IS_LARGE: BlockPolicy = BlockPolicy { large_bytes: usize::MAX };
pub const EVERYTHING_IS_LARGE: BlockPolicy = BlockPolicy { large_bytes: 0 };

/// A store on an empty database and an empty archive, both gone with it.
pub struct TestStore {
    pub store: Store,
    pub clock: ManualClock,
    pub location: DatabaseLocation,
    archive: TempDir,
    next_tenant: AtomicI64,
    /// Past all rules of the database.
    raw_url: String,
    _file: Option<SqliteFile>,
}

impl TestStore {
    pub async fn sqlite() -> Self {
        let file = databases::sqlite();
        let raw_url = format!("sqlite://{}", file.path().display());
        Self::at(DatabaseLocation::SqliteFile(file.path()), raw_url, Some(file)).await
    }

    /// The store has the rights that it is to have in production, the test all of them.
    pub async fn postgres() -> Self {
        let OwnedDatabase { url, superuser_url } = databases::postgres_of_plain_owner().await;
        Self::at(DatabaseLocation::Postgres(url), superuser_url, None).await
    }

    async fn at(location: DatabaseLocation, raw_url: String, file: Option<SqliteFile>) -> Self {
        let clock = ManualClock::at(Timestamp(EPOCH_MICROS));
        let archive = tempfile::tempdir().unwrap();
        let store = open(&location, &archive, NOTHING_IS_LARGE, &clock).await.unwrap();
        Self { store, clock, location, archive, next_tenant: AtomicI64::new(1_000), raw_url, _file: file }
    }

    /// Another store on the same database and archive, as another process has it.
    pub async fn another(&self, blocks: BlockPolicy) -> Store {
        open(&self.location, &self.archive, blocks, &self.clock).await.unwrap()
    }

    /// The same database and archive with another rule for blocks.
    pub async fn with_blocks(mut self, blocks: BlockPolicy) -> Self {
        self.store = self.another(blocks).await;
        self
    }

    /// The data of the default tenant.
    pub fn data(&self) -> ScopedStore<'_> {
        self.tenant(TenantId::DEFAULT.0)
    }

    pub fn tenant(&self, tenant: i64) -> ScopedStore<'_> {
        self.store.scoped(&SystemScope::for_tenant(TenantId(tenant), "test"))
    }

    /// A tenant without any data.
    pub fn fresh_tenant(&self) -> ScopedStore<'_> {
        self.tenant(self.fresh_tenant_number())
    }

    pub fn fresh_tenant_number(&self) -> i64 {
        self.next_tenant.fetch_add(1, Ordering::SeqCst)
    }

    /// Writes to the default tenant.
    pub async fn write(&self, request: RequestBuilder) -> WriteReport {
        write(self.data(), request).await.unwrap()
    }

    pub async fn project(&self, name: &str) -> ProjectId {
        self.data().project_named(name).await.unwrap().unwrap_or_else(|| panic!("no project {name}")).id
    }

    /// Files in the archive, in order.
    pub fn objects(&self) -> Vec<PathBuf> {
        let mut files = Vec::new();
        let mut directories = vec![self.archive.path().to_owned()];
        while let Some(directory) = directories.pop() {
            for entry in std::fs::read_dir(directory).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() { directories.push(path) } else { files.push(path) }
            }
        }
        files.sort();
        files
    }

    pub fn archive_directory(&self) -> &std::path::Path {
        self.archive.path()
    }
}

async fn open(
    location: &DatabaseLocation,
    archive: &TempDir,
    blocks: BlockPolicy,
    clock: &ManualClock,
) -> Result<Store, StoreError> {
    let options = ConnectOptions::new(location.clone(), 4);
    Store::open(&options, Archive::in_directory(archive.path())?, blocks, Arc::new(clock.clone())).await
}

pub fn prepared(request: RequestBuilder) -> Vec<Arc<PreparedSpan>> {
    PreparedSpan::from_request(
        validate_request(request.bytes()).unwrap().request,
        None,
        &PriceBook::default(),
    )
    .unwrap()
    .into_iter()
    .map(Arc::new)
    .collect()
}

pub async fn write(data: ScopedStore<'_>, request: RequestBuilder) -> Result<WriteReport, StoreError> {
    data.write_spans(prepared(request)).await
}

/// Writes as a writer does: what may succeed later is tried again.
pub async fn write_until_stored(data: ScopedStore<'_>, spans: &[Arc<PreparedSpan>]) -> WriteReport {
    const ATTEMPTS: usize = 50;
    for _ in 0..ATTEMPTS {
        match data.write_spans(spans.to_vec()).await {
            Ok(report) => return report,
            Err(error) => assert!(error.is_transient(), "{error}"),
        }
    }
    panic!("not stored in {ATTEMPTS} attempts");
}

/// A time of the test's spans.
pub fn at(micros: i64) -> Timestamp {
    Timestamp(EPOCH_MICROS + micros)
}

/// The ids that the builders' numbers stand for.
pub fn trace_id(number: u128) -> TraceId {
    bennu_testkit::otlp::trace_id(number)
}

pub fn span_id(number: u64) -> SpanId {
    bennu_testkit::otlp::span_id(number)
}
