//! Two writers, somebody who deletes, readers and compactors, all on the same traces at once.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bennu_access::{SystemScope, TenantScope};
use bennu_domain::ids::{SpanId, TenantId};
use bennu_domain::time::Timestamp;
use bennu_store::{CompactionPolicy, DatabaseLocation, PreparedSpan, Store};
use bennu_testkit::otlp::{request, span};
use tokio::task::JoinSet;

use crate::support::{
    NOTHING_IS_LARGE, TestStore, every_span, everything, on_both_engines, prepared, span_id, span_ids,
    trace_id, write, write_until_stored,
};

on_both_engines!(nothing_is_lost_between_writers_deletes_readers_and_compactors, one_process_leads_at_a_time,);

const TRACES: u64 = 4;
const BATCHES: u64 = 40;
const SPANS_A_BATCH: u64 = 3;
const STILL: std::ops::RangeInclusive<u64> = 101..=125;
const STILL_BLOCKS: u64 = 4;

fn scope() -> TenantScope {
    SystemScope::for_tenant(TenantId::DEFAULT, "test")
}

/// Several processes on Postgres; on SQLite there is one, in which everybody waits for the one writing connection.
async fn beside(db: &TestStore) -> Store {
    match db.location {
        DatabaseLocation::Postgres(_) => db.another(NOTHING_IS_LARGE).await,
        _ => db.store.clone(),
    }
}

/// Of each writer its own spans, on the traces of both; every third batch brings a newer version of the first span.
fn batch(writer: u64, number: u64) -> Vec<Arc<PreparedSpan>> {
    let ids = (0..SPANS_A_BATCH).map(|place| 1 + writer * 10_000 + number * SPANS_A_BATCH + place);
    let spans = ids.map(|id| {
        let sent = span(u128::from(id % TRACES + 1), id).named(format!("span {id}"));
        if id % 5 == 0 { sent.unended() } else { sent }
    });
    let again = (number % 3 == 2).then(|| {
        let id = 1 + writer * 10_000 + (number - 2) * SPANS_A_BATCH;
        span(u128::from(id % TRACES + 1), id).named(format!("span {id}"))
    });
    prepared(request().project("p").spans(spans.chain(again)))
}

