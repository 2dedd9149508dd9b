//! What a trace's row tells of its spans.

use bennu_domain::kind::SpanKind;
use bennu_domain::span::TokenCounts;
use bennu_store::{Trace, TraceList};
use bennu_testkit::otlp::{request, span};

use crate::support::{TestStore, at, every_trace, on_both_engines, trace_list};

on_both_engines!(
    a_trace_spans_its_spans,
    errors_are_counted,
    tokens_of_llm_spans_are_added_up,
    token_counts_beyond_reason_do_not_break_the_trace,
    spans_in_short_come_with_the_trace,
);

async fn only_trace(db: &TestStore) -> Trace {
    let list = TraceList { include_spans: true, ..trace_list(db.project("default").await) };
    let mut traces = every_trace(db.data(), list).await;
    assert_eq!(traces.len(), 1);
    traces.remove(0)
}

async fn a_trace_spans_its_spans(db: TestStore) {
    db.write(request().spans([span(1, 1).from_to(500, 800), span(1, 2).from_to(600, 700)])).await;
    db.write(request().spans([span(1, 3).from_to(100, 300), span(1, 4).from_to(700, 2_100)])).await;
    let trace = only_trace(&db).await;
    assert_eq!((trace.start, trace.end), (at(100), at(2_100)));
    assert!((trace.latency_ms() - 2.0).abs() < f64::EPSILON);
}

async fn errors_are_counted(db: TestStore) {
    db.write(request().spans([span(1, 1).error(), span(1, 2)])).await;
    db.write(request().spans([span(1, 3).error(), span(2, 1)])).await;
    assert_eq!(db.number("SELECT max(error_count) FROM traces").await, 2);
    assert_eq!(db.number("SELECT min(error_count) FROM traces").await, 0);
}

async fn tokens_of_llm_spans_are_added_up(db: TestStore) {
    let tool = span(1, 3).kind(SpanKind::Tool).attribute("llm.token_count.prompt", 1_000);
    db.write(request().spans([span(1, 1).tokens(5, 7), tool])).await;
    db.write(request().span(span(1, 2).tokens(10, 0))).await;
    assert_eq!(only_trace(&db).await.tokens, TokenCounts { prompt: 15, completion: 7 });
}

async fn token_counts_beyond_reason_do_not_break_the_trace(db: TestStore) {
    for id in 1..=3 {
        db.write(request().span(span(1, id).session("s").tokens(i64::MAX, i64::MIN))).await;
    }
    assert_eq!(only_trace(&db).await.spans.unwrap().len(), 3);
    let project = db.project("default").await;
    assert_eq!(crate::support::every_session(db.data(), project).await.len(), 1);
    for row in db.data().span_rows_with_id(crate::support::span_id(2)).await.unwrap() {
        assert!(db.data().delete_span(row).await.unwrap());
    }
    assert_eq!(only_trace(&db).await.spans.unwrap().len(), 2);
}

async fn spans_in_short_come_with_the_trace(db: TestStore) {
    let long = "a long name ".repeat(100);
    let spans =
        [span(1, 1).from_to(0, 10).named(&long), span(1, 2).from_to(5, 6).child_of(1).named("a\0b").error()];
    db.write(request().spans(spans)).await;
    let spans = only_trace(&db).await.spans.unwrap();
    let names: Vec<&str> = spans.iter().map(|span| span.name.as_str()).collect();
    assert_eq!(names, [long.as_str(), "a\0b"]);
    assert_eq!((spans[1].parent_id, spans[1].start, spans[1].end), (Some(spans[0].span_id), at(5), at(6)));
}
