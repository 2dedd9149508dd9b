//! Every condition of a span filter, one at a time. That they hold together is checked in `narrowing.rs`.

use bennu_domain::kind::{SpanKind, StatusCode};
use bennu_domain::span_filter::{AttributeMatch, ParentFilter, SpanFilter};
use bennu_testkit::otlp::{SpanBuilder, request, span};
use serde_json::{Value, json};

use crate::support::{NO_SPANS, TestStore, at, matching, on_both_engines, span_id, trace_id};

on_both_engines!(
    without_conditions_every_span_of_the_project_matches,
    ids_match_any_of_those_given,
    an_empty_list_matches_nothing,
    names_match_whole_and_exactly,
    names_longer_than_their_row_are_told_apart,
    kinds_and_statuses_match_any_of_those_given,
    parents_match,
    times_include_the_start_and_exclude_the_end,
    attributes_match_by_type,
    attributes_are_joined_by_and,
);

fn all() -> SpanFilter {
    SpanFilter::default()
}

async fn write(db: &TestStore, spans: impl IntoIterator<Item = SpanBuilder>) {
    db.write(request().spans(spans)).await;
}

async fn without_conditions_every_span_of_the_project_matches(db: TestStore) {
    write(&db, [span(1, 1), span(2, 2), span(1, 3)]).await;
    db.write(request().project("other").span(span(3, 9))).await;
    assert_eq!(matching(&db, all()).await, [1, 2, 3]);
}

async fn ids_match_any_of_those_given(db: TestStore) {
    write(&db, [span(1, 1), span(1, 2), span(2, 3), span(3, 4)]).await;
    db.write(request().project("other").span(span(9, 1))).await;
    let traces = |numbers: &[u128]| SpanFilter {
        trace_ids: Some(numbers.iter().copied().map(trace_id).collect()),
        ..all()
    };
    let spans = |numbers: &[u64]| SpanFilter {
        span_ids: Some(numbers.iter().copied().map(span_id).collect()),
        ..all()
    };
    assert_eq!(matching(&db, traces(&[1, 3])).await, [1, 2, 4]);
    assert_eq!(matching(&db, traces(&[77])).await, NO_SPANS);
    assert_eq!(matching(&db, traces(&[9])).await, NO_SPANS, "a trace of another project");
    assert_eq!(matching(&db, spans(&[4, 1, 77])).await, [1, 4]);
    let both = SpanFilter { span_ids: Some(vec![span_id(2), span_id(3)]), ..traces(&[1]) };
    assert_eq!(matching(&db, both).await, [2]);
}

async fn an_empty_list_matches_nothing(db: TestStore) {
    write(&db, [span(1, 1)]).await;
    assert_eq!(matching(&db, SpanFilter { trace_ids: Some(vec![]), ..all() }).await, NO_SPANS);
    assert_eq!(matching(&db, SpanFilter { span_ids: Some(vec![]), ..all() }).await, NO_SPANS);
    assert_eq!(matching(&db, SpanFilter { names: Some(vec![]), ..all() }).await, NO_SPANS);
    assert_eq!(matching(&db, SpanFilter { kinds: Some(vec![]), ..all() }).await, NO_SPANS);
    assert_eq!(matching(&db, SpanFilter { statuses: Some(vec![]), ..all() }).await, NO_SPANS);
}

fn named(name: &str) -> SpanFilter {
    SpanFilter { names: Some(vec![name.to_owned()]), ..all() }
}

async fn names_match_whole_and_exactly(db: TestStore) {
    write(
        &db,
        [span(1, 1).named("chat"), span(1, 2).named("Chat"), span(1, 3).named("chat "), span(1, 4).named("")],
    )
    .await;
    assert_eq!(matching(&db, named("chat")).await, [1]);
    assert_eq!(matching(&db, named("")).await, [4]);
    let two =
        SpanFilter { names: Some(vec!["Chat".to_owned(), "chat ".to_owned(), "x".to_owned()]), ..all() };
    assert_eq!(matching(&db, two).await, [2, 3]);
}

async fn names_longer_than_their_row_are_told_apart(db: TestStore) {
    let base = "ä".repeat(128); // 256 bytes
    let names = [
        base.clone(),
        format!("{base}x"),
        format!("{base}y"),
        format!("x{base}"),
        "nul\0".to_owned(),
        "nul\u{FFFD}".to_owned(),
    ];
    write(&db, names.iter().zip(1..).map(|(name, id)| span(1, id).named(name))).await;
    for (name, id) in names.iter().zip(1..) {
        assert_eq!(matching(&db, named(name)).await, [id], "{name:?}");
    }
}

