//! SQL only narrows conditions: scans and pages hold exactly the spans for which the condition itself holds.

use bennu_domain::facets::FACET_STRING_BYTES;
use bennu_domain::filter::{Condition, Flavour, Needs, Subject};
use bennu_domain::kind::{SpanKind, StatusCode};
use bennu_domain::span::Span;
use bennu_domain::span_filter::{AttributeMatch, SpanFilter};
use bennu_store::{Roots, ScopedStore, SpanPageRequest, SpanSelection};
use bennu_testkit::otlp::{SpanBuilder, request, span};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use crate::support::{
    TestStore, for_all, on_both_engines, prepared, span_id, span_list, trace_id, walk_spans,
};

on_both_engines!(
    scans_find_exactly_the_spans_for_which_the_condition_holds,
    facts_beyond_the_span_are_known,
    long_texts_are_found_in_rows_from_before_they_had_marks,
    spans_come_newest_first_in_bounded_batches,
);

const PATHS: [&str; 7] = ["a", "a.b", "metadata.k", "user.id", "nowhere", "input.mime_type", "many"];

fn long(end: &str) -> String {
    format!("{}{end}", "v".repeat(FACET_STRING_BYTES))
}

fn value() -> impl Strategy<Value = Value> {
    select(vec![
        json!(1),
        json!(1.0),
        json!(0),
        json!(-2.5),
        json!(true),
        json!(false),
        json!("1"),
        json!(" 1 "),
        json!("1.0"),
        json!("true"),
        json!("Order\nrefunded"),
        json!({"note": "not refunded", "n": [1]}),
        json!("x"),
        json!("X\0"),
        json!(""),
        json!(long("1")),
        json!(long("2")),
        json!(["x", 1]),
        json!({"b": 1}),
        json!(9_007_199_254_740_993_i64),
        json!(i64::MAX),
        json!(1e300),
    ])
}

prop_compose! {
    fn any_span()(
        trace in 1..4_u128, parent in 0..6_u64, name in select(vec!["a", "A", "", "n\0"]),
        kind in select(vec![SpanKind::Llm, SpanKind::Chain, SpanKind::Unknown]),
        status in select(vec![StatusCode::Unset, StatusCode::Ok, StatusCode::Error]),
        start in 0..6_i64, latency in 0..4_i64, attributes in vec((select(&PATHS[..]), value()), 0..4), many: bool,
    ) -> SpanBuilder {
        let mut span = span(trace, 1).named(name).kind(kind).status(status, "").from_to(start, start + latency * 1_500);
        if parent > 0 {
            span = span.child_of(parent);
        }
        // More attributes than the row holds.
        let filler = (0..if many { 150 } else { 0 }).map(|number| (format!("filler{number}"), json!(number)));
        let attributes = attributes.into_iter().map(|(path, value)| (path.to_owned(), value));
        filler.chain(attributes).fold(span, |span, (key, value)| span.attribute(key, value))
    }
}

fn text(value: &str) -> String {
    format!("'{value}'")
}

/// A literal that conditions write.
fn literal() -> impl Strategy<Value = String> {
    let texts =
        vec!["1", "1.0", "true", "x", "X\\0", "", "llm", "ERROR", "a", "n\\0", "[1]", "9007199254740993"];
    prop_oneof![
        select(vec![
            "0",
            "1",
            "1.0",
            "-2.5",
            "1.5",
            "1e300",
            "9007199254740992",
            "9007199254740993",
            "True",
            "False"
        ])
        .prop_map(str::to_owned),
        select(texts).prop_map(text),
        select(vec![text(&long("1")), text(&long("2")), text(&long(""))]),
        select(vec![text("2023-11-14T22:13:20Z"), text("2023-11-14T22:13:20.000003Z")]),
        (1..30_u64).prop_map(|number| text(&span_id(number).to_string())),
        (1..4_u128).prop_map(|number| text(&trace_id(number).to_string())),
        Just("None".to_owned()),
    ]
}

fn name() -> impl Strategy<Value = String> {
    let columns = [
        "name",
        "span_kind",
        "status_code",
        "latency_ms",
        "start_time",
        "end_time",
        "parent_id",
        "parent_span",
        "span_id",
        "trace_id",
        "attributes['a']['b']",
        "float(a)",
        "str(user.id)",
        "int(a)",
        "metadata['k']",
    ];
    prop_oneof![1 => select(&PATHS[..]), 1 => select(columns.to_vec())].prop_map(str::to_owned)
}

/// Texts that are looked for in others.
const PARTS: [&str; 7] = ["'L'", "'x'", "'e'", "'refunded'", "'Order'", "'nowhere'", "'not refunded\",'"];

/// Conditions of any shape; some do not fit their types, those are left out.
fn condition() -> impl Strategy<Value = String> {
    let order = select(vec!["==", "!=", "<", "<=", ">", ">=", "is", "is not"]);
    let leaf = prop_oneof![
        4 => (name(), order.clone(), literal()).prop_map(|(name, order, literal)| format!("{name} {order} {literal}")),
        1 => (literal(), order, name()).prop_map(|(literal, order, name)| format!("{literal} {order} {name}")),
        1 => (name(), select(vec!["in", "not in"]), vec(literal(), 0..4))
            .prop_map(|(name, order, items)| format!("{name} {order} [{}]", items.join(", "))),
        1 => (select(&PARTS[..]), select(vec!["in", "not in"]), name())
            .prop_map(|(part, order, name)| format!("{part} {order} {name}")),
    ];
    leaf.prop_recursive(3, 10, 3, |inner| {
        prop_oneof![
            inner.clone().prop_map(|one| format!("not ({one})")),
            vec(inner.clone(), 2..4).prop_map(|all| all.join(" and ")),
            vec(inner, 2..4).prop_map(|all| format!("({})", all.join(" or "))),
        ]
    })
}

