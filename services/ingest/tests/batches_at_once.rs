//! The writer on Postgres, which writes several batches at once: of the same traces and the same session.
#![allow(clippy::unwrap_used, clippy::expect_used)] // clippy knows only functions marked as tests, not their helpers

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use actix::Arbiter;
use bennu_access::{SystemScope, TenantScope};
use bennu_archive::Archive;
use bennu_domain::ids::TenantId;
use bennu_domain::otlp::validate_request;
use bennu_domain::page::Order;
use bennu_domain::time::SystemClock;
use bennu_ingest::DecodePool;
use bennu_ingest::write::{BatchLimits, SpanWriter, consume};
use bennu_kit::actor::Guardian;
use bennu_kit::lifecycle::{Readiness, Shutdown};
use bennu_kit::telemetry::Metrics;
use bennu_queue::{EmbeddedEvents, Envelope, SpanBroker as _, embedded_span_broker};
use bennu_store::{BlockPolicy, ConnectOptions, DatabaseLocation, Store};
use bennu_testkit::databases;
use bennu_testkit::otlp::{request, span};
use futures::future::join_all;
use tempfile::TempDir;

/// Batches of a request or two, so that many are written beside each other.
const LIMITS: BatchLimits = BatchLimits { spans: 8, shared_spans: 8, rest: false, bytes: 1 << 20 };
const REQUESTS: u64 = 120;
const TRACES: u64 = 5;
const DISTINCT_SPANS: u64 = 90;

async fn store(objects: &TempDir) -> Store {
    let options = ConnectOptions::new(DatabaseLocation::Postgres(databases::postgres().await), 4);
    let archive = Archive::in_directory(objects.path()).unwrap();
    let blocks = BlockPolicy { large_bytes: usize::MAX };
    Store::open(&options, archive, blocks, Arc::new(SystemClock)).await.unwrap()
}

fn scope() -> TenantScope {
    SystemScope::for_tenant(TenantId::DEFAULT, "test")
}

/// Six spans of several traces, all in one session; most come again in other requests, in other company.
fn envelope(number: u64) -> Envelope {
    let spans = (0..6).map(|place| {
        let id = 1 + (number * 7 + place * (3 + number % 4)) % DISTINCT_SPANS;
        let sent = span(u128::from(1 + id % TRACES), id);
        sent.from_to(id.cast_signed(), 500 + id.cast_signed()).tokens(1, 2).session("all of them")
    });
    let request = validate_request(request().project("p").spans(spans).bytes()).unwrap().request;
    Envelope { scope: scope(), project: None, request, gzip: None }
}

#[actix_web::test]
async fn nothing_is_lost_and_nothing_is_there_twice() {
    let objects = tempfile::tempdir().unwrap();
    let (store, metrics, shutdown) = (store(&objects).await, Metrics::new().unwrap(), Shutdown::new());
    let (broker, deliveries) = embedded_span_broker(usize::try_from(REQUESTS).unwrap());
    let arbiter = Arbiter::new();
    let writer = Guardian::new(Readiness::new(), shutdown.clone()).guard("writer", &arbiter.handle(), {
        let (store, metrics) = (store.clone(), metrics.clone());
        move || SpanWriter::new(store.clone(), Arc::new(EmbeddedEvents::new()), metrics.clone(), LIMITS)
    });
    assert!(writer.running().await);
    tokio::spawn(consume(deliveries, store.clone(), DecodePool::of_this_machine().unwrap(), writer));

    let publishing = join_all((0..REQUESTS).map(|number| broker.publish(envelope(number))));
    let published = tokio::time::timeout(Duration::from_mins(1), publishing).await.unwrap();

    assert!(published.iter().all(Result::is_ok), "{published:?}");
    let scope = scope();
    let data = store.scoped(&scope);
    let project = data.project_named("p").await.unwrap().unwrap().id;
    let sessions = data.list_sessions(project, None, Order::Ascending, None, 10).await.unwrap().items;
    let [session] = sessions.as_slice() else { panic!("{sessions:?}") };
    assert_eq!(session.traces.iter().map(|trace| trace.trace_id).collect::<BTreeSet<_>>().len(), 5);
    let sent = DISTINCT_SPANS.cast_signed();
    assert_eq!((session.tokens.prompt, session.tokens.completion), (sent, 2 * sent));
    let stored = 6 * REQUESTS - DISTINCT_SPANS;
    let duplicates = format!("bennu_ingest_spans_duplicate_total {stored}\n");
    assert!(metrics.render().contains(&duplicates), "{}", metrics.render());
    shutdown.fire(0);
    arbiter.stop();
}
