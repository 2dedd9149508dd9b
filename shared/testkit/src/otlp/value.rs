//! OTLP values from JSON.

use opentelemetry_proto::tonic::common::v1::any_value::Value as Otlp;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue, KeyValueList};
use serde_json::Value;

/// The OTLP value that reads as `json`; `null` is an unset value.
pub fn any_value(json: Value) -> AnyValue {
    let value = match json {
        Value::Null => None,
        Value::Bool(flag) => Some(Otlp::BoolValue(flag)),
        Value::Number(number) => Some(match number.as_i64() {
            Some(integer) => Otlp::IntValue(integer),
            None => Otlp::DoubleValue(number.as_f64().expect("a number in the range of doubles")),
        }),
        Value::String(text) => Some(Otlp::StringValue(text)),
        Value::Array(items) => {
            Some(Otlp::ArrayValue(ArrayValue { values: items.into_iter().map(any_value).collect() }))
        }
        Value::Object(members) => {
            let values = members.into_iter().map(|(key, value)| key_value(key, value)).collect();
            Some(Otlp::KvlistValue(KeyValueList { values }))
        }
    };
    AnyValue { value }
}

pub fn key_value(key: impl Into<String>, value: impl Into<Value>) -> KeyValue {
    KeyValue { key: key.into(), value: Some(any_value(value.into())), ..KeyValue::default() }
}
