//! The worker: what it does with jobs, whatever happens in between.
#![allow(clippy::unwrap_used, clippy::expect_used)] // clippy knows only functions marked as tests, not their helpers

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix::Arbiter;
use async_trait::async_trait;
use bennu_access::{SystemScope, TenantScope};
use bennu_annotation_worker::{AnnotationApplier, ApplyPolicy};
use bennu_archive::Archive;
use bennu_domain::account::TenantSlug;
use bennu_domain::annotation::{Annotation, AnnotationSource, AnnotatorKind, Target, TargetKind, Verdict};
use bennu_domain::annotation_job::AnnotationJob;
use bennu_domain::cost::PriceBook;
use bennu_domain::ids::TenantId;
use bennu_domain::otlp::validate_request;
use bennu_domain::time::{Clock as _, Timestamp};
use bennu_kit::actor::Guardian;
use bennu_kit::lifecycle::{Readiness, Shutdown};
use bennu_queue::{AnnotationJobs, ClaimedJob, EmbeddedAnnotationJobs, JobEnd, JobLimits, JobsError, replay};
use bennu_store::{
    AnnotationList, BlockPolicy, Committed, ConnectOptions, CreateTenant, DatabaseLocation, FailureSelection,
    ItemOutcome, PreparedSpan, Store,
};
use bennu_testkit::clock::ManualClock;
use bennu_testkit::databases::{self, SqliteFile};
use bennu_testkit::otlp::{request, span, span_id};
use sea_orm::{ConnectionTrait as _, DatabaseConnection, DbBackend, Statement};
use tempfile::TempDir;
use tokio::sync::watch;

const PATIENCE: Duration = Duration::from_mins(10);
const LEASE: Duration = Duration::from_secs(30);

/// A store, its queue, and a clock that the test moves.
struct Bench {
    store: Store,
    jobs: EmbeddedAnnotationJobs,
    clock: ManualClock,
    scope: TenantScope,
    shutdown: Shutdown,
    file: SqliteFile,
    archive: TempDir,
}

async fn open(file: &SqliteFile, archive: &TempDir, clock: &ManualClock) -> (Store, EmbeddedAnnotationJobs) {
    let options = ConnectOptions::new(DatabaseLocation::SqliteFile(file.path()), 4);
    let files = Archive::in_directory(archive.path()).unwrap();
    let blocks = BlockPolicy { large_bytes: usize::MAX };
    let store = Store::open(&options, files, blocks, Arc::new(clock.clone())).await.unwrap();
    let limits = JobLimits { capacity: 1_000, lease: LEASE };
    let jobs = EmbeddedAnnotationJobs::new(store.clone(), Arc::new(clock.clone()), limits);
    (store, jobs)
}

impl Bench {
    async fn new() -> Self {
        let clock = ManualClock::at(Timestamp(1_700_000_000_000_000));
        let (file, archive) = (databases::sqlite(), tempfile::tempdir().unwrap());
        let (store, jobs) = open(&file, &archive, &clock).await;
        let scope = SystemScope::for_tenant(TenantId::DEFAULT, "test");
        Self { store, jobs, clock, scope, shutdown: Shutdown::new(), file, archive }
    }

    /// As after a new start.
    async fn reopen(&mut self) {
        (self.store, self.jobs) = open(&self.file, &self.archive, &self.clock).await;
    }

    /// Starts a worker on a queue; it ends with the bench.
    async fn work_on(&self, jobs: Arc<dyn AnnotationJobs>) -> Arbiter {
        let arbiter = Arbiter::new();
        let (store, clock, shutdown) = (self.store.clone(), self.clock.clone(), self.shutdown.clone());
        let policy = ApplyPolicy { patience: PATIENCE, receipts: Duration::from_hours(24) };
        let guardian = Guardian::new(Readiness::new(), self.shutdown.clone());
        let worker = guardian.guard("worker", &arbiter.handle(), move || {
            let clock = Arc::new(clock.clone());
            AnnotationApplier::new(store.clone(), Arc::clone(&jobs), clock, policy, shutdown.clone())
        });
        assert!(worker.running().await);
        arbiter
    }

    async fn work(&self) -> Arbiter {
        self.work_on(Arc::new(self.jobs.clone())).await
    }

    async fn write(&self, spans: impl IntoIterator<Item = u64>) {
        let spans = spans.into_iter().map(|id| span(1, id));
        let bytes = request().project("p").spans(spans).bytes();
        let prepared =
            PreparedSpan::from_request(validate_request(bytes).unwrap().request, None, &PriceBook::default())
                .unwrap();
        let prepared = prepared.into_iter().map(Arc::new).collect();
        self.store.scoped(&self.scope).write_spans(prepared).await.unwrap();
    }

