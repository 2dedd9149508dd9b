//! OTLP values as JSON.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Otlp;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use serde_json::{Number, Value};

use super::Attributes;

/// The JSON of an OTLP value; `None` if it is unset.
///
/// What JSON cannot say becomes text: bytes are standard base64, the other doubles `NaN`, `Infinity` and
/// `-Infinity`. Unset members of lists and maps are `null`. Depth is that of the value, which the protobuf
/// decoder bounds (100 nested messages).
pub fn to_json(value: AnyValue) -> Option<Value> {
    Some(match value.value? {
        Otlp::StringValue(text) => Value::String(text),
        Otlp::BoolValue(flag) => Value::Bool(flag),
        Otlp::IntValue(number) => Value::from(number),
        Otlp::DoubleValue(number) => double(number),
        Otlp::ArrayValue(list) => {
            list.values.into_iter().map(|item| to_json(item).unwrap_or_default()).collect()
        }
        Otlp::KvlistValue(map) => map.values.into_iter().map(member).collect(),
        Otlp::BytesValue(bytes) => Value::String(STANDARD.encode(bytes)),
        // A reference into a table that only profiles have; OTLP asks other signals to take it as absent.
        Otlp::StringValueStrindex(_) => return None,
    })
}

/// Flat attributes, as events keep them: unset values are `null`, the last of equal keys wins.
pub fn flat_values(key_values: Vec<KeyValue>) -> Attributes {
    key_values.into_iter().map(member).collect()
}

/// Key and value of a pair, `null` if unset.
pub(super) fn member(pair: KeyValue) -> (String, Value) {
    (pair.key, pair.value.and_then(to_json).unwrap_or_default())
}

fn double(number: f64) -> Value {
    let name = match number {
        f64::INFINITY => "Infinity",
        f64::NEG_INFINITY => "-Infinity",
        _ => "NaN",
    };
    Number::from_f64(number).map_or_else(|| Value::from(name), Value::Number)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pair(key: &str, value: Option<Otlp>) -> KeyValue {
        KeyValue { key: key.to_owned(), value: Some(AnyValue { value }), ..KeyValue::default() }
    }

    #[test]
    fn event_values_stay_flat_and_unset_ones_are_null() {
        let event = [
            pair("a.b", Some(Otlp::IntValue(1))),
            pair("a.b", Some(Otlp::IntValue(2))),
            pair("raw", Some(Otlp::BytesValue(vec![0, 255]))),
            pair("rate", Some(Otlp::DoubleValue(f64::NEG_INFINITY))),
            pair("unset", None),
            pair("in a table", Some(Otlp::StringValueStrindex(3))),
            KeyValue { key: "no value".to_owned(), ..KeyValue::default() },
        ];
        let expected = json!({
            "a.b": 2, "raw": "AP8=", "rate": "-Infinity", "unset": null, "in a table": null, "no value": null
        });
        assert_eq!(Value::Object(flat_values(event.into())), expected);
    }
}