async fn nothing_is_lost_between_writers_deletes_readers_and_compactors(db: TestStore) {
    // Traces that nobody touches any more but the compactors: readers always find all of them.
    for place in 0..STILL_BLOCKS {
        let spans = STILL.map(|trace| span(trace.into(), 90_000 + trace * STILL_BLOCKS + place));
        db.write(request().project("still").spans(spans)).await;
    }
    let still = db.project("still").await;
    let mut exports = Vec::new();
    for trace in STILL {
        let row = db.data().trace_row_with_id(trace_id(trace.into())).await.unwrap().unwrap();
        exports.push((row, db.data().export_trace(row).await.unwrap().unwrap()));
    }
    write(db.data(), request().project("p").span(span(1, 80_000))).await.unwrap();

    let busy = Arc::new(AtomicUsize::new(2));
    let mut tasks = JoinSet::new();
    for writer in 0..2 {
        let (store, busy) = (beside(&db).await, Arc::clone(&busy));
        tasks.spawn(async move {
            for number in 0..BATCHES {
                write_until_stored(store.scoped(&scope()), &batch(writer, number)).await;
                if number % 8 == 7 {
                    delete(&store, deleted(writer, number)).await;
                }
            }
            busy.fetch_sub(1, Ordering::SeqCst);
        });
    }
    for archives in [false, true] {
        let (store, busy) = (beside(&db).await, Arc::clone(&busy));
        tasks.spawn(async move {
            // One trace after the other becomes an object; those of the writers as well, but for some.
            let mut old = STILL.chain([1, 2]).filter(|_| archives);
            while busy.load(Ordering::SeqCst) > 0 {
                compact_some(&store, old.next()).await;
            }
        });
    }
    let (mut turns, blocks) = (exports.iter().cycle(), usize::try_from(STILL_BLOCKS).unwrap());
    while busy.load(Ordering::SeqCst) > 0 {
        assert_eq!(every_span(db.data(), still).await.len(), exports.len() * blocks);
        for (row, exported) in turns.by_ref().take(5) {
            assert_eq!(db.data().export_trace(*row).await.unwrap().as_ref(), Some(exported));
        }
        every_span(db.data(), db.project("p").await).await;
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }

    let mut expected: BTreeSet<SpanId> = BTreeSet::from([span_id(80_000)]);
    let alone = db.fresh_tenant();
    write(alone, request().project("p").span(span(1, 80_000))).await.unwrap();
    for writer in 0..2 {
        for number in 0..BATCHES {
            let sent = batch(writer, number);
            expected.extend(sent.iter().map(|span| span.span_id));
            write_until_stored(alone, &sent).await;
        }
    }
    for (writer, number) in
        (0..2).flat_map(|writer| (7..BATCHES).step_by(8).map(move |number| (writer, number)))
    {
        let id = span_id(deleted(writer, number));
        expected.remove(&id);
        for row in alone.span_rows_with_id(id).await.unwrap() {
            alone.delete_span(row).await.unwrap();
        }
    }
    while !db.store.due_traces(Timestamp(i64::MAX), 1).await.unwrap().is_empty() {
        compact_some(&db.store, None).await;
    }
    let stored = every_span(db.data(), db.project("p").await).await;
    assert_eq!(stored.len(), expected.len());
    assert_eq!(span_ids(&stored).into_iter().collect::<BTreeSet<_>>(), expected);
    let ours: Vec<_> =
        everything(db.data()).await.into_iter().filter(|project| project.name == "p").collect();
    assert_eq!(ours, everything(alone).await);
    // Every block holds the spans that point at it, and every object is named by a row.
    let wrong = "SELECT count(*) FROM trace_blocks b LEFT JOIN (SELECT block_id, count(*) AS spans FROM spans \
                 GROUP BY block_id) s ON s.block_id = b.id WHERE s.spans IS NULL OR b.span_count <> s.spans";
    assert_eq!(db.number(wrong).await, 0);
    let named = db.number("SELECT count(*) FROM trace_blocks WHERE object_key IS NOT NULL").await;
    assert_eq!(db.objects().len(), usize::try_from(named).unwrap());
}

/// A span of the batch that is never sent again.
fn deleted(writer: u64, number: u64) -> u64 {
    1 + writer * 10_000 + number * SPANS_A_BATCH + 1
}

async fn delete(store: &Store, id: u64) {
    let data = store.scoped(&scope());
    for row in data.span_rows_with_id(span_id(id)).await.unwrap() {
        assert!(data.delete_span(row).await.unwrap());
    }
}

/// A few of the traces that are due, and one that is old.
async fn compact_some(store: &Store, old: Option<u64>) {
    let policy = CompactionPolicy { idle: Duration::ZERO, most_bytes: 16 << 20 };
    let due = store.due_traces(Timestamp(i64::MAX), 3).await.unwrap();
    let mut traces: Vec<_> = due.into_iter().map(|due| (due.scope, due.trace, false)).collect();
    if let Some(old) = old {
        let row = store.scoped(&scope()).trace_row_with_id(trace_id(old.into())).await.unwrap();
        traces.extend(row.map(|row| (scope(), row, true)));
    }
    for (scope, trace, old) in traces {
        if let Err(error) = store.scoped(&scope).compact_trace(trace, policy, old).await {
            assert!(error.is_transient(), "{error}");
        }
    }
}

async fn one_process_leads_at_a_time(db: TestStore) {
    let other = db.another(NOTHING_IS_LARGE).await;
    let leads = db.store.try_to_lead().await.unwrap();
    assert!(leads.is_some());
    let follows = other.try_to_lead().await.unwrap();
    // A SQLite file has one process only.
    assert_eq!(follows.is_none(), matches!(db.location, DatabaseLocation::Postgres(_)));
    drop((leads, follows));
    let follower_leads = async {
        while other.try_to_lead().await.unwrap().is_none() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), follower_leads).await.unwrap();
}
