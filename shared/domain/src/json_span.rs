//! Spans that come as JSON of the REST API become OTLP spans, and are stored as those.
//!
//! Their attributes are nested like all others, but nothing else is read into them: JSON text stays text, token counts
//! keep their type, other conventions are not translated.

use opentelemetry_proto::tonic::common::v1::any_value::Value as Otlp;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue, KeyValueList};
use opentelemetry_proto::tonic::trace::v1 as proto;
use serde_json::Value;

use crate::attributes::Attributes;
use crate::ids::{SpanId, TraceId};
use crate::kind::StatusCode;
use crate::own_attributes::{JSON_SPAN, PARENT_ID_TEXT, SPAN_ID_TEXT, TRACE_ID_TEXT, own_attribute};
use crate::time::Timestamp;

/// Objects and lists inside each other. OTLP allows 100 nested messages, of which an object takes three.
const DEEPEST: usize = 30;

/// The attribute that says the kind of a span.
pub(crate) const KIND: &str = "openinference.span.kind";

/// A span as the REST API takes it.
#[derive(Debug, Clone, PartialEq)]
pub struct JsonSpan {
    pub name: String,
    /// Any text; see [`crate::text_ids`].
    pub trace_id: String,
    pub span_id: String,
    pub parent_id: Option<String>,
    pub kind: String,
    pub start: Timestamp,
    pub end: Timestamp,
    /// In any case; unknown ones count as unset.
    pub status: String,
    pub status_message: String,
    /// Flat, nested, or both
    pub attributes: Attributes,
    pub events: Vec<JsonEvent>,
}

/// An event of a [`JsonSpan`].
#[derive(Debug, Clone, PartialEq)]
pub struct JsonEvent {
    pub name: String,
    pub time: Timestamp,
    pub attributes: Attributes,
}

