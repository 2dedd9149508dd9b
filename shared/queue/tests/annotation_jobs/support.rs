//! A queue for a test, of any kind.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bennu_access::{SystemScope, TenantScope};
use bennu_archive::Archive;
use bennu_domain::annotation::{Annotation, AnnotationSource, AnnotatorKind, Target, Verdict};
use bennu_domain::annotation_job::AnnotationJob;
use bennu_domain::ids::TenantId;
use bennu_domain::time::{Clock as _, Timestamp};
use bennu_queue::{
    AnnotationJobs, ClaimedJob, EmbeddedAnnotationJobs, JobLimits, RedisAnnotationJobs, RedisDurability,
};
use bennu_store::{BlockPolicy, ConnectOptions, DatabaseLocation, Store};
use bennu_testkit::clock::ManualClock;
use bennu_testkit::databases::{self, SqliteFile};
use bennu_testkit::servers::redis::URL_VARIABLE;
use tempfile::TempDir;

/// Short, because Redis counts it by a clock of its own.
pub const LEASE: Duration = Duration::from_millis(200);
pub const CAPACITY: usize = 20;
/// Longer than any claim in a test takes.
const PATIENCE: Duration = Duration::from_secs(20);

/// A queue with two workers.
pub struct TestQueue {
    pub jobs: Arc<dyn AnnotationJobs>,
    pub other_worker: Arc<dyn AnnotationJobs>,
    pub clock: ManualClock,
    _files: Option<(Option<SqliteFile>, TempDir)>,
}

fn limits() -> JobLimits {
    JobLimits { capacity: CAPACITY, lease: LEASE }
}

impl TestQueue {
    pub async fn sqlite() -> Self {
        let file = databases::sqlite();
        Self::in_table(DatabaseLocation::SqliteFile(file.path()), Some(file)).await
    }

    /// What is queued from now on is kept at hand for it.
    pub async fn with_worker_that_waits(self) -> Self {
        assert!(self.jobs.claim(1).await.unwrap().is_empty());
        self
    }

    pub async fn postgres() -> Self {
        Self::in_table(DatabaseLocation::Postgres(databases::postgres_of_plain_owner().await.url), None).await
    }

    async fn in_table(location: DatabaseLocation, file: Option<SqliteFile>) -> Self {
        let clock = ManualClock::at(Timestamp(1_700_000_000_000_000));
        let archive = tempfile::tempdir().unwrap();
        let worker = async || {
            let options = ConnectOptions::new(location.clone(), 2);
            let blocks = BlockPolicy { large_bytes: usize::MAX };
            let files = Archive::in_directory(archive.path()).unwrap();
            let store = Store::open(&options, files, blocks, Arc::new(clock.clone())).await.unwrap();
            Arc::new(EmbeddedAnnotationJobs::new(store, Arc::new(clock.clone()), limits()))
        };
        let (jobs, other_worker) = (worker().await, worker().await);
        Self { jobs, other_worker, clock, _files: Some((file, archive)) }
    }

    pub async fn redis() -> Self {
        let clock = ManualClock::at(Timestamp(1_700_000_000_000_000));
        let url = redis_url().await;
        let worker = async |name| Arc::new(redis_worker(&url, name, &clock).await);
        let (jobs, other_worker) = (worker("one").await, worker("two").await);
        Self { jobs, other_worker, clock, _files: None }
    }

    /// Makes a worker of which nothing is heard any more lose its jobs.
    pub fn end_leases(&self) {
        self.clock.advance(LEASE + Duration::from_millis(1));
    }

    /// Claims until there is something.
    pub async fn claim(&self, most: usize) -> Vec<ClaimedJob> {
        claim_by(&*self.jobs, most).await
    }
}

pub async fn claim_by(worker: &dyn AnnotationJobs, most: usize) -> Vec<ClaimedJob> {
    let claiming = async {
        loop {
            let claimed = worker.claim(most).await.unwrap();
            if !claimed.is_empty() {
                return claimed;
            }
        }
    };
    tokio::time::timeout(PATIENCE, claiming).await.expect("a job")
}

/// An empty database on the Redis of the test run.
pub async fn redis_url() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let server = std::env::var(URL_VARIABLE)
        .unwrap_or_else(|_| panic!("{URL_VARIABLE} is not set: run `make test`, or with-servers"));
    let url = format!("{server}/{}", NEXT.fetch_add(1, Ordering::SeqCst));
    let client = ::redis::Client::open(url.as_str()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    ::redis::cmd("FLUSHDB").query_async::<()>(&mut connection).await.unwrap();
    url
}

pub async fn redis_worker(url: &str, name: &str, clock: &ManualClock) -> RedisAnnotationJobs {
    let clock = Arc::new(clock.clone());
    RedisAnnotationJobs::connect(url, name, RedisDurability::default(), limits(), clock).await.unwrap()
}

pub fn tenant(id: i64) -> TenantScope {
    SystemScope::for_tenant(TenantId(id), "test")
}

/// The jobs of a request with so many annotations.
pub fn request(receipt: &str, annotations: usize, clock: &ManualClock) -> Vec<AnnotationJob> {
    let annotation = |index: usize| Annotation {
        target: Target::Span(format!("{index:016x}")),
        name: format!("name {index} \u{1F600}"),
        identifier: String::new(),
        annotator: AnnotatorKind::Llm,
        source: AnnotationSource::Api,
        user: None,
        verdict: Verdict { label: None, score: Some(0.1), explanation: Some("line\nbreak \" \0".to_owned()) },
        metadata: "{}".to_owned(),
    };
    AnnotationJob::of_request(receipt, clock.now(), (0..annotations).map(annotation).collect())
}
