//! A span as the API shows it, read from its OTLP bytes.

use bytes::Bytes;
use opentelemetry_proto::tonic::trace::v1 as proto;
use prost::Message as _;
use serde_json::Value;

use crate::attributes::{Attributes, flat_values, shape, shape_json_span, whole_number};
use crate::ids::{SpanId, TraceId};
use crate::kind::{SPAN_KIND_ATTRIBUTE, SpanKind, StatusCode};
use crate::own_attributes::{JSON_SPAN, Parted};
use crate::text_ids::TextIds;
use crate::time::Timestamp;

/// A decoded span. `attributes` are nested and shaped; see [`crate::attributes`].
#[derive(Debug, Clone, PartialEq)]
pub struct Span {
    pub trace_id: TraceId,
    pub span_id: SpanId,
    pub parent_id: Option<SpanId>,
    /// What the sender wrote for the ids, where that is another text.
    pub text_ids: Option<Box<TextIds>>,
    pub name: String,
    pub kind: SpanKind,
    pub start: Timestamp,
    pub end: Timestamp,
    pub status: StatusCode,
    pub status_message: String,
    pub attributes: Attributes,
    pub events: Vec<SpanEvent>,
}

/// Something that happened during a span. Attributes are flat.
#[derive(Debug, Clone, PartialEq)]
pub struct SpanEvent {
    pub name: String,
    pub time: Timestamp,
    pub attributes: Attributes,
}

/// Bytes that are not an OTLP span with valid ids; checked at the edge, so stored spans never give it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a storable OTLP span: {0}")]
pub struct SpanError(String);

impl Span {
    /// Reads the bytes of an OTLP `Span` message.
    pub fn decode(bytes: &Bytes) -> Result<Self, SpanError> {
        let span = proto::Span::decode(bytes.as_ref()).map_err(|error| SpanError(error.to_string()))?;
        Self::from_otlp(span)
    }

    /// Reads a decoded OTLP `Span` message.
    pub fn from_otlp(span: proto::Span) -> Result<Self, SpanError> {
        let status = span.status.unwrap_or_default();
        let trace_id =
            TraceId::from_bytes(&span.trace_id).map_err(|error| SpanError(format!("trace_id {error}")))?;
        let span_id =
            SpanId::from_bytes(&span.span_id).map_err(|error| SpanError(format!("span_id {error}")))?;
        let parent_id = SpanId::from_bytes(&span.parent_span_id).ok();
        let parted = Parted::new(span.attributes);
        let is_json = parted.is_true(JSON_SPAN);
        let text_ids = TextIds::read(&parted, trace_id, span_id, parent_id);
        let attributes = if is_json { shape_json_span(parted.shown) } else { shape(parted.shown) };
        let read_event = if is_json { read_json_event } else { read_event };
        Ok(Self {
            trace_id,
            span_id,
            parent_id,
            text_ids,
            name: span.name,
            kind: attributes_kind(&attributes),
            start: Timestamp::from_unix_nano(span.start_time_unix_nano),
            end: Timestamp::from_unix_nano(span.end_time_unix_nano),
            status: StatusCode::from_otlp(status.code),
            status_message: status.message,
            events: span.events.into_iter().map(read_event).collect(),
            attributes,
        })
    }

    /// The trace id as the sender wrote it.
    pub fn trace_id_text(&self) -> String {
        let text = self.text_ids.as_ref().and_then(|texts| texts.trace.clone());
        text.unwrap_or_else(|| self.trace_id.to_string())
    }

    /// The span id as the sender wrote it.
    pub fn span_id_text(&self) -> String {
        let text = self.text_ids.as_ref().and_then(|texts| texts.span.clone());
        text.unwrap_or_else(|| self.span_id.to_string())
    }

    /// The id of the parent as the sender wrote it.
    pub fn parent_id_text(&self) -> Option<String> {
        let text = self.text_ids.as_ref().and_then(|texts| texts.parent.clone());
        text.or_else(|| Some(self.parent_id?.to_string()))
    }

    /// The kind as the sender wrote it (`"llm"` stays `"llm"`); `UNKNOWN` if it wrote none.
    pub fn kind_text(&self) -> &str {
        lookup(&self.attributes, SPAN_KIND_ATTRIBUTE)
            .and_then(Value::as_str)
            .unwrap_or(SpanKind::Unknown.as_str())
    }

    /// Whether a later version may replace it; see [`crate::span_version`].
    pub fn is_unfinished(&self) -> bool {
        self.end == Timestamp(0)
            || lookup(&self.attributes, &["bennu", "partial"]) == Some(&Value::Bool(true))
    }

    /// About the bytes of its texts and numbers. Decoded it takes some times as much.
    pub fn weight(&self) -> usize {
        let events = self.events.iter().map(|event| event.name.len() + weight_of(&event.attributes));
        self.name.len() + self.status_message.len() + weight_of(&self.attributes) + events.sum::<usize>()
    }