    async fn queue(&self, receipt: &str, targets: &[Target]) {
        let annotations = targets.iter().map(|target| annotation(receipt, target.clone())).collect();
        let jobs = AnnotationJob::of_request(receipt, self.clock.now(), annotations);
        self.jobs.enqueue(&self.scope, jobs).await.unwrap();
    }

    async fn labels(&self) -> Vec<String> {
        let store = self.store.scoped(&self.scope);
        let project = store.project_named("p").await.unwrap().unwrap().id;
        let list = AnnotationList {
            project,
            kind: TargetKind::Span,
            targets: None,
            identifiers: None,
            include_names: None,
            exclude_names: Vec::new(),
            annotator: None,
            from: None,
            limit: 10_000,
        };
        let page = store.list_annotations(&list).await.unwrap().unwrap();
        page.items.into_iter().filter_map(|stored| stored.annotation.verdict.label).collect()
    }

    async fn outcomes(&self, receipt: &str) -> Vec<ItemOutcome> {
        let receipt = self.store.scoped(&self.scope).receipt(receipt).await.unwrap();
        receipt.map(|receipt| receipt.items.into_values().collect()).unwrap_or_default()
    }

    /// The database, past the store.
    async fn raw(&self) -> DatabaseConnection {
        let url = format!("sqlite://{}", self.file.path().display());
        sea_orm::Database::connect(url).await.unwrap()
    }

    /// Until the queue is empty.
    async fn drained(&self) {
        eventually("an empty queue", async || self.jobs.depth().await.unwrap() == 0).await;
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.shutdown.fire(0);
    }
}

async fn eventually(what: &str, holds: impl AsyncFn() -> bool) {
    let polling = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), polling).await.unwrap_or_else(|_| panic!("no {what}"));
}

fn annotation(label: &str, target: Target) -> Annotation {
    Annotation {
        target,
        name: "n".to_owned(),
        identifier: String::new(),
        annotator: AnnotatorKind::Code,
        source: AnnotationSource::Api,
        user: None,
        verdict: Verdict { label: Some(label.to_owned()), ..Verdict::default() },
        metadata: "{}".to_owned(),
    }
}

fn of_span(id: u64) -> Target {
    Target::Span(span_id(id).to_string())
}

#[actix::test]
async fn what_is_queued_is_applied() {
    let bench = Bench::new().await;
    bench.write(1..=3).await;
    let _arbiter = bench.work().await;
    bench.queue("r", &[of_span(1), of_span(2), of_span(3)]).await;
    bench.drained().await;
    assert_eq!(bench.labels().await, ["r", "r", "r"]);
    assert_eq!(bench.outcomes("r").await.len(), 3);
}

#[actix::test]
async fn a_late_span_is_waited_for_and_its_neighbours_are_not_held_up() {
    let bench = Bench::new().await;
    bench.write([1]).await;
    let _arbiter = bench.work().await;
    bench.queue("r", &[of_span(2), of_span(1)]).await;
    eventually("neighbour", async || bench.labels().await.len() == 1).await;
    let outcomes = bench.outcomes("r").await;
    assert_eq!(outcomes[0], ItemOutcome::Waiting);
    bench.write([2]).await;
    eventually("late annotation", async || {
        bench.clock.advance(Duration::from_secs(1));
        bench.labels().await.len() == 2
    })
    .await;
    bench.drained().await;
}

#[actix::test]
async fn what_never_comes_fails_after_ten_minutes_and_can_be_replayed() {
    let bench = Bench::new().await;
    bench.write([1]).await;
    let _arbiter = bench.work().await;
    let received = bench.clock.now();
    bench.queue("r", &[of_span(2), of_span(1), Target::Document(span_id(1).to_string(), 5)]).await;
    eventually("end of the patience", async || {
        bench.clock.advance(Duration::from_secs(30));
        bench.jobs.depth().await.unwrap() == 0
    })
    .await;
    assert!(bench.clock.now() > received.after(PATIENCE));
    let store = bench.store.scoped(&bench.scope);
    let failures = store.annotation_failures(&FailureSelection::All, None, 10).await.unwrap().items;
    let reasons: Vec<(usize, &str)> =
        failures.iter().map(|failure| (failure.index, failure.reason.as_str())).collect();
    assert_eq!(reasons.len(), 2, "{reasons:?}");
    assert!(reasons.iter().any(|(index, reason)| *index == 0 && reason.contains("did not come in time")));
    assert!(reasons.iter().any(|(index, reason)| *index == 2 && reason.contains("out of bounds")));
    assert!(matches!(bench.outcomes("r").await[0], ItemOutcome::Failed(_)));

    bench.write([2]).await;
    let replayed = replay(store, &bench.scope, &bench.jobs, &FailureSelection::All, "again").await.unwrap();
    assert_eq!(replayed, 2);
    bench.drained().await;
    assert_eq!(bench.labels().await.len(), 2);
    let left = store.annotation_failures(&FailureSelection::All, None, 10).await.unwrap().items;
    assert_eq!(left.len(), 1, "the document is as much out of bounds as before");
    assert_eq!((left[0].receipt.as_str(), left[0].received), ("again", received));
}

