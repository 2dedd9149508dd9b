//! A span that comes again changes nothing; the first one with its ids stays.

use bennu_domain::kind::StatusCode;
use bennu_store::WriteReport;
use bennu_testkit::otlp::{RequestBuilder, request, span};

use crate::support::{
    TestStore, at, every_session, every_span, every_trace, on_both_engines, span_id, trace_list,
};

on_both_engines!(
    a_batch_that_comes_twice_changes_nothing,
    a_span_twice_in_a_batch_is_stored_once,
    a_new_span_beside_repeated_ones_is_added_alone,
    a_repeated_span_with_other_content_changes_nothing,
    one_span_id_in_two_traces_is_two_spans,
);

fn batch() -> RequestBuilder {
    let spans = [
        span(1, 1).session("s").from_to(0, 100),
        span(1, 2).child_of(1).error().tokens(3, 4),
        span(2, 1).session("s").from_to(50, 400),
    ];
    request().project("demo").spans(spans)
}

async fn a_batch_that_comes_twice_changes_nothing(db: TestStore) {
    assert_eq!(db.write(batch()).await, WriteReport { inserted: 3, duplicates: 0, dropped: 0 });
    let project = db.project("demo").await;
    let counts = db.row_counts().await;
    let traces = every_trace(db.data(), trace_list(project)).await;
    let sessions = every_session(db.data(), project).await;

    assert_eq!(db.write(batch()).await, WriteReport { inserted: 0, duplicates: 3, dropped: 0 });
    assert_eq!(db.row_counts().await, counts);
    assert_eq!(every_trace(db.data(), trace_list(project)).await, traces);
    assert_eq!(every_session(db.data(), project).await, sessions);
    assert_eq!(db.number("SELECT sum(span_count) FROM traces").await, 3);
    assert_eq!(db.number("SELECT sum(error_count) FROM traces").await, 1);
}

async fn a_span_twice_in_a_batch_is_stored_once(db: TestStore) {
    let twice = batch().span(span(1, 2).named("again"));
    assert_eq!(db.write(twice).await, WriteReport { inserted: 3, duplicates: 1, dropped: 0 });
    let spans = every_span(db.data(), db.project("demo").await).await;
    assert!(spans.iter().all(|stored| stored.span.name == "span"));
    assert_eq!(db.number("SELECT sum(span_count) FROM trace_blocks").await, 3);
}

async fn a_new_span_beside_repeated_ones_is_added_alone(db: TestStore) {
    db.write(batch()).await;
    let more = batch().span(span(1, 3).tokens(10, 20));
    assert_eq!(db.write(more).await, WriteReport { inserted: 1, duplicates: 3, dropped: 0 });
    assert_eq!(db.number("SELECT span_count FROM traces WHERE prompt_tokens = 13").await, 3);
    // The second block holds nothing but the new span.
    assert_eq!(db.number("SELECT sum(span_count) FROM trace_blocks").await, 4);
    assert_eq!(every_span(db.data(), db.project("demo").await).await.len(), 4);
}

async fn a_repeated_span_with_other_content_changes_nothing(db: TestStore) {
    let first = span(1, 1).named("first").from_to(100, 200);
    db.write(request().project("demo").span(first)).await;
    let counts = db.row_counts().await;

    let other =
        span(1, 1).named("other").from_to(0, 900).status(StatusCode::Error, "x").tokens(5, 5).session("late");
    let report = db.write(request().project("elsewhere").span(other)).await;

    assert_eq!(report, WriteReport { inserted: 0, duplicates: 1, dropped: 0 });
    assert_eq!(db.row_counts().await, counts);
    let project = db.project("demo").await;
    assert_eq!(every_span(db.data(), project).await[0].span.name, "first");
    let trace = every_trace(db.data(), trace_list(project)).await.remove(0);
    assert_eq!((trace.start, trace.end), (at(100), at(200)));
}

async fn one_span_id_in_two_traces_is_two_spans(db: TestStore) {
    let report = db.write(request().spans([span(1, 1), span(2, 1)])).await;
    assert_eq!(report.inserted, 2);
    assert_eq!(db.data().span_rows_with_id(span_id(1)).await.unwrap().len(), 2);
}
