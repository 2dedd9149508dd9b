//! The compactor at work: what it does with blocks and objects when left alone.
#![allow(clippy::unwrap_used, clippy::expect_used)] // clippy knows only functions marked as tests, not their helpers

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use actix::Arbiter;
use bennu_access::{SystemScope, TenantScope};
use bennu_archive::Archive;
use bennu_domain::cost::PriceBook;
use bennu_domain::ids::{TenantId, TraceRowId};
use bennu_domain::otlp::validate_request;
use bennu_domain::time::{Clock as _, SystemClock};
use bennu_ingest::compact::{Compactor, Work};
use bennu_kit::actor::{Guarded, Guardian};
use bennu_kit::config::CompactionSettings;
use bennu_kit::lifecycle::{Readiness, Shutdown};
use bennu_kit::telemetry::Metrics;
use bennu_queue::{Envelope, Outcome, RabbitMq, RabbitMqOptions, SpanBroker as _, SpanDeliveries as _};
use bennu_store::{BlockPolicy, ConnectOptions, DatabaseLocation, PreparedSpan, Store};
use bennu_testkit::clock::ManualClock;
use bennu_testkit::databases::{self, SqliteFile};
use bennu_testkit::otlp::{EPOCH_MICROS, RequestBuilder, request, span, trace_id};
use bennu_testkit::servers::rabbitmq;
use bytes::Bytes;
use tempfile::TempDir;

const HOUR: Duration = Duration::from_hours(1);
const GRACE: Duration = Duration::from_hours(24);

/// A store with objects in a directory, and a compactor beside it.
struct Bench {
    store: Store,
    archive: Archive,
    clock: ManualClock,
    scope: TenantScope,
    metrics: Metrics,
    shutdown: Shutdown,
    settings: CompactionSettings,
    broker: Option<RabbitMq>,
    objects: TempDir,
    _file: SqliteFile,
}

impl Bench {
    async fn new(large_bytes: usize) -> Self {
        // Files carry the time of the machine, so the clock begins there.
        let clock = ManualClock::at(SystemClock.now());
        let (file, objects) = (databases::sqlite(), tempfile::tempdir().unwrap());
        let options = ConnectOptions::new(DatabaseLocation::SqliteFile(file.path()), 4);
        let archive = Archive::in_directory(objects.path()).unwrap();
        let blocks = BlockPolicy { large_bytes };
        let store = Store::open(&options, archive.clone(), blocks, Arc::new(clock.clone())).await.unwrap();
        let settings = CompactionSettings {
            idle: Duration::from_mins(5),
            batch: 10,
            traces_a_second: 1_000_000,
            block_bytes: 16 << 20,
            archive_after: None,
            sweep_every: HOUR,
            sweep_grace: GRACE,
        };
        let scope = SystemScope::for_tenant(TenantId::DEFAULT, "test");
        let (metrics, shutdown) = (Metrics::new().unwrap(), Shutdown::new());
        Self { store, archive, clock, scope, metrics, shutdown, settings, broker: None, objects, _file: file }
    }

    async fn compact(&self) -> (Guarded<Compactor>, Arbiter) {
        let arbiter = Arbiter::new();
        let (store, archive, broker) = (self.store.clone(), self.archive.clone(), self.broker.clone());
        let (clock, settings) = (self.clock.clone(), self.settings.clone());
        let (metrics, shutdown) = (self.metrics.compactor.clone(), self.shutdown.clone());
        let guardian = Guardian::new(Readiness::new(), self.shutdown.clone());
        let compactor = guardian.guard("compactor", &arbiter.handle(), move || {
            let clock = Arc::new(clock.clone());
            let (store, archive, broker) = (store.clone(), archive.clone(), broker.clone());
            let work = Work::new(store, archive, broker, clock, settings.clone(), metrics.clone());
            Compactor::new(work, shutdown.clone())
        });
        assert!(compactor.running().await);
        (compactor, arbiter)
    }

    async fn write(&self, request: RequestBuilder) {
        let request = validate_request(request.bytes()).unwrap().request;
        let prepared = PreparedSpan::from_request(request, None, &PriceBook::default()).unwrap();
        let prepared = prepared.into_iter().map(Arc::new).collect();
        self.store.scoped(&self.scope).write_spans(prepared).await.unwrap();
    }

