//! Spans that arrive after their tenant was erased: acknowledged, and nowhere.
#![allow(clippy::unwrap_used, clippy::expect_used)] // clippy knows only functions marked as tests, not their helpers

use std::sync::Arc;
use std::time::Duration;

use actix::Arbiter;
use bennu_access::{SystemScope, TenantScope};
use bennu_archive::Archive;
use bennu_domain::account::TenantSlug;
use bennu_domain::otlp::validate_request;
use bennu_domain::time::SystemClock;
use bennu_ingest::DecodePool;
use bennu_ingest::write::{BatchLimits, SpanWriter, consume};
use bennu_kit::actor::Guardian;
use bennu_kit::lifecycle::{Readiness, Shutdown};
use bennu_kit::telemetry::Metrics;
use bennu_queue::{
    EmbeddedEvents, Envelope, RabbitMq, RabbitMqOptions, SpanBroker, SpanDeliveries, embedded_span_broker,
};
use bennu_store::{BlockPolicy, ConnectOptions, CreateTenant, DatabaseLocation, Store};
use bennu_testkit::databases::{self, SqliteFile};
use bennu_testkit::otlp::{request, span};
use bennu_testkit::servers::rabbitmq;
use tempfile::TempDir;

/// A store with a tenant that was erased, and a writer to it.
struct Bench {
    store: Store,
    archive: Archive,
    erased: TenantScope,
    metrics: Metrics,
    shutdown: Shutdown,
    objects: TempDir,
    _file: SqliteFile,
}

impl Bench {
    async fn new() -> Self {
        let (file, objects) = (databases::sqlite(), tempfile::tempdir().unwrap());
        let options = ConnectOptions::new(DatabaseLocation::SqliteFile(file.path()), 4);
        let archive = Archive::in_directory(objects.path()).unwrap();
        let blocks = BlockPolicy { large_bytes: 0 };
        let store = Store::open(&options, archive.clone(), blocks, Arc::new(SystemClock)).await.unwrap();
        let slug = TenantSlug::parse("one").unwrap();
        let CreateTenant::Created(tenant) = store.directory("test").create_tenant(&slug, "").await.unwrap()
        else {
            panic!("the slug is taken");
        };
        store.directory("test").erase_tenant(tenant.id).await.unwrap();
        let erased = SystemScope::for_tenant(tenant.id, "test");
        let (metrics, shutdown) = (Metrics::new().unwrap(), Shutdown::new());
        Self { store, archive, erased, metrics, shutdown, objects, _file: file }
    }

    async fn write(&self, deliveries: impl SpanDeliveries + 'static) -> Arbiter {
        let arbiter = Arbiter::new();
        let guardian = Guardian::new(Readiness::new(), self.shutdown.clone());
        let (store, metrics) = (self.store.clone(), self.metrics.clone());
        let limits = BatchLimits { spans: 100, shared_spans: 100, rest: false, bytes: 1 << 20 };
        let writer = guardian.guard("writer", &arbiter.handle(), move || {
            SpanWriter::new(store.clone(), Arc::new(EmbeddedEvents::new()), metrics.clone(), limits)
        });
        assert!(writer.running().await);
        tokio::spawn(consume(deliveries, self.store.clone(), DecodePool::of_this_machine().unwrap(), writer));
        arbiter
    }

    fn envelope(&self) -> Envelope {
        let bytes = request().project("p").spans([span(1, 1), span(1, 2)]).bytes();
        Envelope {
            scope: self.erased,
            project: None,
            request: validate_request(bytes).unwrap().request,
            gzip: None,
        }
    }

    /// Waits until the writer has let go of so many spans.
    async fn until_dropped(&self, spans: u64) {
        let line = format!(r#"bennu_ingest_spans_rejected_total{{reason="tenant_erased"}} {spans}"#);
        soon(async || self.metrics.render().contains(&line)).await;
    }

    async fn assert_nothing_is_left(&self) {
        let project = self.store.scoped(&self.erased).project_named("p").await.unwrap();
        assert_eq!(project, None);
        soon(async || files(self.objects.path()) == 0).await;
        self.shutdown.fire(0);
    }
}

/// Waits for what is sure to come.
async fn soon(is_so: impl AsyncFn() -> bool) {
    let waiting = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), waiting).await.expect("it never came");
}

fn files(directory: &std::path::Path) -> usize {
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| if path.is_dir() { files(&path) } else { 1 }).sum()
}

#[actix_web::test]
async fn within_a_process_they_are_acknowledged_and_dropped() {
    let bench = Bench::new().await;
    let (broker, deliveries) = embedded_span_broker(16);
    let arbiter = bench.write(deliveries).await;
    broker.publish(bench.envelope()).await.unwrap();
    bench.until_dropped(2).await;
    bench.assert_nothing_is_left().await;
    arbiter.stop();
}

#[actix_web::test]
async fn from_the_broker_they_are_taken_once_and_dropped_with_their_bodies() {
    let bench = Bench::new().await;
    let url = std::env::var(rabbitmq::URL_VARIABLE).expect("this test needs RabbitMQ: see `make test`");
    let prefix = format!("test-{:016x}", fastrand::u64(..));
    // Every body travels through the object store.
    let options = RabbitMqOptions { prefix, large_bytes: 1, ..RabbitMqOptions::new(url) };
    let broker = RabbitMq::connect(&options, "test", bench.archive.clone()).await.unwrap();
    broker.span_broker().publish(bench.envelope()).await.unwrap();
    assert_eq!(files(bench.objects.path()), 1);
    let arbiter = bench.write(broker.span_deliveries(std::future::pending()).await.unwrap()).await;
    bench.until_dropped(2).await;
    soon(async || broker.nothing_waits().await.unwrap()).await;
    bench.assert_nothing_is_left().await;
    arbiter.stop();
}
