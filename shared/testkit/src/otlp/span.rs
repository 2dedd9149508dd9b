//! One OTLP span, said fluently.

use bennu_domain::kind::{SpanKind, StatusCode};
use opentelemetry_proto::tonic::common::v1::any_value::Value as Otlp;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1 as proto;
use serde_json::{Map, Value};

use super::{key_value, span_id, trace_id};

/// Times of built spans count from here: 2023-11-14T22:13:20Z, in microseconds since 1970.
pub const EPOCH_MICROS: i64 = 1_700_000_000_000_000;

/// A span under construction. Times are microseconds after [`EPOCH_MICROS`].
#[derive(Debug, Clone)]
#[must_use]
pub struct SpanBuilder {
    span: proto::Span,
}

/// A span with the ids that end with these numbers, named `span`, from 0 to 1,000 µs.
pub fn span(trace: u128, id: u64) -> SpanBuilder {
    let span = proto::Span {
        trace_id: trace_id(trace).as_bytes().to_vec(),
        span_id: span_id(id).as_bytes().to_vec(),
        name: "span".to_owned(),
        ..proto::Span::default()
    };
    SpanBuilder { span }.from_to(0, 1_000)
}

/// A span that was made elsewhere.
impl From<proto::Span> for SpanBuilder {
    fn from(span: proto::Span) -> Self {
        Self { span }
    }
}

impl SpanBuilder {
    /// The same span under another number.
    pub fn identified(mut self, id: u64) -> Self {
        self.span.span_id = span_id(id).as_bytes().to_vec();
        self
    }

    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.span.name = name.into();
        self
    }

    /// The parent is the span of that number.
    pub fn child_of(mut self, parent: u64) -> Self {
        self.span.parent_span_id = span_id(parent).as_bytes().to_vec();
        self
    }

    pub fn from_to(mut self, start: i64, end: i64) -> Self {
        self.span.start_time_unix_nano = nanos(start);
        self.span.end_time_unix_nano = nanos(end);
        self
    }

    /// Changes the start only.
    pub fn starting_at(mut self, start: i64) -> Self {
        self.span.start_time_unix_nano = nanos(start);
        self
    }

    /// Without an end time, as a span that is still running.
    pub fn unended(mut self) -> Self {
        self.span.end_time_unix_nano = 0;
        self
    }

    /// The OpenInference kind, which is an attribute.
    pub fn kind(self, kind: SpanKind) -> Self {
        self.attribute("openinference.span.kind", kind.as_str())
    }

    /// The kind of OpenTelemetry (server, client, …).
    pub fn otlp_kind(mut self, kind: proto::span::SpanKind) -> Self {
        self.span.kind = kind.into();
        self
    }

    pub fn status(mut self, code: StatusCode, message: &str) -> Self {
        self.span.status = Some(proto::Status { code: i32::from(code.code()), message: message.to_owned() });
        self
    }

    pub fn error(self) -> Self {
        self.status(StatusCode::Error, "failed")
    }

    pub fn session(self, id: &str) -> Self {
        self.attribute("session.id", id)
    }

    /// Prompt and completion tokens, and the kind LLM, without which they do not count.
    pub fn tokens(self, prompt: i64, completion: i64) -> Self {
        self.kind(SpanKind::Llm)
            .attribute("llm.token_count.prompt", prompt)
            .attribute("llm.token_count.completion", completion)
    }

    pub fn attribute(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        self.span.attributes.push(key_value(key, value));
        self
    }

    /// An attribute with a bytes value, which JSON cannot say.
    pub fn bytes_attribute(mut self, key: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        let value = Some(AnyValue { value: Some(Otlp::BytesValue(bytes.into())) });
        self.span.attributes.push(KeyValue { key: key.into(), value, ..KeyValue::default() });
        self
    }

    /// `attributes` is a JSON object.
    pub fn event(mut self, name: &str, at: i64, attributes: Value) -> Self {
        self.span.events.push(proto::span::Event {
            time_unix_nano: nanos(at),
            name: name.to_owned(),
            attributes: members(attributes),
            ..proto::span::Event::default()
        });
        self
    }

    /// A link to a span of another trace; `attributes` is a JSON object.
    pub fn link(mut self, trace: u128, id: u64, attributes: Value) -> Self {
        self.span.links.push(proto::span::Link {
            trace_id: trace_id(trace).as_bytes().to_vec(),
            span_id: span_id(id).as_bytes().to_vec(),
            attributes: members(attributes),
            ..proto::span::Link::default()
        });
        self
    }

    pub fn trace_state(mut self, state: &str) -> Self {
        state.clone_into(&mut self.span.trace_state);
        self
    }

    pub fn flags(mut self, flags: u32) -> Self {
        self.span.flags = flags;
        self
    }

    pub fn build(self) -> proto::Span {
        self.span
    }
}

fn nanos(micros: i64) -> u64 {
    u64::try_from(EPOCH_MICROS + micros).expect("a time after 1970") * 1_000
}

fn members(object: Value) -> Vec<KeyValue> {
    let members: Map<String, Value> = serde_json::from_value(object).expect("a JSON object");
    members.into_iter().map(|(key, value)| key_value(key, value)).collect()
}
