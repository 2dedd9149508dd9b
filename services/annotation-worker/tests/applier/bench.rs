//! A worker with its store and its queue.

use std::sync::Arc;
use std::time::Duration;

use actix::Arbiter;
use bennu_access::{SystemScope, TenantScope};
use bennu_annotation_worker::{AnnotationApplier, ApplyPolicy};
use bennu_archive::Archive;
use bennu_domain::annotation::{Annotation, AnnotationSource, AnnotatorKind, Target, TargetKind, Verdict};
use bennu_domain::annotation_job::AnnotationJob;
use bennu_domain::cost::PriceBook;
use bennu_domain::ids::TenantId;
use bennu_domain::otlp::validate_request;
use bennu_domain::time::{Clock as _, Timestamp};
use bennu_kit::actor::Guardian;
use bennu_kit::lifecycle::{Readiness, Shutdown};
use bennu_queue::{AnnotationJobs, EmbeddedAnnotationJobs, JobLimits};
use bennu_store::{
    AnnotationList, BlockPolicy, ConnectOptions, DatabaseLocation, ItemOutcome, PreparedSpan, Store,
};
use bennu_testkit::clock::ManualClock;
use bennu_testkit::databases::{self, SqliteFile};
use bennu_testkit::otlp::{request, span, span_id};
use sea_orm::DatabaseConnection;
use tempfile::TempDir;

use crate::disturbed::{Disturbance, Disturbed};

pub const PATIENCE: Duration = Duration::from_mins(10);
pub const LEASE: Duration = Duration::from_secs(30);

/// A store, its queue, and a clock that the test moves.
pub struct Bench {
    pub store: Store,
    pub jobs: EmbeddedAnnotationJobs,
    pub clock: ManualClock,
    pub scope: TenantScope,
    pub shutdown: Shutdown,
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
    pub async fn new() -> Self {
        let clock = ManualClock::at(Timestamp(1_700_000_000_000_000));
        let (file, archive) = (databases::sqlite(), tempfile::tempdir().unwrap());
        let (store, jobs) = open(&file, &archive, &clock).await;
        let scope = SystemScope::for_tenant(TenantId::DEFAULT, "test");
        Self { store, jobs, clock, scope, shutdown: Shutdown::new(), file, archive }
    }

    /// As after a new start.
    pub async fn reopen(&mut self) {
        (self.store, self.jobs) = open(&self.file, &self.archive, &self.clock).await;
    }

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

    /// Starts a worker; it ends with the bench.
    pub async fn work(&self) -> Arbiter {
        self.work_on(Arc::new(self.jobs.clone())).await
    }

    /// The same, while something happens to its queue.
    pub async fn work_beside(&self, disturbance: impl Disturbance + 'static) -> Arbiter {
        self.work_on(Arc::new(Disturbed { queue: self.jobs.clone(), disturbance })).await
    }

    pub async fn write(&self, spans: impl IntoIterator<Item = u64>) {
        let spans = spans.into_iter().map(|id| span(1, id));
        let bytes = request().project("p").spans(spans).bytes();
        let prepared =
            PreparedSpan::from_request(validate_request(bytes).unwrap().request, None, &PriceBook::default())
                .unwrap();
        let prepared = prepared.into_iter().map(Arc::new).collect();
        self.store.scoped(&self.scope).write_spans(prepared).await.unwrap();
    }

    pub async fn queue(&self, receipt: &str, targets: &[Target]) {
        let annotations = targets.iter().map(|target| annotation(receipt, target.clone())).collect();
        let jobs = AnnotationJob::of_request(receipt, self.clock.now(), annotations);
        self.jobs.enqueue(&self.scope, jobs).await.unwrap();
    }

    pub async fn labels(&self) -> Vec<String> {
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

    pub async fn outcomes(&self, receipt: &str) -> Vec<ItemOutcome> {
        let receipt = self.store.scoped(&self.scope).receipt(receipt).await.unwrap();
        receipt.map(|receipt| receipt.items.into_values().collect()).unwrap_or_default()
    }

    /// The database, past the store.
    pub async fn raw(&self) -> DatabaseConnection {
        let url = format!("sqlite://{}", self.file.path().display());
        sea_orm::Database::connect(url).await.unwrap()
    }

    /// Until the queue is empty.
    pub async fn drained(&self) {
        eventually("an empty queue", async || self.jobs.depth().await.unwrap() == 0).await;
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.shutdown.fire(0);
    }
}

pub async fn eventually(what: &str, holds: impl AsyncFn() -> bool) {
    let polling = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), polling).await.unwrap_or_else(|_| panic!("no {what}"));
}

pub fn annotation(label: &str, target: Target) -> Annotation {
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

pub fn of_span(id: u64) -> Target {
    Target::Span(span_id(id).to_string())
}
