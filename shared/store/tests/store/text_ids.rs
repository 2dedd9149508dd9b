//! Ids in the sender's own words.

use bennu_domain::ids::{SpanId, TraceId};
use bennu_domain::json_span::JsonSpan;
use bennu_domain::time::Timestamp;
use bennu_store::TraceList;
use bennu_testkit::otlp::{SpanBuilder, request, span};

use crate::support::{TestStore, every_session, every_span, every_trace, on_both_engines, trace_list};

on_both_engines!(
    every_read_gives_the_text_back,
    spans_of_one_trace_may_mix_both_sorts_of_ids,
    a_stored_span_is_told_from_a_new_one,
);

fn json_span(trace: &str, id: &str, parent: Option<&str>) -> SpanBuilder {
    let json = JsonSpan {
        name: id.to_owned(),
        trace_id: trace.to_owned(),
        span_id: id.to_owned(),
        parent_id: parent.map(str::to_owned),
        kind: "CHAIN".to_owned(),
        start: Timestamp(1_700_000_000_000_000),
        end: Timestamp(1_700_000_001_000_000),
        status: "OK".to_owned(),
        status_message: String::new(),
        attributes: [("session.id".to_owned(), "s".into())].into_iter().collect(),
        events: Vec::new(),
    };
    SpanBuilder::from(json.into_otlp().unwrap())
}

async fn every_read_gives_the_text_back(db: TestStore) {
    let spans = [json_span("my trace", "root", None), json_span("my trace", "child", Some("root"))];
    db.write(request().project("p").spans(spans)).await;
    let project = db.project("p").await;
    let read = every_span(db.data(), project).await;
    let texts = |index: usize| {
        let span = &read[index].span;
        (span.trace_id_text(), span.span_id_text(), span.parent_id_text())
    };
    assert_eq!(texts(0), ("my trace".to_owned(), "root".to_owned(), None));
    assert_eq!(texts(1), ("my trace".to_owned(), "child".to_owned(), Some("root".to_owned())));

    let list = TraceList { include_spans: true, ..trace_list(project) };
    let trace = every_trace(db.data(), list).await.remove(0);
    assert_eq!(trace.trace_id_text(), "my trace");
    let spans: Vec<_> =
        trace.spans.unwrap().into_iter().map(|span| (span.span_text, span.parent_text)).collect();
    assert_eq!(spans, [(Some("root".to_owned()), None), (Some("child".to_owned()), Some("root".to_owned()))]);
    let session = every_session(db.data(), project).await.remove(0);
    assert_eq!(session.traces[0].trace_text.as_deref(), Some("my trace"));

    let row = db.data().trace_row_with_id(TraceId::from_text("my trace")).await.unwrap();
    assert_eq!(row, Some(trace.id));
    assert_eq!(db.data().span_rows_with_id(SpanId::from_text("child")).await.unwrap(), [read[1].id]);
}

async fn spans_of_one_trace_may_mix_both_sorts_of_ids(db: TestStore) {
    let hex = bennu_testkit::otlp::trace_id(7).to_string();
    db.write(request().project("p").span(span(7, 1))).await;
    db.write(request().project("p").span(json_span(&hex, "in words", None))).await;
    let trace = every_trace(db.data(), trace_list(db.project("p").await)).await.remove(0);
    assert_eq!((trace.trace_text, trace.trace_id.to_string()), (None, hex));
    assert_eq!(db.row_counts().await[4], 2);
}

async fn a_stored_span_is_told_from_a_new_one(db: TestStore) {
    db.write(request().span(json_span("t", "stored", None))).await;
    let key = |trace: &str, id: &str| (TraceId::from_text(trace), SpanId::from_text(id));
    let asked = [key("t", "stored"), key("t", "new"), key("other", "stored")];
    let found = db.data().finished_spans_among(asked.into_iter()).await.unwrap();
    assert_eq!(found.into_iter().collect::<Vec<_>>(), [key("t", "stored")]);
    let of_others = db.fresh_tenant().finished_spans_among(asked.into_iter()).await.unwrap();
    assert!(of_others.is_empty());
}