#[actix::test]
async fn one_that_the_database_refuses_fails_alone() {
    let bench = Bench::new().await;
    bench.write(1..=100).await;
    let refuse = "CREATE TRIGGER refuse BEFORE INSERT ON annotations WHEN NEW.target_row_id = 50 \
                  BEGIN SELECT RAISE(ABORT, 'refused'); END";
    bench.raw().await.execute_unprepared(refuse).await.unwrap();
    let _arbiter = bench.work().await;
    bench.queue("r", &(1..=100).map(of_span).collect::<Vec<_>>()).await;
    bench.drained().await;
    assert_eq!(bench.labels().await.len(), 99);
    assert!(
        matches!(&bench.outcomes("r").await[49], ItemOutcome::Failed(reason) if reason.contains("refused"))
    );
}

/// They stand in the database itself, and as JSON.
#[actix::test]
async fn jobs_that_an_earlier_version_queued_are_applied_once() {
    let mut bench = Bench::new().await;
    bench.write([1]).await;
    let raw = bench.raw().await;
    let queue = async |number: usize| {
        let receipt = number.to_string();
        let annotation = annotation(&receipt, of_span(1));
        let job = AnnotationJob::of_request(&receipt, bench.clock.now(), vec![annotation]).remove(0);
        let sql =
            "INSERT INTO annotation_jobs (tenant_id, receipt, items, due_at, payload) VALUES (1, ?, 1, ?, ?)";
        let (due, json) = (i64::try_from(number).unwrap(), serde_json::to_string(&job).unwrap());
        let insert = [receipt.into(), due.into(), json.into()];
        raw.execute_raw(Statement::from_sql_and_values(DbBackend::Sqlite, sql, insert)).await.unwrap();
    };
    for number in 0..120 {
        queue(number).await;
    }
    // A process that was killed has copied this one, and has it still.
    let copied = annotation("0", of_span(1));
    let copied = AnnotationJob::of_request("0", bench.clock.now(), vec![copied]);
    bench.jobs.enqueue(&bench.scope, copied).await.unwrap();
    bench.reopen().await;
    assert_eq!(bench.jobs.depth().await.unwrap(), 121);
    let _arbiter = bench.work().await;
    bench.drained().await;
    assert_eq!(bench.labels().await, ["119"]);
    for number in 0..120 {
        let outcomes = bench.outcomes(&number.to_string()).await;
        assert!(matches!(outcomes[..], [ItemOutcome::Applied(_)]), "{number}: {outcomes:?}");
    }
    let count = Statement::from_string(DbBackend::Sqlite, "SELECT count(*) FROM annotation_jobs");
    let left: i64 = raw.query_one_raw(count).await.unwrap().unwrap().try_get_by_index(0).unwrap();
    assert_eq!(left, 0, "they have moved");
}

#[actix::test]
async fn what_is_queued_for_an_erased_tenant_is_dropped() {
    let mut bench = Bench::new().await;
    let slug = TenantSlug::parse("one").unwrap();
    let CreateTenant::Created(tenant) = bench.store.directory("test").create_tenant(&slug, "").await.unwrap()
    else {
        panic!("the slug is taken");
    };
    bench.scope = SystemScope::for_tenant(tenant.id, "test");
    bench.queue("r", &[of_span(1), of_span(2)]).await;
    // As in Redis, where jobs do not go with the rows of their tenant.
    let claimed = bench.jobs.claim(10).await.unwrap();
    assert_eq!(claimed.len(), 1);
    bench.store.directory("test").erase_tenant(tenant.id).await.unwrap();
    let (jobs, settled) = ClaimedBefore::new(&bench.jobs, claimed);
    let _arbiter = bench.work_on(Arc::new(jobs)).await;
    eventually("settled job", async || settled.load(Ordering::SeqCst) == 1).await;
    assert_eq!(bench.outcomes("r").await, []);
    let failures = bench.store.tenants_with_annotation_failures().await.unwrap();
    assert_eq!(failures, []);
}

