//! Tells sound spans by walking over their bytes: at the edge nobody needs what is in them, and building it to throw it away takes
//! five times as long.

use prost::encoding::WireType;

use super::wire::split_field;

/// What a field of a message holds.
enum Kind {
    /// Not of this version of OTLP: it is kept as it is.
    Unknown,
    Varint,
    Fixed32,
    Fixed64,
    Bytes,
    Text,
    Message(&'static Message),
}

/// The fields of a message by their number.
type Message = [Kind];

use Kind::{Bytes, Fixed32, Fixed64, Text, Unknown, Varint};

/// The messages of the OTLP specification 1.x, with the numbers of their fields.
static SPAN: [Kind; 17] = [
    Unknown,
    Bytes,                     // trace_id
    Bytes,                     // span_id
    Text,                      // trace_state
    Bytes,                     // parent_span_id
    Text,                      // name
    Varint,                    // kind
    Fixed64,                   // start_time_unix_nano
    Fixed64,                   // end_time_unix_nano
    Kind::Message(&KEY_VALUE), // attributes
    Varint,                    // dropped_attributes_count
    Kind::Message(&EVENT),     // events
    Varint,                    // dropped_events_count
    Kind::Message(&LINK),      // links
    Varint,                    // dropped_links_count
    Kind::Message(&STATUS),    // status
    Fixed32,                   // flags
];
/// Time, name, attributes, count of those dropped.
static EVENT: [Kind; 5] = [Unknown, Fixed64, Text, Kind::Message(&KEY_VALUE), Varint];
/// Trace id, span id, trace state, attributes, count of those dropped, flags.
static LINK: [Kind; 7] = [Unknown, Bytes, Bytes, Text, Kind::Message(&KEY_VALUE), Varint, Fixed32];
/// Message and code.
static STATUS: [Kind; 4] = [Unknown, Unknown, Text, Varint];
/// Key, value, and the key's place in a table that only profiles have.
static KEY_VALUE: [Kind; 4] = [Unknown, Text, Kind::Message(&ANY_VALUE), Varint];
/// Text, boolean, integer, double, list, map, bytes, and a place in that table.
static ANY_VALUE: [Kind; 9] = [
    Unknown,
    Text,
    Varint,
    Varint,
    Fixed64,
    Kind::Message(&ARRAY_VALUE),
    Kind::Message(&KEY_VALUE_LIST),
    Bytes,
    Varint,
];
static ARRAY_VALUE: [Kind; 2] = [Unknown, Kind::Message(&ANY_VALUE)];
static KEY_VALUE_LIST: [Kind; 2] = [Unknown, Kind::Message(&KEY_VALUE)];

/// Messages within messages that are looked into; the decoder allows more.
const DEPTH: usize = 32;

/// Whether the decoder will surely take the bytes for a span. It has the last word on those of which this is not sure: what is
/// nested deeply, and groups.
pub(super) fn is_sound_span(bytes: &[u8]) -> bool {
    is_sound(bytes, &SPAN, DEPTH)
}

fn is_sound(mut bytes: &[u8], message: &'static Message, depth: usize) -> bool {
    while !bytes.is_empty() {
        let Some((number, wire_type, payload)) = split_field(&mut bytes) else { return false };
        let kind = usize::try_from(number).ok().and_then(|number| message.get(number)).unwrap_or(&Unknown);
        let sound = match (kind, wire_type) {
            (Unknown, _)
            | (Varint, WireType::Varint)
            | (Fixed32, WireType::ThirtyTwoBit)
            | (Fixed64, WireType::SixtyFourBit)
            | (Bytes, WireType::LengthDelimited) => true,
            (Text, WireType::LengthDelimited) => std::str::from_utf8(payload).is_ok(),
            (Kind::Message(child), WireType::LengthDelimited) => {
                depth > 0 && is_sound(payload, child, depth - 1)
            }
            _ => false,
        };
        if !sound {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::common::v1::any_value::Value;
    use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue, KeyValueList};
    use opentelemetry_proto::tonic::trace::v1 as proto;
    use proptest::prelude::*;
    use prost::Message as _;

    use super::*;

    fn any_value(value: Value) -> AnyValue {
        AnyValue { value: Some(value) }
    }

    fn pair(key: &str, value: Value) -> KeyValue {
        KeyValue { key: key.to_owned(), value: Some(any_value(value)), key_strindex: 3 }
    }

    /// With every field of every message.
    fn whole() -> proto::Span {
        let list = Value::ArrayValue(ArrayValue {
            values: vec![any_value(Value::IntValue(-1)), any_value(Value::DoubleValue(0.5))],
        });
        let map = Value::KvlistValue(KeyValueList {
            values: vec![pair("in", Value::BytesValue(vec![255])), pair("flag", Value::BoolValue(true))],
        });
        let attributes = vec![
            pair("text", Value::StringValue("naïve".to_owned())),
            pair("list", list),
            pair("map", map),
            pair("place", Value::StringValueStrindex(300)),
        ];
        proto::Span {
            trace_id: vec![1; 16],
            span_id: vec![2; 8],
            trace_state: "a=b".to_owned(),
            parent_span_id: vec![3; 8],
            flags: 257,
            name: "name".to_owned(),
            kind: 2,
            start_time_unix_nano: 1,
            end_time_unix_nano: u64::MAX,
            dropped_attributes_count: 1,
            events: vec![proto::span::Event {
                time_unix_nano: 7,
                name: "event".to_owned(),
                attributes: attributes.clone(),
                dropped_attributes_count: 1,
            }],
            dropped_events_count: 2,
            links: vec![proto::span::Link {
                trace_id: vec![1; 16],
                span_id: vec![2; 8],
                trace_state: "c".to_owned(),
                attributes: attributes.clone(),
                dropped_attributes_count: 1,
                flags: 1,
            }],
            dropped_links_count: 3,
            status: Some(proto::Status { message: "fine".to_owned(), code: 1 }),
            attributes,
        }
    }

    #[test]
    fn whole_spans_and_fields_that_are_new_are_sound() {
        let mut bytes = whole().encode_to_vec();
        assert!(is_sound_span(&bytes));
        bytes.extend([0xba, 0x3e, 1, 255]); // field 999, one byte
        assert!(is_sound_span(&bytes));
        assert!(is_sound_span(&[]));
    }

    #[test]
    fn what_is_nested_deeply_is_left_to_the_decoder() {
        let level = |inner: AnyValue, _| any_value(Value::ArrayValue(ArrayValue { values: vec![inner] }));
        let span = |levels| {
            let value = Some((0..levels).fold(any_value(Value::BoolValue(true)), level));
            let attributes = vec![KeyValue { value, ..KeyValue::default() }];
            proto::Span { attributes, ..proto::Span::default() }.encode_to_vec()
        };
        assert!(is_sound_span(&span(10)));
        assert!(!is_sound_span(&span(40)));
    }

    proptest! {
        /// Whatever is sound can be decoded, and what cannot be decoded is not sound.
        #[test]
        fn the_decoder_takes_what_is_sound(
            changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
            cut in any::<prop::sample::Index>(),
            is_cut in any::<bool>(),
        ) {
            let mut bytes = whole().encode_to_vec();
            for (place, byte) in changes {
                let place = place.index(bytes.len());
                bytes[place] = byte;
            }
            if is_cut {
                bytes.truncate(cut.index(bytes.len()));
            }
            let decoded = proto::Span::decode(bytes.as_slice());
            prop_assert!(!is_sound_span(&bytes) || decoded.is_ok(), "{decoded:?}");
            // Groups aside, it is not more careful than it must.
            let has_groups = bytes.iter().any(|byte| matches!(byte & 7, 3 | 4));
            prop_assert!(is_sound_span(&bytes) || decoded.is_err() || has_groups);
        }

        #[test]
        fn the_decoder_takes_any_bytes_that_are_sound(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            prop_assert!(!is_sound_span(&bytes) || proto::Span::decode(bytes.as_slice()).is_ok());
        }
    }
}
