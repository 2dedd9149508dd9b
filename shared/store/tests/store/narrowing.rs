//! SQL only narrows: for any spans and any filter the pages hold exactly the spans that the filter itself matches.

use bennu_domain::attributes::flatten;
use bennu_domain::facets::FACET_STRING_BYTES;
use bennu_domain::kind::{SpanKind, StatusCode};
use bennu_domain::page::Order;
use bennu_domain::span::Span;
use bennu_domain::span_filter::{AttributeMatch, ParentFilter, SpanFilter};
use bennu_store::{SpanPageRequest, SpanSort};
use bennu_testkit::otlp::{SpanBuilder, request, span};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{Index, select, subsequence};
use serde_json::{Value, json};

use crate::support::{TestStore, at, for_all, on_both_engines, prepared, span_id, trace_id, walk_spans};

on_both_engines!(pages_hold_exactly_the_spans_that_the_filter_matches);

const PATHS: [&str; 14] = [
    "a",
    "a.b",
    "a.b.c",
    "a.0.b",
    "session.id",
    "k\"q",
    "k\\s",
    "k\tt",
    "ü",
    "",
    "it's",
    "llm.token_count.prompt",
    "openinference.span.kind",
    "input.mime_type",
];

/// Few names, ids and values, so that filters meet spans; some only beyond what a row holds.
fn name() -> impl Strategy<Value = String> {
    let long = "n".repeat(256);
    select(vec![
        "a".to_owned(),
        "A".to_owned(),
        String::new(),
        "n\0".to_owned(),
        "n\u{FFFD}".to_owned(),
        format!("{long}1"),
        format!("{long}2"),
        long,
    ])
}

fn value() -> impl Strategy<Value = Value> {
    let long = "v".repeat(FACET_STRING_BYTES);
    prop_oneof![
        6 => select(vec![
            json!("1"), json!(1), json!(1.0), json!(0), json!(-0.0), json!(1.000_000_000_1), json!(true), json!(false),
            json!("true"), json!("LLM"), json!("llm"), json!(""), json!("\0"), json!("\u{FFFD}"), json!("\"\\\n\u{1}"), json!(i64::MAX), json!(i64::MAX - 1),
            json!(f64::MAX), json!(5e-324), json!(1e-300), json!(&long), json!(format!("{long}1")), json!(format!("{long}2")),
        ]),
        1 => any::<i64>().prop_map(Value::from),
        1 => any::<f64>().prop_map(Value::from),
        1 => any::<String>().prop_map(Value::from),
    ]
}

fn path() -> impl Strategy<Value = String> {
    prop_oneof![5 => select(&PATHS[..]).prop_map(str::to_owned), 1 => "[ab.]{0,5}", 1 => any::<String>()]
}

fn attributes() -> impl Strategy<Value = Vec<(String, Value)>> {
    let value =
        prop_oneof![8 => value(), 1 => Just(json!([1, "x"])), 1 => Just(json!({"b": 1, "c": {"b": "x"}}))];
    let some = vec((path(), value), 0..5);
    // One span in eight has more attributes than its row holds.
    let filler = prop_oneof![7 => Just(0), 1 => Just(200)];
    (some, filler, any::<bool>()).prop_map(|(some, filler, filler_first)| {
        let filler = (0..filler).map(|number| (format!("filler{number}"), json!(number)));
        if filler_first { filler.chain(some).collect() } else { some.iter().cloned().chain(filler).collect() }
    })
}

const KINDS: [SpanKind; 4] = [SpanKind::Llm, SpanKind::Chain, SpanKind::Tool, SpanKind::Unknown];
const STATUSES: [StatusCode; 3] = [StatusCode::Unset, StatusCode::Ok, StatusCode::Error];

prop_compose! {
    fn any_span()(
        trace in 1..4_u128, parent in 0..4_u64, name in name(), kind in select(&KINDS[..]), status in select(&STATUSES[..]),
        start in 0..6_i64, attributes in attributes(),
    ) -> SpanBuilder {
        let mut span = span(trace, 1).named(name).kind(kind).status(status, "").from_to(start, 9);
        if parent > 0 {
            span = span.child_of(parent);
        }
        attributes.into_iter().fold(span, |span, (key, value)| span.attribute(key, value))
    }
}

