//! Reads the fields of OTLP/JSON objects; every error names the field.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use opentelemetry_proto::tonic::common::v1::any_value::Value as AnyKind;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue, KeyValueList};
use serde_json::{Map, Value};

use crate::ids::decode_hex;

/// A JSON object whose absent and `null` fields read as the protobuf default.
pub(super) struct Object<'a>(&'a Map<String, Value>);

impl<'a> Object<'a> {
    pub fn new(json: &'a Value, what: &str) -> Result<Self, String> {
        json.as_object().map(Self).ok_or_else(|| format!("{what} is not an object"))
    }

    /// The field under its lowerCamelCase name, or under the snake_case name of the protobuf definition.
    fn get(&self, name: &str) -> Option<&'a Value> {
        let value = self.0.get(name).or_else(|| self.0.get(&snake_case(name)));
        value.filter(|value| !value.is_null())
    }

    pub fn text(&self, name: &str) -> Result<String, String> {
        let Some(value) = self.get(name) else { return Ok(String::new()) };
        value.as_str().map(str::to_owned).ok_or_else(|| format!("{name} is not a string"))
    }

    pub fn hex(&self, name: &str) -> Result<Vec<u8>, String> {
        decode_hex(&self.text(name)?).map_err(|error| format!("{name} {error}"))
    }

    pub fn u64(&self, name: &str) -> Result<u64, String> {
        let Some(value) = self.get(name) else { return Ok(0) };
        let number = value.as_u64().or_else(|| value.as_str()?.parse().ok());
        number.ok_or_else(|| format!("{name} is not an unsigned 64-bit integer"))
    }

    pub fn u32(&self, name: &str) -> Result<u32, String> {
        u32::try_from(self.u64(name)?).map_err(|_| format!("{name} is not an unsigned 32-bit integer"))
    }

    pub fn enumeration(&self, name: &str, by_name: impl Fn(&str) -> Option<i32>) -> Result<i32, String> {
        let Some(value) = self.get(name) else { return Ok(0) };
        let number = value.as_i64().and_then(|number| i32::try_from(number).ok());
        number
            .or_else(|| by_name(value.as_str()?))
            .ok_or_else(|| format!("{name} is neither a number nor a known name"))
    }

    pub fn object(&self, name: &str) -> Result<Option<Object<'a>>, String> {
        self.get(name).map(|value| Object::new(value, name)).transpose()
    }

    pub fn list<T>(&self, name: &str, read: impl Fn(&Object) -> Result<T, String>) -> Result<Vec<T>, String> {
        let Some(value) = self.get(name) else { return Ok(Vec::new()) };
        let items = value.as_array().ok_or_else(|| format!("{name} is not a list"))?;
        let read_item = |(index, item): (usize, &'a Value)| {
            let place = format!("{name}[{index}]");
            read(&Object::new(item, &place)?).map_err(|error| format!("{place}.{error}"))
        };
        items.iter().enumerate().map(read_item).collect()
    }
}

pub(super) fn attributes(object: &Object) -> Result<Vec<KeyValue>, String> {
    object.list("attributes", key_value)
}

fn key_value(object: &Object) -> Result<KeyValue, String> {
    let value = object.object("value")?.as_ref().map(any_value).transpose()?;
    Ok(KeyValue { key: object.text("key")?, value, ..Default::default() })
}

fn any_value(object: &Object) -> Result<AnyValue, String> {
    let Some((name, json)) = object.0.iter().find(|(_, json)| !json.is_null()) else {
        return Ok(AnyValue { value: None });
    };
    let wrong = |expected: &str| format!("{name} is not {expected}");
    let value = match name.as_str() {
        "stringValue" | "string_value" => AnyKind::StringValue(object.text("stringValue")?),
        "boolValue" | "bool_value" => AnyKind::BoolValue(json.as_bool().ok_or_else(|| wrong("a boolean"))?),
        "intValue" | "int_value" => {
            let number = json.as_i64().or_else(|| json.as_str()?.parse().ok());
            AnyKind::IntValue(number.ok_or_else(|| wrong("a 64-bit integer"))?)
        }
        "doubleValue" | "double_value" => {
            // Rust reads "NaN", "Infinity" and "-Infinity" as protobuf's JSON mapping writes them.
            let number = json.as_f64().or_else(|| json.as_str()?.parse().ok());
            AnyKind::DoubleValue(number.ok_or_else(|| wrong("a number"))?)
        }
        "bytesValue" | "bytes_value" => {
            let bytes = json.as_str().and_then(|text| STANDARD.decode(text).ok());
            AnyKind::BytesValue(bytes.ok_or_else(|| wrong("base64 text"))?)
        }
        "arrayValue" | "array_value" => {
            let array = Object::new(json, name)?;
            AnyKind::ArrayValue(ArrayValue { values: array.list("values", any_value)? })
        }
        "kvlistValue" | "kvlist_value" => {
            let list = Object::new(json, name)?;
            AnyKind::KvlistValue(KeyValueList { values: list.list("values", key_value)? })
        }
        _ => return Ok(AnyValue { value: None }),
    };
    Ok(AnyValue { value: Some(value) })
}

fn snake_case(camel: &str) -> String {
    let mut snake = String::with_capacity(camel.len() + 4);
    for character in camel.chars() {
        if character.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(character.to_ascii_lowercase());
    }
    snake
}