    async fn export(&self, trace: u128) -> Option<Bytes> {
        let data = self.store.scoped(&self.scope);
        let row: TraceRowId = data.trace_row_with_id(trace_id(trace)).await.unwrap().unwrap();
        data.export_trace(row).await.unwrap()
    }

    /// A sample of the metrics.
    fn counted(&self, name: &str) -> u64 {
        let text = self.metrics.render();
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {name}")).parse().unwrap()
    }

    async fn until_counted(&self, name: &str, count: u64) {
        let waiting = async {
            while self.counted(name) < count {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(30), waiting).await;
        waited.unwrap_or_else(|_| panic!("{name} is {}, not {count}", self.counted(name)));
        assert_eq!(self.counted(name), count, "{name}");
    }

    /// Files below the directory, without it.
    fn objects(&self) -> Vec<String> {
        let (mut files, mut directories) = (Vec::new(), vec![self.objects.path().to_owned()]);
        while let Some(directory) = directories.pop() {
            for entry in std::fs::read_dir(directory).unwrap() {
                let path: PathBuf = entry.unwrap().path();
                let key = || path.strip_prefix(self.objects.path()).unwrap().to_str().unwrap().to_owned();
                if path.is_dir() { directories.push(path) } else { files.push(key()) }
            }
        }
        // With `#` in its name an object is still being put; the store renames it then.
        files.retain(|key| !key.starts_with("deployment") && !key.contains('#'));
        files.sort();
        files
    }
}

#[actix_web::test]
async fn idle_traces_are_merged_and_nothing_else_is_touched() {
    let bench = Bench::new(usize::MAX).await;
    for id in 1..=3 {
        bench.write(request().span(span(1, id))).await;
    }
    let exported = bench.export(1).await;
    let (compactor, arbiter) = bench.compact().await;
    bench.until_counted("bennu_sweep_rounds_total", 1).await;
    assert_eq!(bench.counted("bennu_compactor_traces_total"), 0, "the trace is not idle yet");
    assert_eq!(bench.counted("bennu_compactor_leads"), 1);
    bench.clock.advance(bench.settings.idle);
    bench.until_counted("bennu_compactor_blocks_merged_total", 2).await;
    assert_eq!(bench.counted("bennu_compactor_traces_total"), 1);
    assert_eq!(bench.export(1).await, exported);
    assert_eq!(bench.objects(), [] as [String; 0]);
    bench.shutdown.fire(0);
    compactor.ended().await;
    arbiter.stop();
}

#[actix_web::test]
async fn old_traces_go_to_the_object_store() {
    let mut bench = Bench::new(usize::MAX).await;
    bench.settings.archive_after = Some(Duration::from_hours(30 * 24));
    let old = bench.clock.now().0 - EPOCH_MICROS - 31 * 24 * 3_600_000_000;
    for (trace, start) in [(1, 0), (2, old), (3, old + 2 * 24 * 3_600_000_000)] {
        bench.write(request().span(span(trace, 1).from_to(start, start + 1_000))).await;
    }
    let exported = bench.export(2).await;
    let (_compactor, arbiter) = bench.compact().await;
    bench.until_counted("bennu_compactor_blocks_archived_total", 2).await;
    assert_eq!(bench.objects().len(), 2);
    assert_eq!(bench.export(2).await, exported);
    // The walk is made again and again: the third one becomes old.
    bench.clock.advance(Duration::from_hours(25));
    bench.until_counted("bennu_compactor_blocks_archived_total", 3).await;
    bench.shutdown.fire(0);
    arbiter.stop();
}

#[actix_web::test]
async fn the_sweep_takes_what_no_row_names_once_it_is_old() {
    let bench = Bench::new(0).await;
    bench.write(request().span(span(1, 1))).await;
    let named = bench.objects();
    assert_eq!(named.len(), 1);
    let put = async |key: &str| bench.archive.put(key, Bytes::from_static(b"left behind")).await.unwrap();
    // Put, and never committed; and things that are none of the sweep's business.
    put("tenants/1/blocks/orphan").await;
    put("tenants/7/blocks/of-another-tenant").await;
    put("tenants/1/envelopes/body").await;
    put("notes/of-the-operator").await;
    let all = bench.objects();
    let (_compactor, arbiter) = bench.compact().await;
    bench.until_counted("bennu_sweep_rounds_total", 1).await;
    assert_eq!(bench.objects(), all, "they may be under way");

    bench.clock.advance(GRACE + HOUR);
    bench.until_counted("bennu_sweep_rounds_total", 2).await;
    let mut left =
        ["notes/of-the-operator".to_owned(), "tenants/1/envelopes/body".to_owned(), named[0].clone()];
    left.sort();
    assert_eq!(bench.objects(), left);
    assert_eq!(bench.counted("bennu_sweep_deleted_total"), 2);
    assert_eq!(bench.counted("bennu_sweep_seen_total"), 8);
    assert!(bench.export(1).await.is_some());
    bench.shutdown.fire(0);
    arbiter.stop();
}

#[actix_web::test]
async fn the_objects_of_another_database_are_left_alone() {
    let (first, mut second) = (Bench::new(0).await, Bench::new(0).await);
    first.write(request().span(span(1, 1))).await;
    let (_compactor, arbiter) = first.compact().await;
    first.until_counted("bennu_sweep_rounds_total", 1).await;
    let objects = first.objects();
    assert_eq!(objects.len(), 1);
    // An empty database beside these objects.
    second.archive = first.archive.clone();
    second.clock.advance(GRACE + HOUR);
    let (_compactor, other_arbiter) = second.compact().await;
    second.until_counted("bennu_sweep_failures_total", 1).await;
    second.clock.advance(HOUR);
    second.until_counted("bennu_sweep_failures_total", 2).await;
    assert_eq!(second.counted("bennu_sweep_deleted_total"), 0);
    assert_eq!(first.objects(), objects);
    for (bench, arbiter) in [(first, arbiter), (second, other_arbiter)] {
        bench.shutdown.fire(0);
        arbiter.stop();
    }
}

#[actix_web::test]
async fn bodies_go_when_no_message_can_need_them_any_more() {
    let mut bench = Bench::new(usize::MAX).await;
    let url = std::env::var(rabbitmq::URL_VARIABLE).expect("this test needs RabbitMQ: see `make test`");
    let prefix = format!("test-{:016x}", fastrand::u64(..));
    let options = RabbitMqOptions { prefix, large_bytes: 1, ..RabbitMqOptions::new(url) };
    let broker = RabbitMq::connect(&options, "test", bench.archive.clone()).await.unwrap();
    bench.broker = Some(broker.clone());
    let request = validate_request(request().span(span(1, 1)).bytes()).unwrap().request;
    let envelope = Envelope { scope: bench.scope, project: None, request, gzip: None };
    broker.span_broker().publish(envelope).await.unwrap();
    let waiting = bench.objects();
    assert_eq!(waiting.len(), 1);
    bench.archive.put("tenants/1/envelopes/abandoned", Bytes::from_static(b"x")).await.unwrap();
    let all = bench.objects();

    // While a message waits, nobody knows which bodies are needed.
    let (_compactor, arbiter) = bench.compact().await;
    for sweep in 1..=3 {
        bench.until_counted("bennu_sweep_rounds_total", sweep).await;
        assert_eq!(bench.objects(), all);
        bench.clock.advance(GRACE + HOUR);
    }
    bench.until_counted("bennu_sweep_rounds_total", 4).await;

    // The message is stored, and its body goes at once; the other one after two sweeps that found nothing waiting.
    let mut deliveries = broker.span_deliveries(std::future::pending()).await.unwrap();
    let delivery = deliveries.next().await.unwrap();
    delivery.settlement.settle(Outcome::Stored);
    while bench.objects().len() > 1 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    bench.clock.advance(HOUR);
    bench.until_counted("bennu_sweep_rounds_total", 5).await;
    assert_eq!(bench.objects(), ["tenants/1/envelopes/abandoned"]);
    bench.clock.advance(HOUR);
    bench.until_counted("bennu_sweep_rounds_total", 6).await;
    assert_eq!(bench.objects(), [] as [String; 0]);
    bench.shutdown.fire(0);
    arbiter.stop();
}
