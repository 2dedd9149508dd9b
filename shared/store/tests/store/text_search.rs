//! Searches for texts: filters of blocks tell which cannot hold one, and change no answer.

use std::time::Duration;

use bennu_domain::filter::{Condition, Flavour, Needs, Subject};
use bennu_domain::ids::SpanRowId;
use bennu_domain::page::Order;
use bennu_domain::span_filter::SpanFilter;
use bennu_store::{CompactionPolicy, ScopedStore, SpanPageRequest, SpanSelection, SpanSort};
use bennu_testkit::otlp::{SpanBuilder, request, span};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use sea_orm::{ConnectionTrait as _, Statement, Value};

use crate::support::{
    EVERYTHING_IS_LARGE, TestStore, every_span, for_all, on_both_engines, prepared, span_id, span_list,
    trace_id, walk_spans, write,
};

on_both_engines!(
    any_blocks_that_were_written_merged_and_cut_give_the_spans_with_a_text,
    a_text_is_found_in_window_after_window,
    blocks_that_cannot_hold_the_text_are_not_read,
    blocks_without_a_filter_are_searched,
    a_cut_block_has_the_filter_of_what_is_left,
    merged_blocks_have_the_filter_of_all_their_spans,
    blocks_and_their_filters_go_together,
);

const POLICY: CompactionPolicy = CompactionPolicy { idle: Duration::ZERO, most_bytes: 16 << 20 };

async fn selection(data: ScopedStore<'_>, condition: Option<&str>) -> SpanSelection {
    SpanSelection {
        project: data.project_named("p").await.unwrap().unwrap().id,
        condition: condition.map(|text| Condition::parse(Flavour::Span, text).unwrap()),
        roots: None,
        start: None,
        end: None,
        needs: Needs::default(),
    }
}

/// Row ids in the order of the scan.
async fn found(data: ScopedStore<'_>, selection: &SpanSelection) -> Vec<SpanRowId> {
    let (mut scan, mut found) = (data.scan_spans(selection, 1), Vec::new());
    while let Some(batch) = scan.next().await.unwrap() {
        found.extend(batch.into_iter().map(|(row, _)| row));
    }
    found
}

/// The last bytes of the ids of spans with a text in `a`, the newest first.
async fn spans_with(data: ScopedStore<'_>, text: &str) -> Vec<u8> {
    let selection = selection(data, Some(&format!("'{text}' in a"))).await;
    let (mut scan, mut found) = (data.scan_spans(&selection, 1), Vec::new());
    while let Some(batch) = scan.next().await.unwrap() {
        found.extend(batch.iter().map(|(_, facts)| facts.span.span_id.as_bytes()[7]));
    }
    found
}

/// Pieces of texts, among them those that bytes hold otherwise than attributes do.
const PIECES: [&str; 12] = [
    "a white whale",
    "Harbour",
    " refunded",
    "\n",
    "\u{212a}ubernetes",
    "\"\\u0077hale\"",
    "{\"k\": \"sailor\"}",
    "[{\"role\": \"user\", \"parts\": [{\"type\": \"text\", \"content\": \"the harbour\"}]}]",
    "17",
    "é",
    "ordinary words",
    "x",
];
const KEYS: [&str; 6] =
    ["a", "metadata", "input.value", "gen_ai.input.messages", "gen_ai.system", "output.value"];
const PATHS: [&str; 7] =
    ["a", "str(metadata)", "input.value", "output.value", "str(llm)", "str(gen_ai)", "name"];
const TEXTS: [&str; 9] = [
    "whale",
    "Harbour",
    "kubernetes",
    "sailor",
    "white wha",
    "refunded",
    "ordinary words",
    "nowhere",
    "user",
];

prop_compose! {
    fn any_span()(
        trace in 1..4_u128, start in 0..9_i64, unended in prop::bool::weighted(0.2), bytes in prop::bool::weighted(0.1),
        name in select(&PIECES[..]),
        attributes in vec((select(&KEYS[..]), vec(select(&PIECES[..]), 1..3)), 0..3),
    ) -> SpanBuilder {
        let mut span = span(trace, 1).named(name).from_to(start, start + 1);
        if unended {
            span = span.unended();
        }
        if bytes {
            span = span.bytes_attribute("a", b"\xc2\x16\xa5\x1e".to_vec()); // "whal..." in base64
        }
        attributes.into_iter().fold(span, |span, (key, pieces)| span.attribute(key, pieces.concat()))
    }
}

/// What happens to stored spans.
#[derive(Debug, Clone)]
enum Step {
    /// Of ids that may be there already.
    Write(Vec<(SpanBuilder, u64)>),
    Compact(u128),
    Delete(Index),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => vec((any_span(), 1..30_u64), 1..8).prop_map(Step::Write),
        1 => (1..4_u128).prop_map(Step::Compact),
        1 => any::<Index>().prop_map(Step::Delete),
    ]
}

