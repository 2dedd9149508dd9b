//! Several stores on one database write the same and overlapping traces at once, as writers in several processes do.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bennu_access::{SystemScope, TenantScope};
use bennu_domain::ids::TenantId;
use bennu_store::{PreparedSpan, Store};
use bennu_testkit::otlp::{request, span};
use futures::future::join_all;
use sea_orm::{ConnectionTrait as _, TransactionTrait as _};

use crate::support::{
    NOTHING_IS_LARGE, TestStore, at, every_session, every_span, every_trace, everything, on_both_engines,
    prepared, trace_list, write, write_until_stored,
};

on_both_engines!(
    overlapping_traces_end_as_if_written_by_one,
    new_projects_and_sessions_are_made_once,
    stores_that_open_at_once_agree_on_the_schema,
);

fn scope() -> TenantScope {
    SystemScope::for_tenant(TenantId::DEFAULT, "test")
}

async fn writers(db: &TestStore, count: usize) -> Vec<Store> {
    let mut stores = Vec::new();
    for _ in 0..count {
        stores.push(db.another(NOTHING_IS_LARGE).await);
    }
    stores
}

/// Each writer sends its batches in order; answers how many spans were inserted by all.
async fn write_at_once(db: &TestStore, batches: Vec<Vec<Vec<Arc<PreparedSpan>>>>) -> usize {
    let stores = writers(db, batches.len()).await;
    let writing = stores.into_iter().zip(batches).map(|(store, batches)| {
        tokio::spawn(async move {
            let mut inserted = 0;
            for batch in batches {
                inserted += write_until_stored(store.scoped(&scope()), &batch).await.inserted;
            }
            inserted
        })
    });
    join_all(writing).await.into_iter().map(Result::unwrap).sum()
}

/// 30 batches that each touch several traces; a span comes from every writer, in another company each time.
fn batches(writer: u64) -> Vec<Vec<Arc<PreparedSpan>>> {
    let batch = |number: u64| {
        let spans = (0..12).map(|place| {
            let id = 1 + (number * 7 + place * (writer + 3)) % 90;
            let sent = span(u128::from(id % 9 + 1), id).from_to(id as i64, 500 + id as i64).tokens(1, 2);
            let sent = if id.is_multiple_of(2) { sent.error() } else { sent };
            sent.session(if id % 9 < 4 { "one" } else { "two" })
        });
        prepared(request().project("p").spans(spans))
    };
    (0..30).map(|number| if writer.is_multiple_of(2) { batch(number) } else { batch(29 - number) }).collect()
}

async fn overlapping_traces_end_as_if_written_by_one(db: TestStore) {
    let sent: Vec<_> = (0..4).map(batches).collect();
    let all: Vec<Arc<PreparedSpan>> = sent.iter().flatten().flatten().cloned().collect();
    let distinct: BTreeSet<_> = all.iter().map(|span| (span.trace_id, span.span_id)).collect();

    let inserted = write_at_once(&db, sent).await;

    assert_eq!(inserted, distinct.len());
    assert_eq!(db.number("SELECT count(*) FROM spans").await, distinct.len() as i64);
    assert_eq!(db.number("SELECT sum(span_count) FROM traces").await, distinct.len() as i64);
    assert_eq!(db.number("SELECT sum(span_count) FROM trace_blocks").await, distinct.len() as i64);
    assert_eq!(db.number("SELECT sum(prompt_tokens) FROM traces").await, distinct.len() as i64);
    let alone = db.fresh_tenant();
    alone.write_spans(all).await.unwrap();
    assert_eq!(everything(db.data()).await, everything(alone).await);
}

async fn new_projects_and_sessions_are_made_once(db: TestStore) {
    // In opposite orders, which writers that lock as they go would not survive.
    let batch = |writer: u64, round: u64| {
        let mut numbers: Vec<u64> = (1..=8).collect();
        if writer == 1 {
            numbers.reverse();
        }
        let spans = numbers.into_iter().flat_map(|number| {
            let trace = u128::from(1 + writer + 2 * (number + 8 * round));
            let sent = span(trace, 1).session(&format!("session {round} {number}"));
            prepared(request().project(&format!("project {round} {number}")).span(sent))
        });
        spans.collect::<Vec<_>>()
    };
    let sent = (0..2).map(|writer| (0..20).map(|round| batch(writer, round)).collect()).collect();
    assert_eq!(write_at_once(&db, sent).await, 2 * 20 * 8);
    assert_eq!(db.row_counts().await, [160, 160, 320, 320, 320, 320]);
    for number in 1..=8 {
        let project = db.project(&format!("project 7 {number}")).await;
        assert_eq!(every_trace(db.data(), trace_list(project)).await.len(), 2);
        assert_eq!(every_session(db.data(), project).await[0].traces.len(), 2);
    }
}

/// Returns when the answer is 1.
async fn wait_for(db: &TestStore, sql: &str) {
    let waiting = async { while db.number(sql).await != 1 {} };
    tokio::time::timeout(Duration::from_secs(30), waiting).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_makes_the_same_session_has_written_all_else_before_it_waits_for_another() {
    let db = TestStore::postgres().await;
    db.write(request().project("p").span(span(1, 1))).await;
    let project = db.project("p").await;
    let other = db.raw().await;
    let transaction = other.begin().await.unwrap();
    let (tenant, row) = (TenantId::DEFAULT.0, 1_000);
    let (start, end) = (at(500).0, at(600).0);
    let session =
        format!("INSERT INTO sessions VALUES ({tenant}, {row}, {}, 's', {start}, {end})", project.0);
    transaction.execute_unprepared(&session).await.unwrap();

    let store = db.store.clone();
    let spans = [span(2, 1).from_to(400, 450).session("s"), span(3, 1).from_to(700, 750).session("t")];
    let batch = prepared(request().project("p").spans(spans));
    let writing = tokio::spawn(async move { store.scoped(&scope()).write_spans(batch).await });
    wait_for(
        &db,
        "SELECT count(*) FROM pg_stat_activity a JOIN pg_locks l ON l.pid = a.pid AND l.relation = 'spans'::regclass \
         AND l.mode = 'RowExclusiveLock' WHERE a.datname = current_database() AND a.wait_event_type = 'Lock'",
    )
    .await;
    transaction.commit().await.unwrap();

    assert_eq!(writing.await.unwrap().unwrap().inserted, 2);
    let sessions = every_session(db.data(), project).await;
    let found = sessions.iter().map(|one| (one.session_id.as_str(), one.traces.len(), one.start, one.end));
    let expected = [("t", 1, at(700), at(750)), ("s", 1, at(400), at(600))];
    assert_eq!(found.collect::<Vec<_>>(), expected);
    other.close().await.unwrap();
}

async fn stores_that_open_at_once_agree_on_the_schema(db: TestStore) {
    db.drop_every_table().await;
    let stores = join_all((0..4).map(|_| db.another(NOTHING_IS_LARGE))).await;
    for (store, number) in stores.iter().zip(1..) {
        write(store.scoped(&scope()), request().span(span(number, 1))).await.unwrap();
    }
    assert_eq!(every_span(db.data(), db.project("default").await).await.len(), 4);
}