/// Names spans by their ids, which are small numbers here.
fn last_bytes<'s>(spans: impl Iterator<Item = &'s Span>) -> Vec<u8> {
    spans.filter_map(|span| span.span_id.as_bytes().last().copied()).collect()
}

fn sorted(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.sort_unstable();
    bytes
}

async fn scanned(data: ScopedStore<'_>, selection: &SpanSelection) -> Vec<u8> {
    let mut found = Vec::new();
    let mut scan = data.scan_spans(selection, 1);
    while let Some(batch) = scan.next().await.unwrap() {
        found.extend(last_bytes(batch.iter().map(|(_, facts)| &facts.span)));
    }
    found
}

async fn selection_of(data: ScopedStore<'_>, condition: Option<&str>) -> SpanSelection {
    SpanSelection {
        project: data.project_named("p").await.unwrap().unwrap().id,
        condition: condition.map(|text| Condition::parse(Flavour::Span, text).unwrap()),
        roots: None,
        start: None,
        end: None,
        needs: Needs { parents: true, cumulative: true, ..Needs::default() },
    }
}

async fn scans_find_exactly_the_spans_for_which_the_condition_holds(db: TestStore) {
    for_all(64, (vec(any_span(), 1..24), vec(condition(), 40)), async |(spans, conditions)| {
        let data = db.fresh_tenant();
        let spans: Vec<SpanBuilder> =
            spans.into_iter().zip(1..).map(|(span, id)| span.identified(id)).collect();
        data.write_spans(prepared(request().project("p").spans(spans))).await.unwrap();
        let mut selection = selection_of(data, None).await;
        let mut all = Vec::new();
        let mut scan = data.scan_spans(&selection, 1_000);
        while let Some(batch) = scan.next().await.unwrap() {
            all.extend(batch.into_iter().map(|(_, facts)| facts));
        }
        for text in conditions {
            let Ok(condition) = Condition::parse(Flavour::Span, &text) else { continue };
            let holding = all.iter().filter(|facts| condition.holds(Subject::Span(facts)).unwrap());
            let expected = last_bytes(holding.map(|facts| &facts.span));
            let list = span_list(selection.project, SpanFilter::default());
            let list = SpanPageRequest { condition: Some(condition.clone()), limit: 3, ..list };
            let paged = last_bytes(walk_spans(data, list).await.iter().map(|stored| &stored.span));
            assert_eq!(paged, sorted(expected.clone()), "{text}");
            selection.condition = Some(condition);
            assert_eq!(scanned(data, &selection).await, expected, "{text}");
        }
    });
}

async fn long_texts_are_found_in_rows_from_before_they_had_marks(db: TestStore) {
    let spans = ["1", "2"].iter().zip(1..).map(|(end, id)| span(1, id).attribute("a", long(end)));
    db.write(request().project("p").spans(spans)).await;
    let selection = selection_of(db.data(), Some(&format!("a == '{}'", long("2")))).await;
    let attributes = vec![AttributeMatch { path: "a".to_owned(), value: json!(long("2")) }];
    let filter = SpanFilter { attributes, ..SpanFilter::default() };
    for facets in [None, Some(json!({"a": long("")}))] {
        if let Some(facets) = facets {
            db.execute(&format!("UPDATE spans SET facets = '{facets}'")).await;
        }
        assert_eq!(scanned(db.data(), &selection).await, [2]);
        let paged = walk_spans(db.data(), span_list(selection.project, filter.clone())).await;
        assert_eq!(last_bytes(paged.iter().map(|stored| &stored.span)), [2]);
    }
}

async fn facts_beyond_the_span_are_known(db: TestStore) {
    let spans = [
        span(1, 1).from_to(0, 9),
        span(1, 2).child_of(1).tokens(10, 1).from_to(1, 9),
        span(1, 3).child_of(2).tokens(20, 2).error().from_to(2, 9),
        span(2, 4).child_of(9).from_to(3, 9),
    ];
    db.write(request().project("p").spans(spans)).await;
    let found =
        async |condition: &str| scanned(db.data(), &selection_of(db.data(), Some(condition)).await).await;
    assert_eq!(found("cumulative_llm_token_count_total == 33").await, [2, 1]);
    assert_eq!(found("cumulative_token_count.prompt == 20").await, [3]);
    assert_eq!(found("parent_span is None").await, [4, 1]);
    assert_eq!(found("parent_span is not None and not parent_id is None").await, [3, 2]);
    assert_eq!(found("parent_id is None").await, [1]);
    let roots = async |roots| {
        scanned(db.data(), &SpanSelection { roots: Some(roots), ..selection_of(db.data(), None).await }).await
    };
    assert_eq!(roots(Roots::WithOrphans).await, [4, 1]);
    assert_eq!(roots(Roots::Strict).await, [1]);
}

async fn spans_come_newest_first_in_bounded_batches(db: TestStore) {
    let spans = (1..=200).map(|number| span(1, number).from_to(i64::try_from(number % 7).unwrap(), 9));
    db.write(request().project("p").spans(spans)).await;
    let selection = selection_of(db.data(), Some("span_kind == 'unknown'")).await;
    let mut scan = db.data().scan_spans(&selection, 1);
    let mut places = Vec::new();
    while let Some(batch) = scan.next().await.unwrap() {
        assert!(batch.len() <= 128, "{}", batch.len());
        places.extend(batch.iter().map(|(row, facts)| (facts.span.start, *row)));
    }
    assert_eq!(places.len(), 200);
    assert!(places.is_sorted_by(|one, other| one > other));
}
