//! What is written is given back: the span as the API shows it, and every byte of its OTLP form.

use bennu_domain::cost::PriceBook;
use bennu_domain::kind::{SpanKind, StatusCode};
use bennu_domain::otlp::{split_request, validate_request};
use bennu_domain::span::{Span, SpanEvent};
use bennu_testkit::otlp::{request, span};
use bytes::{BufMut as _, Bytes, BytesMut};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::TracesData;
use prost::Message as _;
use serde_json::{Map, Value, json};

use bennu_store::PreparedSpan;
use std::sync::Arc;

use crate::support::{TestStore, at, every_span, on_both_engines, span_id, trace_id};

on_both_engines!(
    a_written_span_is_given_back,
    a_trace_is_exported_as_it_was_received,
    fields_newer_than_this_code_are_exported,
    a_trace_that_is_not_there_has_no_export,
);

fn object(json: Value) -> Map<String, Value> {
    serde_json::from_value(json).unwrap()
}

async fn a_written_span_is_given_back(db: TestStore) {
    let written = span(1, 2)
        .named("answer")
        .child_of(1)
        .from_to(10, 30)
        .kind(SpanKind::Chain)
        .status(StatusCode::Error, "no luck")
        .attribute("input.value", "question")
        .event("thought", 20, json!({"depth": 3}));
    db.write(request().project("demo").span(written)).await;

    let spans = every_span(db.data(), db.project("demo").await).await;
    let expected = Span {
        trace_id: trace_id(1),
        span_id: span_id(2),
        parent_id: Some(span_id(1)),
        text_ids: None,
        name: "answer".to_owned(),
        kind: SpanKind::Chain,
        start: at(10),
        end: at(30),
        status: StatusCode::Error,
        status_message: "no luck".to_owned(),
        attributes: object(
            json!({"openinference": {"span": {"kind": "CHAIN"}}, "input": {"value": "question"}}),
        ),
        events: vec![SpanEvent {
            name: "thought".to_owned(),
            time: at(20),
            attributes: object(json!({"depth": 3})),
        }],
    };
    assert_eq!(spans.into_iter().map(|stored| stored.span).collect::<Vec<_>>(), [expected]);
}

async fn a_trace_is_exported_as_it_was_received(db: TestStore) {
    let root = span(1, 1)
        .named("root")
        .trace_state("vendor=state")
        .flags(0x101)
        .link(7, 8, json!({"reason": "retry"}))
        .bytes_attribute("raw", [0, 159, 255])
        .attribute("nested", json!({"list": [1, "two", null, {"deep": true}]}))
        .status(StatusCode::Ok, "");
    let first = request()
        .project("demo")
        .resource_attribute("service.name", "shop")
        .scope("tracer", "1.2.3")
        .spans([root, span(1, 2).child_of(1), span(9, 1)]);
    let second =
        request().resource_attribute("service.name", "stock").scope("other", "").span(span(1, 3).child_of(2));
    db.write(first.clone()).await;
    db.write(second.clone()).await;

    let row = db.data().trace_row_with_id(trace_id(1)).await.unwrap().unwrap();
    let exported = TracesData::decode(db.data().export_trace(row).await.unwrap().unwrap()).unwrap();

    let mut sent = first.build();
    sent.resource_spans[0].scope_spans[0].spans.truncate(2); // the third is of another trace
    sent.resource_spans.extend(second.build().resource_spans);
    assert_eq!(exported.resource_spans, sent.resource_spans);
}

async fn fields_newer_than_this_code_are_exported(db: TestStore) {
    let field = |number: u64, content: &[u8]| {
        let mut encoded = BytesMut::new();
        prost::encoding::encode_varint(number << 3 | 2, &mut encoded);
        prost::encoding::encode_varint(content.len() as u64, &mut encoded);
        encoded.put_slice(content);
        encoded.freeze()
    };
    let span = [span(1, 1).build().encode_to_vec(), field(900, b"of the span").to_vec()].concat();
    let scope = [field(2, &span), field(901, b"of the scope")].concat();
    let resource = [field(902, b"of the resource"), field(2, &scope)].concat();
    let sent = field(1, &resource);
    let spans = PreparedSpan::from_request(
        validate_request(sent.clone()).unwrap().request,
        None,
        &PriceBook::default(),
    )
    .unwrap();
    db.data().write_spans(spans.into_iter().map(Arc::new).collect()).await.unwrap();

    let row = db.data().trace_row_with_id(trace_id(1)).await.unwrap().unwrap();
    let exported = db.data().export_trace(row).await.unwrap().unwrap();
    assert_eq!(split_request(&exported), split_request(&sent));
    assert_eq!(split_request(&exported).unwrap()[0].spans, [Bytes::from(span)]);
    assert!(ExportTraceServiceRequest::decode(exported).is_ok());
}

async fn a_trace_that_is_not_there_has_no_export(db: TestStore) {
    assert_eq!(db.data().export_trace(bennu_domain::ids::TraceRowId(1)).await.unwrap(), None);
    assert_eq!(db.data().trace_row_with_id(trace_id(1)).await.unwrap(), None);
}