async fn take(data: ScopedStore<'_>, step: Step) {
    match step {
        Step::Write(spans) => {
            let spans = spans.into_iter().map(|(span, id)| span.identified(id));
            data.write_spans(prepared(request().project("p").spans(spans))).await.unwrap();
        }
        Step::Compact(trace) => {
            if let Some(trace) = data.trace_row_with_id(trace_id(trace)).await.unwrap() {
                data.compact_trace(trace, POLICY, false).await.unwrap();
            }
        }
        Step::Delete(which) => {
            let Some(project) = data.project_named("p").await.unwrap() else { return };
            let spans = every_span(data, project.id).await;
            if !spans.is_empty() {
                assert!(data.delete_span(which.get(&spans).id).await.unwrap());
            }
        }
    }
}

async fn any_blocks_that_were_written_merged_and_cut_give_the_spans_with_a_text(db: TestStore) {
    let asked = (select(&TEXTS[..]), select(&PATHS[..]));
    for_all(32, (vec(step(), 1..8), vec(asked, 16)), async |(steps, asked)| {
        let data = db.fresh_tenant();
        data.write_spans(prepared(request().project("p").span(span(9, 99)))).await.unwrap();
        for step in steps {
            take(data, step).await;
        }
        let everything = selection(data, None).await;
        let (mut scan, mut all) = (data.scan_spans(&everything, 1_000), Vec::new());
        while let Some(batch) = scan.next().await.unwrap() {
            all.extend(batch);
        }
        for (text, path) in asked {
            let text = format!("'{text}' in {path}");
            let selection = selection(data, Some(&text)).await;
            let holds = |facts| selection.condition.as_ref().unwrap().holds(Subject::Span(facts)).unwrap();
            let expected: Vec<SpanRowId> =
                all.iter().filter(|(_, facts)| holds(facts)).map(|(row, _)| *row).collect();
            assert_eq!(found(data, &selection).await, expected, "{text}");
            for (sort, order) in [
                (SpanSort::StartTime { from: None }, Order::Descending),
                (SpanSort::StartTime { from: None }, Order::Ascending),
                (SpanSort::Id { from: None }, Order::Descending),
                (SpanSort::Id { from: None }, Order::Ascending),
            ] {
                let list = span_list(selection.project, SpanFilter::default());
                let list =
                    SpanPageRequest { condition: selection.condition.clone(), sort, order, limit: 2, ..list };
                let paged: Vec<SpanRowId> =
                    walk_spans(data, list).await.iter().map(|stored| stored.id).collect();
                let mut expected = expected.clone();
                if matches!(sort, SpanSort::Id { .. }) {
                    expected.sort_by_key(|row| std::cmp::Reverse(row.0));
                }
                if order == Order::Ascending {
                    expected.reverse();
                }
                assert_eq!(paged, expected, "{text} {sort:?} {order:?}");
            }
        }
    });
}

async fn a_text_is_found_in_window_after_window(db: TestStore) {
    let with_text = |number: u64| number % 199 == 3;
    for traces in [1..=60_u64, 61..=120] {
        let spans = traces.flat_map(|trace| (0..10).map(move |place| (trace, trace * 10 + place)));
        let spans = spans.map(|(trace, number)| {
            let text = if with_text(number) { "a white whale" } else { "an ordinary fish" };
            // Traces overlap, and many spans start together.
            let start = i64::try_from(number / 7).unwrap();
            span(trace.into(), number).from_to(start, start + 9).attribute("a", text)
        });
        db.write(request().project("p").spans(spans)).await;
    }
    let expected: Vec<u8> = (0..1_210_u64)
        .rev()
        .filter(|number| with_text(*number) && *number >= 10)
        .map(|number| span_id(number).as_bytes()[7])
        .collect();
    assert_eq!(expected.len(), 6);
    assert_eq!(spans_with(db.data(), "whale").await, expected);
    assert_eq!(spans_with(db.data(), "FISH").await.len(), 1_200 - 6);
    assert_eq!(spans_with(db.data(), "no such text").await, [0; 0]);
    assert_eq!(spans_with(db.data(), "whale or fish").await, [0; 0]);
}

/// Whoever reads it fails.
async fn spoil_block_of(db: &TestStore, trace: u128) {
    let raw = db.raw().await;
    let sql =
        "UPDATE trace_blocks SET data = $1 WHERE trace_row_id = (SELECT id FROM traces WHERE trace_id = $2)";
    let values = [Value::from(vec![0_u8; 3]), Value::from(trace_id(trace).as_bytes().to_vec())];
    let spoil = Statement::from_sql_and_values(raw.get_database_backend(), sql, values);
    assert_eq!(raw.execute_raw(spoil).await.unwrap().rows_affected(), 1);
    raw.close().await.unwrap();
}

async fn blocks_that_cannot_hold_the_text_are_not_read(db: TestStore) {
    let spans = [span(1, 1).attribute("a", "a white whale"), span(2, 2).attribute("a", "an ordinary fish")];
    db.write(request().project("p").spans(spans)).await;
    spoil_block_of(&db, 2).await;
    assert_eq!(spans_with(db.data(), "white whale").await, [1]);
    let with_fish = selection(db.data(), Some("'fish' in a")).await;
    assert!(db.data().scan_spans(&with_fish, 1).next().await.is_err());
}