/// A queue whose first claim is one from before.
struct ClaimedBefore {
    inner: EmbeddedAnnotationJobs,
    claimed: Mutex<Vec<ClaimedJob>>,
    /// Jobs that are done.
    done: Arc<AtomicUsize>,
}

impl ClaimedBefore {
    fn new(inner: &EmbeddedAnnotationJobs, claimed: Vec<ClaimedJob>) -> (Self, Arc<AtomicUsize>) {
        let done = Arc::new(AtomicUsize::new(0));
        let jobs = Self { inner: inner.clone(), claimed: Mutex::new(claimed), done: Arc::clone(&done) };
        (jobs, done)
    }
}

#[async_trait]
impl AnnotationJobs for ClaimedBefore {
    async fn enqueue(&self, scope: &TenantScope, jobs: Vec<AnnotationJob>) -> Result<(), JobsError> {
        self.inner.enqueue(scope, jobs).await
    }
    async fn claim(&self, most: usize) -> Result<Vec<ClaimedJob>, JobsError> {
        let claimed = std::mem::take(&mut *self.claimed.lock().unwrap());
        if claimed.is_empty() { self.inner.claim(most).await } else { Ok(claimed) }
    }
    async fn settle(&self, ended: Vec<(ClaimedJob, JobEnd)>, applied: Committed) -> Result<(), JobsError> {
        let done = ended.iter().filter(|(_, end)| matches!(end, JobEnd::Done)).count();
        self.done.fetch_add(done, Ordering::SeqCst);
        self.inner.settle(ended, applied).await
    }
    async fn queued_items(&self, scope: &TenantScope, receipt: &str) -> Result<usize, JobsError> {
        self.inner.queued_items(scope, receipt).await
    }
    async fn depth(&self) -> Result<usize, JobsError> {
        self.inner.depth().await
    }
}

/// A queue on which the shutdown comes as soon as a worker wants to settle a set and has the next one claimed.
struct EndingQueue {
    inner: EmbeddedAnnotationJobs,
    shutdown: Shutdown,
    /// Sets of jobs.
    claimed: watch::Sender<usize>,
    settled: Arc<AtomicUsize>,
}

