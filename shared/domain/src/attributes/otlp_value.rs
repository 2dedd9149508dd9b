//! The REST rendering of OTLP attributes (`…/spans/otlpv1`).

use std::mem;

use serde_json::{Map, Value};

use super::{Attributes, flatten, plain_text};

/// The names under which a value can stand, in order. Each rendered value has them all.
const FIELDS: [&str; 7] =
    ["array_value", "bool_value", "bytes_value", "double_value", "int_value", "kvlist_value", "string_value"];

/// The attribute list of a span or event: `[{"key": …, "value": {…}}]`, one pair for each [`flatten`]ed key.
pub fn otlp_attributes(nested: &Attributes) -> Vec<Value> {
    pairs(flatten(nested))
}

/// One value: an object with all seven `*_value` keys, of which at most one is not `null`.
///
/// A list whose members are not all of one plain type is a list of texts.
pub fn otlp_value(value: &Value) -> Value {
    render(value.clone())
}

fn render(value: Value) -> Value {
    let (field, mut content) = match value {
        Value::Number(number) if number.as_i64().is_some() => ("int_value", Value::Number(number)),
        // Also whole numbers beyond OTLP's 64 signed bits.
        Value::Number(number) => ("double_value", Value::from(number.as_f64())),
        Value::Array(items) => ("array_value", object([("values", Value::Array(list(items)))])),
        Value::Object(members) => ("kvlist_value", object([("values", Value::Array(pairs(members)))])),
        Value::Bool(_) => ("bool_value", value),
        Value::String(_) | Value::Null => ("string_value", value),
    };
    object(FIELDS.map(|name| (name, if name == field { mem::take(&mut content) } else { Value::Null })))
}

fn pairs(members: Attributes) -> Vec<Value> {
    let pair = |(key, value)| object([("key", Value::String(key)), ("value", render(value))]);
    members.into_iter().map(pair).collect()
}

/// Faster than `json!`, and this runs for every value of every span of a page.
fn object<const N: usize>(members: [(&str, Value); N]) -> Value {
    let mut object = Map::new();
    for (name, value) in members {
        object.insert(name.to_owned(), value);
    }
    Value::Object(object)
}

fn list(items: Vec<Value>) -> Vec<Value> {
    let plain = items.first().is_none_or(|item| plain_type(item).is_some());
    let alike = items.windows(2).all(|pair| plain_type(&pair[0]) == plain_type(&pair[1]));
    let as_text = |item| Value::String(plain_text(&item));
    items.into_iter().map(|item| render(if plain && alike { item } else { as_text(item) })).collect()
}

#[derive(PartialEq)]
enum PlainType {
    Null,
    Bool,
    Whole,
    Fraction,
    Text,
}

/// The type of a value that has no members.
fn plain_type(value: &Value) -> Option<PlainType> {
    match value {
        Value::Null => Some(PlainType::Null),
        Value::Bool(_) => Some(PlainType::Bool),
        Value::Number(number) if number.is_f64() => Some(PlainType::Fraction),
        Value::Number(_) => Some(PlainType::Whole),
        Value::String(_) => Some(PlainType::Text),
        Value::Array(_) | Value::Object(_) => None,
    }
}
