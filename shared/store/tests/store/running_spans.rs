//! Spans that are stored before their end are replaced by newer versions, whatever the order of arrival.

use bennu_domain::kind::StatusCode;
use bennu_domain::span_version::SpanVersion;
use bennu_store::{TraceList, WriteReport};
use bennu_testkit::otlp::{SpanBuilder, request, span};
use proptest::collection::vec;
use proptest::prelude::*;
use prost::Message as _;

use crate::support::{
    EVERYTHING_IS_LARGE, TestStore, at, every_session, every_span, every_trace, everything, for_all,
    on_both_engines, span_id, trace_list, write,
};

on_both_engines!(
    a_running_span_is_replaced_when_it_ends,
    what_is_finished_stays,
    a_running_span_counts_with_its_start_only,
    a_trace_shrinks_to_what_its_newest_versions_cover,
    the_block_of_the_old_version_goes_with_it,
    versions_in_one_batch_leave_the_newest,
    a_span_that_ends_while_it_is_read_is_read_whole,
    any_order_of_versions_ends_in_the_same_rows,
);

/// Still running at this time.
fn running(trace: u128, id: u64) -> SpanBuilder {
    span(trace, id).unended()
}

async fn a_running_span_is_replaced_when_it_ends(db: TestStore) {
    let started = running(1, 1).named("started").tokens(5, 0).attribute("llm.model_name", "gpt-4o");
    db.write(request().spans([started, span(1, 2)])).await;
    let project = db.project("default").await;
    let before = every_span(db.data(), project).await;
    let ended = span(1, 1)
        .from_to(0, 9_000)
        .named("ended")
        .error()
        .tokens(7, 3)
        .attribute("llm.model_name", "gpt-4o");
    let report = db.write(request().span(ended)).await;
    assert_eq!(report, WriteReport { inserted: 1, duplicates: 0, dropped: 0 });

    let after = every_span(db.data(), project).await;
    assert_eq!(after.len(), 2);
    let now = after.iter().find(|stored| stored.span.span_id == span_id(1)).unwrap();
    let then = before.iter().find(|stored| stored.span.span_id == span_id(1)).unwrap();
    assert_eq!(now.id, then.id, "it keeps its row id");
    assert_eq!(
        (now.span.name.as_str(), now.span.status, now.span.end),
        ("ended", StatusCode::Error, at(9_000))
    );
    let trace =
        every_trace(db.data(), TraceList { error: Some(true), ..trace_list(project) }).await.remove(0);
    assert_eq!((trace.tokens.prompt, trace.tokens.completion), (7, 3));
    assert_eq!((trace.cost.prompt, trace.cost.completion), (17_500, 30_000));
    assert_eq!((trace.start, trace.end), (at(0), at(9_000)));
    assert_eq!(db.number("SELECT span_count FROM traces").await, 2);
}

async fn what_is_finished_stays(db: TestStore) {
    db.write(request().span(span(1, 1).named("finished"))).await;
    for late in [running(1, 1), span(1, 1).from_to(0, 99_000), span(1, 1).attribute("bennu.partial", true)] {
        let report = db.write(request().span(late.named("late"))).await;
        assert_eq!(report, WriteReport { inserted: 0, duplicates: 1, dropped: 0 });
    }
    assert_eq!(every_span(db.data(), db.project("default").await).await[0].span.name, "finished");
}

async fn a_running_span_counts_with_its_start_only(db: TestStore) {
    let partial = span(1, 2).from_to(10, 500).attribute("bennu.partial", true).session("s");
    db.write(request().spans([running(1, 1).starting_at(3), partial])).await;
    let project = db.project("default").await;
    let trace = every_trace(db.data(), trace_list(project)).await.remove(0);
    assert_eq!((trace.start, trace.end), (at(3), at(500)));
    let session = every_session(db.data(), project).await.remove(0);
    assert_eq!((session.start, session.end), (at(3), at(500)));
}

async fn a_trace_shrinks_to_what_its_newest_versions_cover(db: TestStore) {
    let partial = span(1, 1).from_to(5, 900).attribute("bennu.partial", true).session("s");
    db.write(request().spans([partial, span(1, 2).from_to(20, 60)])).await;
    db.write(request().span(span(1, 1).from_to(10, 50).session("s"))).await;
    let project = db.project("default").await;
    let trace = every_trace(db.data(), trace_list(project)).await.remove(0);
    assert_eq!((trace.start, trace.end), (at(10), at(60)));
    let session = every_session(db.data(), project).await.remove(0);
    assert_eq!((session.start, session.end), (at(10), at(60)));
}

