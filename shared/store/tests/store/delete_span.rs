//! One span is deleted: the rest of its trace and of its block stays as it was.

use std::sync::atomic::{AtomicBool, Ordering};

use bennu_domain::ids::SpanRowId;
use bennu_domain::span::TokenCounts;
use bennu_testkit::otlp::{request, span};
use futures::future::join_all;
use opentelemetry_proto::tonic::trace::v1::TracesData;
use prost::Message as _;

use crate::support::{
    EVERYTHING_IS_LARGE, TestStore, every_session, every_span, every_trace, on_both_engines, span_id,
    span_ids, trace_id, trace_list,
};

on_both_engines!(
    children_of_a_deleted_span_stay,
    the_sums_of_its_trace_shrink,
    the_other_spans_of_its_block_can_be_read,
    the_last_span_takes_the_trace_with_it,
    a_deleted_span_may_come_again,
    a_span_that_is_not_there_is_not_deleted,
    one_span_deleted_many_times_at_once_is_deleted_once,
    spans_of_one_block_deleted_at_once_are_all_gone,
    a_list_that_is_read_meanwhile_does_not_fail,
);

async fn row(db: &TestStore, id: u64) -> SpanRowId {
    db.data().span_rows_with_id(span_id(id)).await.unwrap()[0]
}

async fn delete(db: &TestStore, id: u64) {
    let row = row(db, id).await;
    assert!(db.data().delete_span(row).await.unwrap());
}

async fn children_of_a_deleted_span_stay(db: TestStore) {
    db.write(request().spans([span(1, 1), span(1, 2).child_of(1), span(1, 3).child_of(2)])).await;
    delete(&db, 2).await;
    let left = every_span(db.data(), db.project("default").await).await;
    assert_eq!(span_ids(&left), [span_id(1), span_id(3)]);
    assert_eq!(left[1].span.parent_id, Some(span_id(2)));
}

async fn the_sums_of_its_trace_shrink(db: TestStore) {
    let spans = [
        span(1, 1).from_to(0, 900).error().tokens(1, 2),
        span(1, 2).tokens(10, 20),
        span(2, 1).error().tokens(5, 5),
    ];
    db.write(request().spans(spans)).await;
    let before = every_trace(db.data(), trace_list(db.project("default").await)).await;
    let first = before.iter().find(|trace| trace.trace_id == trace_id(1)).unwrap();
    assert_eq!(first.tokens, TokenCounts { prompt: 11, completion: 22 });
    let failed = every_span(db.data(), db.project("default").await).await[0].id;
    assert!(db.data().delete_span(failed).await.unwrap());

    let after = every_trace(db.data(), trace_list(db.project("default").await)).await;
    let first = after.iter().find(|trace| trace.trace_id == trace_id(1)).unwrap();
    assert_eq!(first.tokens, TokenCounts { prompt: 10, completion: 20 });
    assert_eq!(db.number("SELECT sum(error_count) FROM traces").await, 1);
    assert_eq!(db.number("SELECT sum(span_count) FROM traces").await, 2);
    assert_eq!(db.number("SELECT sum(span_count) FROM trace_blocks").await, 2);
    assert_eq!(before.len(), after.len());
}

async fn the_other_spans_of_its_block_can_be_read(db: TestStore) {
    let first = request().resource_attribute("service.name", "one").spans([span(1, 1), span(1, 2)]);
    let second = request().resource_attribute("service.name", "two").span(span(1, 3).attribute("a", "b"));
    let spans = [crate::support::prepared(first), crate::support::prepared(second)].concat();
    db.data().write_spans(spans).await.unwrap();
    delete(&db, 1).await;
    delete(&db, 2).await;

    let left = every_span(db.data(), db.project("default").await).await;
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].span.attributes["a"], "b");
    let trace = db.data().trace_row_with_id(trace_id(1)).await.unwrap().unwrap();
    let exported = TracesData::decode(db.data().export_trace(trace).await.unwrap().unwrap()).unwrap();
    let sent = request().resource_attribute("service.name", "two").span(span(1, 3).attribute("a", "b"));
    assert_eq!(exported.resource_spans, sent.build().resource_spans);
}