fn parent() -> impl Strategy<Value = ParentFilter> {
    prop_oneof![
        10 => Just(ParentFilter::Any),
        2 => Just(ParentFilter::Root),
        2 => (1..4_u64).prop_map(|number| ParentFilter::Of(span_id(number))),
        1 => Just(ParentFilter::Nothing),
    ]
}

prop_compose! {
    /// Most conditions are absent, else nearly nothing would match.
    fn any_filter()(
        trace_ids in option::weighted(0.2, vec((1..5_u128).prop_map(trace_id), 0..3)),
        span_ids in option::weighted(0.1, vec((1..30_u64).prop_map(span_id), 0..12)),
        names in option::weighted(0.25, vec(name(), 0..4)),
        kinds in option::weighted(0.2, subsequence(KINDS.to_vec(), 0..=4)),
        statuses in option::weighted(0.2, subsequence(STATUSES.to_vec(), 0..=3)),
        parent in parent(),
        attributes in prop_oneof![3 => Just(vec![]), 3 => vec((path(), value()), 1..3)],
        start in option::weighted(0.15, (0..6_i64).prop_map(at)),
        end in option::weighted(0.15, (1..7_i64).prop_map(at)),
    ) -> SpanFilter {
        let attributes = attributes.into_iter().map(|(path, value)| AttributeMatch { path, value }).collect();
        SpanFilter { trace_ids, span_ids, names, kinds, statuses, parent, attributes, start, end }
    }
}

/// Half of the filters ask for an attribute that some span has as well.
fn any_filters() -> impl Strategy<Value = Vec<(SpanFilter, Option<(Index, Index)>)>> {
    vec((any_filter(), option::of(any::<(Index, Index)>())), 6)
}

/// A scalar attribute of one of the spans, as filters ask for; `None` if that span has none.
fn attribute_of(spans: &[Span], (span, attribute): (Index, Index)) -> Option<AttributeMatch> {
    let flat = flatten(&span.get(spans).attributes).into_iter();
    let scalars: Vec<(String, Value)> = flat.filter(|(_, value)| !value.is_array()).collect();
    let (path, value) = (!scalars.is_empty()).then(|| attribute.get(&scalars).clone())?;
    Some(AttributeMatch { path, value })
}

async fn pages_hold_exactly_the_spans_that_the_filter_matches(db: TestStore) {
    let spans = vec(any_span(), 1..24);
    for_all(96, (spans, any_filters(), 1..=5_usize), async |(spans, filters, limit)| {
        let data = db.fresh_tenant();
        let spans: Vec<SpanBuilder> =
            spans.into_iter().zip(1..).map(|(span, id)| span.identified(id)).collect();
        let (early, late) = spans.split_at(spans.len() / 2);
        let mut stored: Vec<Span> = Vec::new();
        for batch in [early, late] {
            let batch = prepared(request().project("p").spans(batch.to_vec()));
            stored.extend(batch.iter().map(|span| Span::decode(&span.bytes).unwrap()));
            data.write_spans(batch).await.unwrap();
        }
        let project = data.project_named("p").await.unwrap().unwrap().id;
        let mut by_start = stored.clone();
        by_start.sort_by_key(|span| span.start); // stable: ties stay in order of arrival

        for (mut filter, own) in filters {
            filter.attributes.extend(own.and_then(|own| attribute_of(&stored, own)));
            let lists =
                [(SpanSort::Id { from: None }, &stored), (SpanSort::StartTime { from: None }, &by_start)];
            for (sort, spans) in lists {
                let mut expected: Vec<&Span> = spans.iter().filter(|span| filter.matches(span)).collect();
                for order in [Order::Ascending, Order::Descending] {
                    let page = SpanPageRequest {
                        project,
                        filter: filter.clone(),
                        condition: None,
                        sort,
                        order,
                        limit,
                    };
                    let found = walk_spans(data, page).await;
                    let found: Vec<&Span> = found.iter().map(|stored| &stored.span).collect();
                    assert_eq!(found, expected, "{filter:?} {sort:?} {order:?}");
                    expected.reverse();
                }
            }
        }
    });
}