async fn the_block_of_the_old_version_goes_with_it(db: TestStore) {
    let db = db.with_blocks(EVERYTHING_IS_LARGE).await;
    db.write(request().spans([running(1, 1), span(1, 2)])).await;
    db.write(request().span(running(2, 1))).await;
    assert_eq!(db.objects().len(), 2);
    db.write(request().spans([span(1, 1), span(2, 1)])).await;
    // Of the first trace what is left and what came; of the second what came.
    assert_eq!(db.objects().len(), 3);
    assert_eq!(db.number("SELECT count(*) FROM trace_blocks").await, 3);
    assert_eq!(every_span(db.data(), db.project("default").await).await.len(), 3);
    for id in [1, 2] {
        let row = db.data().span_rows_with_id(span_id(id)).await.unwrap()[0];
        assert!(db.data().delete_span(row).await.unwrap());
    }
}

async fn versions_in_one_batch_leave_the_newest(db: TestStore) {
    let versions = [running(1, 1).named("a"), span(1, 1).named("finished"), running(1, 1).named("b")];
    let report = db.write(request().spans(versions)).await;
    assert_eq!(report, WriteReport { inserted: 1, duplicates: 2, dropped: 0 });
    assert_eq!(every_span(db.data(), db.project("default").await).await[0].span.name, "finished");
}

async fn a_span_that_ends_while_it_is_read_is_read_whole(db: TestStore) {
    const SPANS: u64 = 40;
    db.write(request().spans((1..=SPANS).map(|id| running(1, id)))).await;
    let project = db.project("default").await;
    let reading = async {
        loop {
            let spans = every_span(db.data(), project).await;
            assert_eq!(spans.len() as u64, SPANS);
            if spans.iter().all(|stored| !stored.span.is_unfinished()) {
                break;
            }
        }
    };
    let ending = async {
        for id in 1..=SPANS {
            db.write(request().span(span(1, id))).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_mins(1), futures::future::join(reading, ending))
        .await
        .unwrap();
}

/// Versions of up to four spans: `(span, end or none, partial, event, status, tokens)`.
fn versions() -> impl Strategy<Value = Vec<SpanBuilder>> {
    let end = proptest::option::of(0..40_i64);
    let one = (1..=4_u64, end, any::<bool>(), proptest::option::of(0..40_i64), any::<bool>(), 0..9_i64);
    vec(one, 1..12).prop_map(|versions| {
        let mut finished = std::collections::HashSet::new();
        let built = versions.into_iter().map(|(id, end, partial, event, error, tokens)| {
            let trace = u128::from(id / 3 + 1);
            // Of each span only one version is finished: of two, the first to arrive would stay.
            let partial = partial || end.is_some() && !finished.insert(id);
            let mut version = span(trace, id).from_to(id.cast_signed(), 0).session("s");
            version = version.tokens(tokens, 1).attribute("llm.model_name", "gpt-4o");
            version = end.map_or_else(
                || version.clone().unended(),
                |end| version.clone().from_to(id.cast_signed(), end),
            );
            if partial {
                version = version.attribute("bennu.partial", true);
            }
            if error {
                version = version.error();
            }
            event.map_or_else(|| version.clone(), |at| version.clone().event("e", at, serde_json::json!({})))
        });
        built.collect()
    })
}

/// The newest version of each span, as the rules say it.
fn newest(versions: &[SpanBuilder]) -> Vec<SpanBuilder> {
    let version =
        |span: &SpanBuilder| SpanVersion::read(&span.clone().build().encode_to_vec().into()).unwrap();
    let mut newest: Vec<SpanBuilder> = Vec::new();
    for candidate in versions {
        let id = candidate.clone().build().span_id;
        match newest.iter_mut().find(|span| (*span).clone().build().span_id == id) {
            None => newest.push(candidate.clone()),
            Some(kept) if version(candidate).replaces(&version(kept)) => *kept = candidate.clone(),
            Some(_) => {}
        }
    }
    newest
}

async fn any_order_of_versions_ends_in_the_same_rows(db: TestStore) {
    let arrivals = versions().prop_flat_map(|sent| {
        let again: Vec<SpanBuilder> = sent.iter().chain(&sent[..sent.len() / 2]).cloned().collect();
        (Just(sent), Just(again).prop_shuffle(), 1..5_usize)
    });
    for_all(96, arrivals, async |(sent, arriving, size)| {
        let (at_once, one_by_one) = (db.fresh_tenant(), db.fresh_tenant());
        write(at_once, request().spans(newest(&sent))).await.unwrap();
        for batch in arriving.chunks(size) {
            write(one_by_one, request().spans(batch.to_vec())).await.unwrap();
        }
        assert_eq!(everything(one_by_one).await, everything(at_once).await);
    });
}
