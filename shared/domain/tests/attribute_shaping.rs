//! Attribute shaping against what the reference server was seen to store and to answer.

#![expect(clippy::unwrap_used, reason = "a vector that cannot be read is a failure")]

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bennu_domain::attributes::{flatten, otlp_attributes, shape};
use opentelemetry_proto::tonic::common::v1::any_value::Value as Otlp;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue, KeyValueList};
use serde::Deserialize;
use serde_json::{Map, Value};

#[test]
fn spans_are_shaped_as_by_the_reference() {
    check(include_str!("vectors/shaping.json"));
}

#[test]
fn gen_ai_spans_are_translated_as_by_the_reference() {
    check(include_str!("vectors/gen_ai.json"));
}

#[test]
fn attributes_are_answered_as_by_the_reference() {
    check(include_str!("vectors/output.json"));
}

/// A case of a vector file; `vectors/observe.py` explains the fields.
#[derive(Deserialize)]
struct Case {
    name: String,
    attributes: Vec<(String, Value)>,
    differs: Option<String>,
    #[serde(default)]
    ours: Map<String, Value>,
    #[serde(flatten)]
    observed: Map<String, Value>,
}

impl Case {
    fn check(&self) -> Result<(), String> {
        if self.differs.is_none() != self.ours.is_empty() {
            return Err("a difference needs a reason and our values".to_owned());
        }
        let key_values = self.attributes.iter().map(|(key, value)| key_value(key, value)).collect();
        let nested = shape(key_values);
        for (field, observed) in &self.observed {
            let actual = match field.as_str() {
                "nested" => Value::Object(nested.clone()),
                "flat" => Value::Object(without_kind(flatten(&nested))),
                "otlp" => Value::Array(by_key(otlp_attributes(&nested))),
                unknown => return Err(format!("there is no field {unknown}")),
            };
            let expected = self.ours.get(field).unwrap_or(observed);
            if self.ours.contains_key(field) && expected == observed {
                return Err(format!("{field} does not differ"));
            }
            if actual != *expected {
                return Err(format!("{field}\n  is       {actual}\n  expected {expected}"));
            }
        }
        Ok(())
    }
}

fn check(vectors: &str) {
    let cases: Vec<Case> = serde_json::from_str(vectors).unwrap();
    let failures: Vec<_> =
        cases.iter().filter_map(|case| Some(format!("{}: {}", case.name, case.check().err()?))).collect();
    assert!(failures.is_empty(), "{} of {} cases\n{}", failures.len(), cases.len(), failures.join("\n"));
}

/// The span list shows the kind apart from the attributes.
fn without_kind(mut flat: Map<String, Value>) -> Map<String, Value> {
    flat.remove("openinference.span.kind");
    flat
}

/// The order of attributes is free.
fn by_key(mut attributes: Vec<Value>) -> Vec<Value> {
    attributes.sort_by(|one, other| one["key"].as_str().cmp(&other["key"].as_str()));
    attributes
}

fn key_value(key: &str, value: &Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(any_value(value)), ..KeyValue::default() }
}

/// Reads the notation of the vectors.
fn any_value(value: &Value) -> AnyValue {
    let special = |name| value.get(name).and_then(Value::as_str);
    let value = match value {
        _ if value.get("$unset").is_some() => None,
        _ if special("$bytes").is_some() => {
            special("$bytes").map(|text| Otlp::BytesValue(STANDARD.decode(text).unwrap()))
        }
        _ if special("$double").is_some() => {
            special("$double").map(|text| Otlp::DoubleValue(text.parse().unwrap()))
        }
        Value::Null => panic!("there is no notation for null"),
        Value::Bool(flag) => Some(Otlp::BoolValue(*flag)),
        Value::Number(number) if number.is_f64() => number.as_f64().map(Otlp::DoubleValue),
        Value::Number(number) => number.as_i64().map(Otlp::IntValue),
        Value::String(text) => Some(Otlp::StringValue(text.clone())),
        Value::Array(items) => {
            Some(Otlp::ArrayValue(ArrayValue { values: items.iter().map(any_value).collect() }))
        }
        Value::Object(members) => {
            let values = members.iter().map(|(key, value)| key_value(key, value)).collect();
            Some(Otlp::KvlistValue(KeyValueList { values }))
        }
    };
    AnyValue { value }
}