async fn blocks_without_a_filter_are_searched(db: TestStore) {
    let spans = [span(1, 1).attribute("a", "a white whale"), span(2, 2).attribute("a", "an ordinary fish")];
    db.write(request().project("p").spans(spans)).await;
    let raw = db.raw().await;
    raw.execute_unprepared("DELETE FROM text_filters").await.unwrap();
    raw.close().await.unwrap();
    assert_eq!(spans_with(db.data(), "whale").await, [1]);
    // They get one when they are rewritten.
    db.write(request().project("p").span(span(1, 3))).await;
    let trace = db.data().trace_row_with_id(trace_id(1)).await.unwrap().unwrap();
    db.data().compact_trace(trace, POLICY, false).await.unwrap();
    assert_eq!(db.number("SELECT count(*) FROM text_filters").await, 1);
    assert_eq!(spans_with(db.data(), "whale").await, [1]);
    assert_eq!(spans_with(db.data(), "fish").await, [2]);
}

/// The filters of all blocks of a tenant, by their blocks.
async fn filters(db: &TestStore, tenant: i64) -> Vec<Vec<u8>> {
    let raw = db.raw().await;
    let sql = format!("SELECT bits FROM text_filters WHERE tenant_id = {tenant} ORDER BY id");
    let rows = raw.query_all_raw(Statement::from_string(raw.get_database_backend(), sql)).await.unwrap();
    raw.close().await.unwrap();
    rows.iter().map(|row| row.try_get_by_index(0).unwrap()).collect()
}

/// The filter that one block with these spans has.
async fn filter_of(db: &TestStore, spans: &[SpanBuilder]) -> Vec<u8> {
    let tenant = db.fresh_tenant_number();
    write(db.tenant(tenant), request().project("p").spans(spans.iter().cloned())).await.unwrap();
    filters(db, tenant).await.remove(0)
}

async fn a_cut_block_has_the_filter_of_what_is_left(db: TestStore) {
    for blocks in [None, Some(EVERYTHING_IS_LARGE)] {
        let store = match blocks {
            Some(blocks) => db.another(blocks).await,
            None => db.store.clone(),
        };
        let tenant = db.fresh_tenant_number();
        let scope = bennu_access::SystemScope::for_tenant(bennu_domain::ids::TenantId(tenant), "test");
        let data = store.scoped(&scope);
        let [stays, goes] =
            [span(1, 1).attribute("a", "an ordinary fish"), span(1, 2).attribute("a", "a white whale")];
        write(data, request().project("p").spans([stays.clone(), goes.clone()])).await.unwrap();
        assert_eq!(filters(&db, tenant).await, [filter_of(&db, &[stays.clone(), goes]).await]);
        let row = data.span_rows_with_id(span_id(2)).await.unwrap()[0];
        assert!(data.delete_span(row).await.unwrap());
        assert_eq!(filters(&db, tenant).await, [filter_of(&db, &[stays]).await]);
    }
}

async fn merged_blocks_have_the_filter_of_all_their_spans(db: TestStore) {
    let tenant = db.fresh_tenant_number();
    let data = db.tenant(tenant);
    let spans = [span(1, 1).attribute("a", "an ordinary fish"), span(1, 2).attribute("a", "a white whale")];
    for span in &spans {
        write(data, request().project("p").span(span.clone())).await.unwrap();
    }
    assert_eq!(filters(&db, tenant).await.len(), 2);
    let trace = data.trace_row_with_id(trace_id(1)).await.unwrap().unwrap();
    data.compact_trace(trace, POLICY, true).await.unwrap();
    assert_eq!(filters(&db, tenant).await, [filter_of(&db, &spans).await]);
    assert_eq!(spans_with(data, "whale").await, [2]);
}

async fn blocks_and_their_filters_go_together(db: TestStore) {
    let filters_without_block = "SELECT count(*) FROM text_filters f WHERE NOT EXISTS (SELECT 1 FROM trace_blocks b \
                                 WHERE b.tenant_id = f.tenant_id AND b.id = f.id)";
    let counted = async || {
        assert_eq!(db.number(filters_without_block).await, 0);
        db.number("SELECT count(*) FROM text_filters").await
    };
    db.write(request().project("p").spans([
        span(1, 1),
        span(1, 2),
        span(2, 3),
        span(3, 4).unended(),
        span(3, 5),
    ]))
    .await;
    db.write(request().project("p").span(span(1, 6))).await;
    assert_eq!(counted().await, 4);
    let row = async |id| db.data().span_rows_with_id(span_id(id)).await.unwrap()[0];
    assert!(db.data().delete_span(row(6).await).await.unwrap());
    assert_eq!(counted().await, 3);
    let trace = db.data().trace_row_with_id(trace_id(2)).await.unwrap().unwrap();
    assert!(db.data().delete_trace(trace).await.unwrap());
    assert_eq!(counted().await, 2);
    // A newer version goes to a block of its own.
    db.write(request().project("p").span(span(3, 4))).await;
    assert_eq!(counted().await, 3);
    let project = db.project("p").await;
    assert!(db.data().delete_project(project).await.unwrap());
    assert_eq!(counted().await, 0);
}