async fn kinds_and_statuses_match_any_of_those_given(db: TestStore) {
    let spans = [
        span(1, 1).kind(SpanKind::Llm).status(StatusCode::Ok, ""),
        span(1, 2).attribute("openinference.span.kind", "tool").error(),
        span(1, 3).attribute("openinference.span.kind", "wizard"),
    ];
    write(&db, spans).await;
    let kinds = |kinds: &[SpanKind]| SpanFilter { kinds: Some(kinds.to_vec()), ..all() };
    assert_eq!(matching(&db, kinds(&[SpanKind::Llm, SpanKind::Tool])).await, [1, 2]);
    assert_eq!(matching(&db, kinds(&[SpanKind::Unknown])).await, [3]);
    let statuses = |statuses: &[StatusCode]| SpanFilter { statuses: Some(statuses.to_vec()), ..all() };
    assert_eq!(matching(&db, statuses(&[StatusCode::Error])).await, [2]);
    assert_eq!(matching(&db, statuses(&[StatusCode::Ok, StatusCode::Unset])).await, [1, 3]);
}

async fn parents_match(db: TestStore) {
    write(&db, [span(1, 1), span(1, 2).child_of(1), span(1, 3).child_of(2), span(2, 4).child_of(1)]).await;
    let parent = |parent| SpanFilter { parent, ..all() };
    assert_eq!(matching(&db, parent(ParentFilter::Any)).await, [1, 2, 3, 4]);
    assert_eq!(matching(&db, parent(ParentFilter::Root)).await, [1]);
    assert_eq!(matching(&db, parent(ParentFilter::Of(span_id(1)))).await, [2, 4]);
    assert_eq!(matching(&db, parent(ParentFilter::Nothing)).await, NO_SPANS);
}

async fn times_include_the_start_and_exclude_the_end(db: TestStore) {
    write(&db, [span(1, 1).from_to(10, 99), span(1, 2).from_to(20, 99), span(1, 3).from_to(30, 99)]).await;
    assert_eq!(matching(&db, SpanFilter { start: Some(at(20)), ..all() }).await, [2, 3]);
    assert_eq!(matching(&db, SpanFilter { end: Some(at(20)), ..all() }).await, [1]);
    assert_eq!(matching(&db, SpanFilter { start: Some(at(11)), end: Some(at(30)), ..all() }).await, [2]);
}

fn attributes<const N: usize>(wanted: [(&str, Value); N]) -> SpanFilter {
    let matches = wanted.map(|(path, value)| AttributeMatch { path: path.to_owned(), value });
    SpanFilter { attributes: matches.to_vec(), ..all() }
}

async fn attributes_match_by_type(db: TestStore) {
    let values = [
        json!("1"),
        json!(1),
        json!(1.5),
        json!(true),
        json!(false),
        json!("true"),
        json!(-7),
        json!(0.0),
        json!(""),
    ];
    write(&db, values.iter().zip(1..).map(|(value, id)| span(1, id).attribute("a.b", value.clone()))).await;
    for (value, id) in values.into_iter().zip(1..) {
        assert_eq!(matching(&db, attributes([("a.b", value.clone())])).await, [id], "{value}");
    }
    assert_eq!(matching(&db, attributes([("a.b", json!(1.0))])).await, NO_SPANS, "a double is no integer");
    assert_eq!(matching(&db, attributes([("a.b", json!(0))])).await, [8], "an integer finds its double");
    assert_eq!(matching(&db, attributes([("a", json!(1))])).await, NO_SPANS, "an object is no scalar");
    assert_eq!(matching(&db, attributes([("a.b.c", json!(1))])).await, NO_SPANS);
}

async fn attributes_are_joined_by_and(db: TestStore) {
    let spans = [
        span(1, 1).attribute("user", "ann").attribute("n", 1),
        span(1, 2).attribute("user", "ann").attribute("n", 2),
        span(1, 3).attribute("user", "bob").attribute("n", 2),
    ];
    write(&db, spans).await;
    assert_eq!(matching(&db, attributes([("user", json!("ann")), ("n", json!(2))])).await, [2]);
    let with_name = SpanFilter { names: Some(vec!["span".to_owned()]), ..attributes([("n", json!(2))]) };
    assert_eq!(matching(&db, with_name).await, [2, 3]);
}