/// Why OTLP cannot express a span.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JsonSpanError {
    #[error("{0} is empty")]
    EmptyId(&'static str),
    #[error("{0} is before 1970")]
    TooEarly(&'static str),
    #[error("{0} are nested deeper than {DEEPEST} levels")]
    TooDeep(&'static str),
}

impl JsonSpan {
    pub fn into_otlp(self) -> Result<proto::Span, JsonSpanError> {
        let mut attributes = vec![own_attribute(JSON_SPAN, Otlp::BoolValue(true))];
        let mut keep_text = |key: &str, text: &str, shown: bool| {
            if !shown {
                attributes.push(own_attribute(key, Otlp::StringValue(text.to_owned())));
            }
        };
        let [trace_id, span_id] = [("context.trace_id", &self.trace_id), ("context.span_id", &self.span_id)];
        for (field, text) in [trace_id, span_id] {
            if text.is_empty() {
                return Err(JsonSpanError::EmptyId(field));
            }
        }
        keep_text(TRACE_ID_TEXT, &self.trace_id, TraceId::shown_as(&self.trace_id).is_some());
        keep_text(SPAN_ID_TEXT, &self.span_id, SpanId::shown_as(&self.span_id).is_some());
        let parent = self.parent_id.filter(|parent| !parent.is_empty());
        if let Some(parent) = &parent {
            keep_text(PARENT_ID_TEXT, parent, SpanId::shown_as(parent).is_some());
        }
        attributes.extend(key_values(self.attributes, "attributes")?);
        attributes.retain(|pair| pair.key != KIND);
        attributes.push(own_attribute(KIND, Otlp::StringValue(self.kind)));
        let status = StatusCode::parse(&self.status.to_uppercase()).unwrap_or(StatusCode::Unset);
        Ok(proto::Span {
            trace_id: TraceId::from_text(&self.trace_id).as_bytes().to_vec(),
            span_id: SpanId::from_text(&self.span_id).as_bytes().to_vec(),
            parent_span_id: parent
                .map(|text| SpanId::from_text(&text).as_bytes().to_vec())
                .unwrap_or_default(),
            name: self.name,
            start_time_unix_nano: unix_nano(self.start, "start_time")?,
            end_time_unix_nano: unix_nano(self.end, "end_time")?,
            status: Some(proto::Status { code: i32::from(status.code()), message: self.status_message }),
            attributes,
            events: self.events.into_iter().map(event).collect::<Result<_, _>>()?,
            ..proto::Span::default()
        })
    }
}

fn event(event: JsonEvent) -> Result<proto::span::Event, JsonSpanError> {
    Ok(proto::span::Event {
        time_unix_nano: unix_nano(event.time, "timestamp of an event")?,
        name: event.name,
        attributes: key_values(event.attributes, "attributes of an event")?,
        dropped_attributes_count: 0,
    })
}

fn unix_nano(time: Timestamp, field: &'static str) -> Result<u64, JsonSpanError> {
    if time.0 < 0 { Err(JsonSpanError::TooEarly(field)) } else { Ok(time.unix_nano()) }
}

fn key_values(members: Attributes, field: &'static str) -> Result<Vec<KeyValue>, JsonSpanError> {
    let all: Option<Vec<KeyValue>> = members.into_iter().map(|member| key_value(member, DEEPEST)).collect();
    all.ok_or(JsonSpanError::TooDeep(field))
}

/// `None` if it is deeper than `levels`.
fn key_value((key, value): (String, Value), levels: usize) -> Option<KeyValue> {
    Some(KeyValue { key, value: Some(any_value(value, levels)?), ..KeyValue::default() })
}

/// The OTLP value that reads as this one. Whole numbers beyond OTLP's 64 signed bits become doubles.
fn any_value(value: Value, levels: usize) -> Option<AnyValue> {
    let value = match value {
        Value::Null => None,
        Value::Bool(flag) => Some(Otlp::BoolValue(flag)),
        Value::Number(number) => Some(match number.as_i64() {
            Some(whole) => Otlp::IntValue(whole),
            None => Otlp::DoubleValue(number.as_f64().unwrap_or(f64::NAN)),
        }),
        Value::String(text) => Some(Otlp::StringValue(text)),
        Value::Array(items) => {
            let below = levels.checked_sub(1)?;
            let values = items.into_iter().map(|item| any_value(item, below)).collect::<Option<_>>()?;
            Some(Otlp::ArrayValue(ArrayValue { values }))
        }
        Value::Object(members) => {
            let below = levels.checked_sub(1)?;
            let values = members.into_iter().map(|member| key_value(member, below)).collect::<Option<_>>()?;
            Some(Otlp::KvlistValue(KeyValueList { values }))
        }
    };
    Some(AnyValue { value })
}

#[cfg(test)]
mod tests {
    use prost::Message as _;
    use serde_json::json;

    use super::*;
    use crate::kind::SpanKind;
    use crate::span::Span;

    fn span(attributes: Value) -> JsonSpan {
        let Value::Object(attributes) = attributes else { panic!("an object") };
        JsonSpan {
            name: "n".to_owned(),
            trace_id: "0af7651916cd43dd8448eb211c80319c".to_owned(),
            span_id: "00f067aa0ba902b7".to_owned(),
            parent_id: None,
            kind: "LLM".to_owned(),
            start: Timestamp(1_700_000_000_123_456),
            end: Timestamp(1_700_000_001_000_000),
            status: "ok".to_owned(),
            status_message: String::new(),
            attributes,
            events: Vec::new(),
        }
    }

    /// As every reader sees it, once it was stored.
    fn stored(span: JsonSpan) -> Span {
        Span::decode(&span.into_otlp().unwrap().encode_to_vec().into()).unwrap()
    }

    #[test]
    fn attributes_are_nested_and_otherwise_left_alone() {
        let read = stored(span(json!({
            "metadata": "{\"a\":1}", "llm.token_count.prompt": "12", "gen_ai.request.model": "m", "none": null,
            "input.value": {"q": 1}, "list": [1, {"a": 2}, null], "deep": {"a.b": {"c": 1}}
        })));
        let expected = json!({
            "metadata": "{\"a\":1}", "llm": {"token_count": {"prompt": "12"}}, "gen_ai": {"request": {"model": "m"}},
            "input": {"value": {"q": 1}}, "list": [1, {"a": 2}, null], "deep": {"a.b": {"c": 1}},
            "openinference": {"span": {"kind": "LLM"}}
        });
        assert_eq!(Value::Object(read.attributes.clone()), expected);
        assert_eq!(read.token_counts().unwrap().prompt, 12);
        assert_eq!((read.start.0, read.status), (1_700_000_000_123_456, StatusCode::Ok));
    }

    #[test]
    fn the_kind_of_the_span_wins_over_that_of_its_attributes() {
        let kinds = [
            json!({"openinference.span.kind": "TOOL"}),
            json!({"openinference": {"span": {"kind": "TOOL"}}}),
            json!({"openinference": 5}),
        ];
        for attributes in kinds {
            let read = stored(span(attributes));
            assert_eq!((read.kind, read.kind_text()), (SpanKind::Llm, "LLM"));
        }
    }

    #[test]
    fn ids_in_words_come_back_and_ids_of_opentelemetry_need_no_text() {
        let named =
            JsonSpan { trace_id: "my trace".to_owned(), parent_id: Some("p".to_owned()), ..span(json!({})) };
        let read = stored(named);
        assert_eq!(
            (read.trace_id_text(), read.span_id_text(), read.parent_id_text()),
            ("my trace".to_owned(), "00f067aa0ba902b7".to_owned(), Some("p".to_owned()))
        );
        assert_eq!(read.attributes.len(), 1, "{:?}", read.attributes);
        assert_eq!(stored(span(json!({}))).text_ids, None);
    }

    #[test]
    fn nobody_can_put_words_on_the_id_of_another() {
        let mut otlp = span(json!({})).into_otlp().unwrap();
        otlp.attributes.push(own_attribute(TRACE_ID_TEXT, Otlp::StringValue("forged".to_owned())));
        assert_eq!(Span::from_otlp(otlp).unwrap().text_ids, None);
    }

    #[test]
    fn what_otlp_cannot_say_is_an_error() {
        let early = JsonSpan { end: Timestamp(-1), ..span(json!({})) };
        assert_eq!(early.into_otlp(), Err(JsonSpanError::TooEarly("end_time")));
        let nameless = JsonSpan { span_id: String::new(), ..span(json!({})) };
        assert_eq!(nameless.into_otlp(), Err(JsonSpanError::EmptyId("context.span_id")));
    }

    #[test]
    fn the_deepest_attributes_that_are_taken_can_be_read() {
        let nested = |levels: usize| (0..levels).fold(json!(1), |inner, _| json!({ "a": inner }));
        let deepest = json!({ "a": nested(DEEPEST) });
        let with_event = |attributes: &Value| {
            let event = JsonEvent {
                name: "e".to_owned(),
                time: Timestamp(1),
                attributes: attributes.as_object().unwrap().clone(),
            };
            JsonSpan { events: vec![event], ..span(attributes.clone()) }
        };
        let read = stored(with_event(&deepest));
        assert_eq!(read.attributes["a"], deepest["a"]);
        assert_eq!(read.events[0].attributes["a"], deepest["a"]);
        let deeper = json!({ "a": nested(DEEPEST + 1) });
        assert_eq!(span(deeper).into_otlp(), Err(JsonSpanError::TooDeep("attributes")));
    }
}
