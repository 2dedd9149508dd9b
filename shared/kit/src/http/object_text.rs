//! JSON objects kept as text.

use std::fmt;

use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// An object of a body that nobody looks into, written without spaces, its fields as they came: read without the tree of values that it
/// would take otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectText(String);

impl Default for ObjectText {
    fn default() -> Self {
        Self("{}".to_owned())
    }
}

impl From<ObjectText> for String {
    fn from(ObjectText(text): ObjectText) -> Self {
        text
    }
}

impl<'de> Deserialize<'de> for ObjectText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut text = Vec::new();
        deserializer.deserialize_map(Writer(&mut text))?;
        String::from_utf8(text).map(Self).map_err(D::Error::custom)
    }
}

/// Writes the value that it visits.
struct Writer<'t>(&'t mut Vec<u8>);

impl Writer<'_> {
    fn write<E: Error>(self, value: impl Serialize) -> Result<(), E> {
        serde_json::to_writer(self.0, &value).map_err(E::custom)
    }
}

impl<'de> Visitor<'de> for Writer<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        self.write(value)
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.write(value)
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        self.write(value)
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        self.write(value)
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<(), E> {
        self.write(value)
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.write(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let mut before = "[";
        while items.next_element_seed(Part { text: self.0, before })?.is_some() {
            before = ",";
        }
        self.0.extend_from_slice(if before == "[" { b"[]" } else { b"]" });
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<(), A::Error> {
        let mut before = "{";
        while fields.next_key_seed(Part { text: self.0, before })?.is_some() {
            fields.next_value_seed(Part { text: self.0, before: ":" })?;
            before = ",";
        }
        self.0.extend_from_slice(if before == "{" { b"{}" } else { b"}" });
        Ok(())
    }
}

/// A key or value inside another one, and what separates it from what comes before.
struct Part<'t> {
    text: &'t mut Vec<u8>,
    before: &'static str,
}

impl<'de> DeserializeSeed<'de> for Part<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        self.text.extend_from_slice(self.before.as_bytes());
        deserializer.deserialize_any(Writer(self.text))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value};

    use super::*;
    use crate::http::{json_reader, strict_json};

    #[test]
    fn an_object_is_the_text_of_its_value() {
        for text in [
            "{}",
            r#" { "a" : [ ] , "b" : { } } "#,
            r#"{"n": null, "t": true, "i": -7, "u": 18446744073709551615, "f": 0.30000000000000004, "e": 1e-7, "z": -0.0}"#,
            r#"{"\u00e9\"\n": "\ud83d\ude00 \u0000 /", "deep": [[1, {"x": [2, "3"]}], 4]}"#,
        ] {
            let value: Map<String, Value> = serde_json::from_str(text).unwrap();
            let expected = Value::Object(value.clone()).to_string();
            assert_eq!(strict_json::read(text), Some(ObjectText(expected.clone())));
            assert_eq!(json_reader::read(&Value::Object(value)).ok(), Some(ObjectText(expected)));
        }
    }

    #[test]
    fn nothing_else_is_one() {
        for text in ["[]", "1", "null", r#""{}""#, r#"{"a": 1"#, r#"{"a": 1e999}"#] {
            assert_eq!(strict_json::read::<ObjectText>(text), None, "{text}");
        }
        assert!(json_reader::read::<ObjectText>(&Value::from(1)).is_err());
    }
}
