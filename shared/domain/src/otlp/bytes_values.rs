//! Looks for bytes among the attributes of spans that are not decoded.

use prost::encoding::WireType;

use super::wire::split_field;

/// Numbers of fields in the OTLP messages `Span`, `KeyValue` and `AnyValue`, and in the lists of the last.
pub(crate) const SPAN_TRACE_ID: u32 = 1;
pub(crate) const SPAN_ID: u32 = 2;
pub(crate) const SPAN_PARENT_ID: u32 = 4;
pub(crate) const SPAN_NAME: u32 = 5;
pub(crate) const SPAN_ATTRIBUTES: u32 = 9;
pub(crate) const KEY_VALUE_KEY: u32 = 1;
const KEY_VALUE_VALUE: u32 = 2;
const ARRAY_VALUE: u32 = 5;
const KVLIST_VALUE: u32 = 6;
const BYTES_VALUE: u32 = 7;
const LIST_VALUES: u32 = 1;

/// Whether an attribute of an OTLP span is bytes, or holds some; also `true` of what is no such message.
pub(crate) fn has_bytes_attribute(span: &[u8]) -> bool {
    any_field(span, |number, payload| number == SPAN_ATTRIBUTES && in_pair(payload))
}

fn in_pair(pair: &[u8]) -> bool {
    any_field(pair, |number, payload| number == KEY_VALUE_VALUE && in_value(payload))
}

/// As deep as the value is nested, which was bounded when the span was taken in.
fn in_value(value: &[u8]) -> bool {
    any_field(value, |number, payload| match number {
        BYTES_VALUE => true,
        ARRAY_VALUE => any_field(payload, |number, item| number == LIST_VALUES && in_value(item)),
        KVLIST_VALUE => any_field(payload, |number, pair| number == LIST_VALUES && in_pair(pair)),
        _ => false,
    })
}

/// Whether `wanted` is true of a length-delimited field, or the message cannot be read; other fields are passed over.
pub(crate) fn any_field<'m>(mut message: &'m [u8], mut wanted: impl FnMut(u32, &'m [u8]) -> bool) -> bool {
    while !message.is_empty() {
        let Some((number, wire_type, payload)) = split_field(&mut message) else { return true };
        if wire_type == WireType::LengthDelimited && wanted(number, payload) {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::common::v1::any_value::Value;
    use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue, KeyValueList};
    use opentelemetry_proto::tonic::trace::v1::{Span, span::Event};
    use prost::Message as _;

    use super::*;

    fn any(value: Value) -> AnyValue {
        AnyValue { value: Some(value) }
    }

    fn pair(value: Value) -> KeyValue {
        KeyValue { key: "key".to_owned(), value: Some(any(value)), ..KeyValue::default() }
    }

    fn span(attributes: Vec<KeyValue>) -> Vec<u8> {
        let event = Event { attributes: vec![pair(Value::BytesValue(vec![1]))], ..Event::default() };
        let span =
            Span { trace_id: vec![1; 16], attributes, events: vec![event], flags: 1, ..Span::default() };
        span.encode_to_vec()
    }

    #[test]
    fn bytes_are_found_wherever_they_are_in_attributes() {
        let bytes = || Value::BytesValue(b"x".to_vec());
        let list =
            |value| Value::ArrayValue(ArrayValue { values: vec![any(Value::IntValue(1)), any(value)] });
        let map = |value| Value::KvlistValue(KeyValueList { values: vec![pair(value)] });
        let text = || Value::StringValue("plain".to_owned());
        for held in [bytes(), list(bytes()), map(list(bytes()))] {
            assert!(has_bytes_attribute(&span(vec![pair(text()), pair(held)])));
        }
        for other in [text(), Value::DoubleValue(1.0), Value::BoolValue(true), map(list(text()))] {
            assert!(!has_bytes_attribute(&span(vec![pair(other)])));
        }
    }

    #[test]
    fn what_is_no_span_may_hold_anything() {
        let whole = span(vec![pair(Value::StringValue("plain".to_owned()))]);
        assert!(has_bytes_attribute(&whole[..whole.len() - 1]));
        assert!(!has_bytes_attribute(&[]));
    }
}