#[async_trait]
impl AnnotationJobs for EndingQueue {
    async fn enqueue(&self, scope: &TenantScope, jobs: Vec<AnnotationJob>) -> Result<(), JobsError> {
        self.inner.enqueue(scope, jobs).await
    }
    async fn claim(&self, most: usize) -> Result<Vec<ClaimedJob>, JobsError> {
        let claimed = self.inner.claim(most).await?;
        self.claimed.send_modify(|sets| *sets += usize::from(!claimed.is_empty()));
        Ok(claimed)
    }
    async fn settle(&self, ended: Vec<(ClaimedJob, JobEnd)>, applied: Committed) -> Result<(), JobsError> {
        self.claimed.subscribe().wait_for(|sets| *sets >= 2).await.unwrap();
        self.shutdown.fire(0);
        self.inner.settle(ended, applied).await?;
        self.settled.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
    async fn queued_items(&self, scope: &TenantScope, receipt: &str) -> Result<usize, JobsError> {
        self.inner.queued_items(scope, receipt).await
    }
    async fn depth(&self) -> Result<usize, JobsError> {
        self.inner.depth().await
    }
}

/// Thirty requests, of which a claim takes about ten.
async fn queue_long_ones(bench: &Bench) {
    for request in 0..30 {
        let long = |id| {
            let mut annotation = annotation(&request.to_string(), of_span(id));
            annotation.verdict.explanation = Some("x".repeat(2_000));
            annotation
        };
        let annotations = (1..=100).map(long).collect();
        let jobs = AnnotationJob::of_request(&format!("r{request}"), bench.clock.now(), annotations);
        bench.jobs.enqueue(&bench.scope, jobs).await.unwrap();
        bench.clock.advance(Duration::from_secs(1));
    }
}

#[actix::test]
async fn the_next_set_is_claimed_while_one_is_applied_and_both_are_before_the_end() {
    let bench = Bench::new().await;
    bench.write(1..=100).await;
    queue_long_ones(&bench).await;
    let settled = Arc::new(AtomicUsize::new(0));
    let _arbiter = bench
        .work_on(Arc::new(EndingQueue {
            inner: bench.jobs.clone(),
            shutdown: bench.shutdown.clone(),
            claimed: watch::Sender::new(0),
            settled: Arc::clone(&settled),
        }))
        .await;
    eventually("two settled sets", async || settled.load(Ordering::SeqCst) == 2).await;
    let left = bench.jobs.depth().await.unwrap();
    assert!((1..=15).contains(&left), "{left} jobs are left");
    // Those of the later set stand, and it had all that came before what is left.
    let last = (30 - left - 1).to_string();
    assert_eq!(bench.labels().await, vec![last; 100]);
    assert_eq!(bench.outcomes(&format!("r{}", 30 - left)).await, []);
}

/// A queue in which a job is settled only when what comes after it is applied.
struct SlowQueue {
    inner: EmbeddedAnnotationJobs,
    store: Store,
    scope: TenantScope,
    /// Until there is this receipt.
    until: String,
}

#[async_trait]
impl AnnotationJobs for SlowQueue {
    async fn enqueue(&self, scope: &TenantScope, jobs: Vec<AnnotationJob>) -> Result<(), JobsError> {
        self.inner.enqueue(scope, jobs).await
    }
    async fn claim(&self, most: usize) -> Result<Vec<ClaimedJob>, JobsError> {
        self.inner.claim(most).await
    }
    async fn settle(&self, ended: Vec<(ClaimedJob, JobEnd)>, applied: Committed) -> Result<(), JobsError> {
        while self.store.scoped(&self.scope).receipt(&self.until).await.unwrap().is_none() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        self.inner.settle(ended, applied).await
    }
    async fn queued_items(&self, scope: &TenantScope, receipt: &str) -> Result<usize, JobsError> {
        self.inner.queued_items(scope, receipt).await
    }
    async fn depth(&self) -> Result<usize, JobsError> {
        self.inner.depth().await
    }
}

#[actix::test]
async fn a_set_is_applied_while_the_one_before_is_settled() {
    let bench = Bench::new().await;
    bench.write(1..=100).await;
    queue_long_ones(&bench).await;
    let (inner, store, scope) = (bench.jobs.clone(), bench.store.clone(), bench.scope);
    let until = "r15".to_owned(); // of the second of three sets
    let _arbiter = bench.work_on(Arc::new(SlowQueue { inner, store, scope, until })).await;
    bench.drained().await;
    assert_eq!(bench.labels().await, vec!["29"; 100]);
}

/// A queue on which workers die after they applied a batch and before they say so.
struct DeadlyQueue {
    inner: EmbeddedAnnotationJobs,
    deaths: AtomicUsize,
}

#[async_trait]
impl AnnotationJobs for DeadlyQueue {
    async fn enqueue(&self, scope: &TenantScope, jobs: Vec<AnnotationJob>) -> Result<(), JobsError> {
        self.inner.enqueue(scope, jobs).await
    }
    async fn claim(&self, most: usize) -> Result<Vec<ClaimedJob>, JobsError> {
        self.inner.claim(most).await
    }
    async fn settle(&self, ended: Vec<(ClaimedJob, JobEnd)>, applied: Committed) -> Result<(), JobsError> {
        let alive = self.deaths.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        assert!(alive.is_err(), "the worker dies here");
        self.inner.settle(ended, applied).await
    }
    async fn queued_items(&self, scope: &TenantScope, receipt: &str) -> Result<usize, JobsError> {
        self.inner.queued_items(scope, receipt).await
    }
    async fn depth(&self) -> Result<usize, JobsError> {
        self.inner.depth().await
    }
}

/// What a reader did between the two lives of a batch stays done: a deleted annotation does not come back, and an older
/// one does not return over a newer one.
#[actix::test]
async fn a_batch_whose_worker_died_after_it_is_not_applied_again() {
    let bench = Bench::new().await;
    bench.write(1..=2).await;
    let deadly = DeadlyQueue { inner: bench.jobs.clone(), deaths: AtomicUsize::new(1) };
    let _arbiter = bench.work_on(Arc::new(deadly)).await;
    bench.queue("r", &[of_span(1), of_span(2)]).await;
    eventually("applied batch", async || bench.labels().await.len() == 2).await;
    let store = bench.store.scoped(&bench.scope);
    let delete = bennu_store::AnnotationDelete {
        project: store.project_named("p").await.unwrap().unwrap().id,
        kind: TargetKind::Span,
        name: None,
        identifier: None,
        annotator: None,
        user: None,
        start: None,
        end: None,
    };
    assert_eq!(store.delete_annotations(&delete).await.unwrap(), 2);
    assert_eq!(bench.jobs.depth().await.unwrap(), 1, "nobody has settled it");
    eventually("settled job", async || {
        bench.clock.advance(LEASE);
        bench.jobs.depth().await.unwrap() == 0
    })
    .await;
    assert_eq!(bench.labels().await, Vec::<String>::new());
}
