//! Lists of traces: order, cursors, and conditions.

use bennu_domain::ids::TraceId;
use bennu_domain::page::Order;
use bennu_store::{TraceList, TraceSort};
use bennu_testkit::otlp::{request, span};

use crate::support::{TestStore, at, every_trace, on_both_engines, span_id, trace_id, trace_list};

on_both_engines!(
    traces_come_by_start_or_by_latency_with_ties_in_order_of_arrival,
    a_page_says_whether_there_are_more,
    times_include_the_start_and_exclude_the_end,
    errors_and_latency_narrow_the_list,
    sessions_narrow_the_list,
    spans_come_by_their_start,
    a_trace_that_ends_before_it_starts_is_listed,
);

const BY_START: TraceSort = TraceSort::StartTime { after: None };
const BY_LATENCY: TraceSort = TraceSort::Latency { after: None };

/// Starts 0, 100, 100, 200 and latencies 700, 300, 700, 1.
async fn write_four(db: &TestStore) {
    let spans = [
        span(1, 1).from_to(0, 700),
        span(2, 1).from_to(100, 400).error().session("s"),
        span(3, 1).from_to(100, 800).session("t"),
        span(4, 1).from_to(200, 201),
    ];
    db.write(request().spans(spans)).await;
    db.write(request().project("other").span(span(9, 1).session("s"))).await;
}

async fn default_list(db: &TestStore) -> TraceList {
    trace_list(db.project("default").await)
}

async fn listed(db: &TestStore, list: TraceList) -> Vec<TraceId> {
    every_trace(db.data(), list).await.iter().map(|trace| trace.trace_id).collect()
}

fn ids<const N: usize>(numbers: [u128; N]) -> [TraceId; N] {
    numbers.map(trace_id)
}

async fn traces_come_by_start_or_by_latency_with_ties_in_order_of_arrival(db: TestStore) {
    write_four(&db).await;
    for limit in 1..=5 {
        let list = TraceList { limit, ..default_list(&db).await };
        let in_order = async |sort, order| listed(&db, TraceList { sort, order, ..list.clone() }).await;
        assert_eq!(in_order(BY_START, Order::Ascending).await, ids([1, 2, 3, 4]), "limit {limit}");
        assert_eq!(in_order(BY_START, Order::Descending).await, ids([4, 3, 2, 1]), "limit {limit}");
        assert_eq!(in_order(BY_LATENCY, Order::Ascending).await, ids([4, 2, 1, 3]), "limit {limit}");
        assert_eq!(in_order(BY_LATENCY, Order::Descending).await, ids([3, 1, 2, 4]), "limit {limit}");
    }
}

async fn a_page_says_whether_there_are_more(db: TestStore) {
    write_four(&db).await;
    let list = default_list(&db).await;
    let more = async |limit| {
        db.data().list_traces(&TraceList { limit, ..list.clone() }).await.unwrap().next.is_some()
    };
    assert!(more(3).await);
    assert!(!more(4).await);
}

async fn times_include_the_start_and_exclude_the_end(db: TestStore) {
    write_four(&db).await;
    let list = default_list(&db).await;
    assert_eq!(listed(&db, TraceList { start: Some(at(100)), ..list.clone() }).await, ids([2, 3, 4]));
    assert_eq!(listed(&db, TraceList { end: Some(at(100)), ..list.clone() }).await, ids([1]));
    assert_eq!(
        listed(&db, TraceList { start: Some(at(100)), end: Some(at(200)), ..list }).await,
        ids([2, 3])
    );
}

async fn errors_and_latency_narrow_the_list(db: TestStore) {
    write_four(&db).await;
    let list = default_list(&db).await;
    assert_eq!(listed(&db, TraceList { error: Some(true), ..list.clone() }).await, ids([2]));
    assert_eq!(listed(&db, TraceList { error: Some(false), ..list.clone() }).await, ids([1, 3, 4]));
    let latency =
        |min_latency_ms, max_latency_ms| TraceList { min_latency_ms, max_latency_ms, ..list.clone() };
    assert_eq!(listed(&db, latency(Some(0.7), None)).await, ids([1, 3]), "the bounds are inclusive");
    assert_eq!(listed(&db, latency(None, Some(0.3))).await, ids([2, 4]));
    assert_eq!(listed(&db, latency(Some(0.002), Some(0.699))).await, ids([2]));
    assert_eq!(listed(&db, latency(Some(f64::MAX), None)).await, []);
    assert_eq!(listed(&db, latency(Some(f64::MIN), Some(f64::INFINITY))).await.len(), 4);
}

async fn sessions_narrow_the_list(db: TestStore) {
    write_four(&db).await;
    let rows = db.data().session_rows(&["s".to_owned(), "t".to_owned(), "no such".to_owned()]).await.unwrap();
    assert_eq!(rows.len(), 2);
    let list = default_list(&db).await;
    let of = |sessions| TraceList { sessions: Some(sessions), ..list.clone() };
    assert_eq!(listed(&db, of(rows)).await, ids([2, 3]), "the trace of the other project is not in the list");
    assert_eq!(listed(&db, of(vec![])).await, []);
}

async fn spans_come_by_their_start(db: TestStore) {
    let spans =
        [span(1, 1).from_to(20, 30), span(1, 2).from_to(10, 30), span(2, 3), span(1, 4).from_to(10, 20)];
    db.write(request().spans(spans)).await;
    let list = TraceList { include_spans: true, ..default_list(&db).await };
    let traces = every_trace(db.data(), list).await;
    let spans: Vec<Vec<_>> = traces
        .into_iter()
        .map(|trace| trace.spans.unwrap().iter().map(|span| span.span_id).collect())
        .collect();
    assert_eq!(spans, [vec![span_id(3)], vec![span_id(2), span_id(4), span_id(1)]]);
}

/// A sender that leaves out the end time sends 0.
async fn a_trace_that_ends_before_it_starts_is_listed(db: TestStore) {
    db.write(request().spans([span(1, 1).from_to(500, 100), span(2, 1).from_to(500, 600)])).await;
    let by_latency = TraceList { sort: BY_LATENCY, limit: 1, ..default_list(&db).await };
    assert_eq!(listed(&db, by_latency).await, ids([1, 2]));
}