async fn the_last_span_takes_the_trace_with_it(db: TestStore) {
    db.write(request().spans([span(1, 1).session("s"), span(1, 2)])).await;
    db.write(request().span(span(1, 3))).await;
    for id in 1..=3 {
        delete(&db, id).await;
    }
    assert_eq!(db.row_counts().await, [1, 1, 0, 0, 0, 0], "project and session stay");
    let session = every_session(db.data(), db.project("default").await).await.remove(0);
    assert_eq!(session.traces, []);
}

async fn a_deleted_span_may_come_again(db: TestStore) {
    db.write(request().spans([span(1, 1), span(1, 2)])).await;
    let old = row(&db, 2).await;
    delete(&db, 2).await;
    assert_eq!(db.write(request().span(span(1, 2).named("again"))).await.inserted, 1);
    assert!(row(&db, 2).await > old);
    let spans = every_span(db.data(), db.project("default").await).await;
    assert_eq!(spans[1].span.name, "again");
}

async fn a_span_that_is_not_there_is_not_deleted(db: TestStore) {
    db.write(request().span(span(1, 1))).await;
    let missing = SpanRowId(row(&db, 1).await.0 + 1);
    assert!(!db.data().delete_span(missing).await.unwrap());
    assert_eq!(db.row_counts().await, [1, 0, 1, 1, 1, 1]);
}

async fn one_span_deleted_many_times_at_once_is_deleted_once(db: TestStore) {
    db.write(request().spans((1..=20).map(|id| span(1, id).tokens(10, 1)))).await;
    let spans = every_span(db.data(), db.project("default").await).await;
    for stored in &spans[..15] {
        let outcomes = join_all((0..4).map(|_| db.data().delete_span(stored.id))).await;
        let deleted = outcomes.into_iter().map(Result::unwrap).filter(|deleted| *deleted).count();
        assert_eq!(deleted, 1);
    }
    assert_eq!(db.number("SELECT span_count FROM traces").await, 5);
    assert_eq!(db.number("SELECT prompt_tokens FROM traces").await, 50);
    assert_eq!(every_span(db.data(), db.project("default").await).await.len(), 5);
}

async fn spans_of_one_block_deleted_at_once_are_all_gone(db: TestStore) {
    db.write(request().spans((1..=6).map(|id| span(1, id)))).await;
    let spans = every_span(db.data(), db.project("default").await).await;
    let outcomes = join_all(spans[1..].iter().map(|stored| db.data().delete_span(stored.id))).await;
    assert!(outcomes.into_iter().all(Result::unwrap));
    assert_eq!(db.number("SELECT span_count FROM traces").await, 1);
    assert_eq!(db.number("SELECT span_count FROM trace_blocks").await, 1);
    assert_eq!(span_ids(&every_span(db.data(), db.project("default").await).await), [span_id(1)]);
}

/// Rows are read before their blocks; in between, others may delete.
async fn a_list_that_is_read_meanwhile_does_not_fail(db: TestStore) {
    let db = db.with_blocks(EVERYTHING_IS_LARGE).await;
    let spans = (1..=60).map(|id| span(u128::from(id / 6 + 1), id));
    db.write(request().spans(spans)).await;
    let project = db.project("default").await;
    let rows: Vec<SpanRowId> = every_span(db.data(), project).await.iter().map(|stored| stored.id).collect();
    let done = AtomicBool::new(false);
    let deleting = async {
        for row in &rows[1..] {
            assert!(db.data().delete_span(*row).await.unwrap());
        }
        done.store(true, Ordering::SeqCst);
    };
    let reading = async {
        while !done.load(Ordering::SeqCst) {
            every_span(db.data(), project).await;
            if let Some(trace) = db.data().trace_row_with_id(trace_id(5)).await.unwrap() {
                db.data().export_trace(trace).await.unwrap();
            }
        }
    };
    futures::join!(deleting, reading);
    assert_eq!(every_span(db.data(), project).await.len(), 1);
}