    /// `session.id` as trimmed text; any scalar counts, blank text does not.
    pub fn session_id(&self) -> Option<String> {
        let text = match lookup(&self.attributes, &["session", "id"])? {
            Value::String(text) => text.trim().to_owned(),
            Value::Bool(true) => "True".to_owned(),
            Value::Bool(false) => "False".to_owned(),
            Value::Number(number) => number.to_string(),
            Value::Null | Value::Array(_) | Value::Object(_) => return None,
        };
        (!text.is_empty()).then_some(text)
    }

    /// Prompt and completion tokens: LLM spans only, 0 where the sender gave no usable number.
    pub fn token_counts(&self) -> Option<TokenCounts> {
        let count = |kind: &str| {
            let value = lookup(&self.attributes, &["llm", "token_count", kind]);
            value.and_then(whole_number).unwrap_or(0)
        };
        (self.kind == SpanKind::Llm)
            .then(|| TokenCounts { prompt: count("prompt"), completion: count("completion") })
    }
}

/// Tokens that an LLM span used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TokenCounts {
    pub prompt: i64,
    pub completion: i64,
}

/// See [`Span::weight`].
fn weight_of(members: &Attributes) -> usize {
    fn of(value: &Value) -> usize {
        /// A number, or what is around anything.
        const LEAST: usize = 8;
        LEAST
            + match value {
                Value::String(text) => text.len(),
                Value::Array(items) => items.iter().map(of).sum(),
                Value::Object(members) => weight_of(members),
                Value::Null | Value::Bool(_) | Value::Number(_) => 0,
            }
    }
    members.iter().map(|(key, value)| key.len() + of(value)).sum()
}

/// Follows `path` through nested objects; lists are not entered.
pub fn lookup<'a>(attributes: &'a Attributes, path: &[&str]) -> Option<&'a Value> {
    let (last, parents) = path.split_last()?;
    let parent = parents.iter().try_fold(attributes, |node, segment| node.get(*segment)?.as_object())?;
    parent.get(*last)
}

fn attributes_kind(attributes: &Attributes) -> SpanKind {
    let text = lookup(attributes, SPAN_KIND_ATTRIBUTE).and_then(Value::as_str);
    text.and_then(|text| SpanKind::parse(&text.to_uppercase())).unwrap_or(SpanKind::Unknown)
}

/// The attributes that an exception event keeps (OpenTelemetry semantic conventions, exceptions).
const EXCEPTION_ATTRIBUTES: [&str; 4] =
    ["exception.type", "exception.message", "exception.escaped", "exception.stacktrace"];

fn read_event(event: proto::span::Event) -> SpanEvent {
    let mut read = read_json_event(event);
    if read.name == "exception" {
        read.attributes.retain(|key, _| EXCEPTION_ATTRIBUTES.contains(&key.as_str()));
        read.attributes.entry("exception.message").or_insert_with(|| Value::String(String::new()));
    }
    read
}

/// Events of spans that came as JSON stay as they were given.
fn read_json_event(event: proto::span::Event) -> SpanEvent {
    SpanEvent {
        name: event.name,
        time: Timestamp::from_unix_nano(event.time_unix_nano),
        attributes: flat_values(event.attributes),
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};

    use super::*;

    fn text(key: &str, value: &str) -> KeyValue {
        let value = Some(AnyValue { value: Some(any_value::Value::StringValue(value.to_owned())) });
        KeyValue { key: key.to_owned(), value, ..Default::default() }
    }

    fn span(attributes: Vec<KeyValue>) -> Span {
        let span =
            proto::Span { trace_id: vec![1; 16], span_id: vec![2; 8], attributes, ..Default::default() };
        Span::decode(&span.encode_to_vec().into()).unwrap()
    }

    #[test]
    fn the_kind_column_is_upper_case_and_the_text_stays_as_sent() {
        let llm = span(vec![text("openinference.span.kind", "llm")]);
        assert_eq!((llm.kind, llm.kind_text()), (SpanKind::Llm, "llm"));
        let other = span(vec![text("openinference.span.kind", "wizard")]);
        assert_eq!((other.kind, other.kind_text()), (SpanKind::Unknown, "wizard"));
        assert_eq!(span(vec![]).kind_text(), "UNKNOWN");
    }

    #[test]
    fn session_ids_are_trimmed_and_blank_ones_are_none() {
        assert_eq!(span(vec![text("session.id", " s1 ")]).session_id().as_deref(), Some("s1"));
        assert_eq!(span(vec![text("session.id", "  ")]).session_id(), None);
    }

    #[test]
    fn only_llm_spans_count_tokens_and_bad_numbers_count_zero() {
        let attributes = vec![
            text("openinference.span.kind", "LLM"),
            text("llm.token_count.prompt", "12"),
            text("llm.token_count.completion", "many"),
        ];
        assert_eq!(span(attributes).token_counts(), Some(TokenCounts { prompt: 12, completion: 0 }));
        assert_eq!(span(vec![text("llm.token_count.prompt", "12")]).token_counts(), None);
    }
}
