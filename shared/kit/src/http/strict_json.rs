//! JSON text read straight into a type, without the tree of values from which mistakes are told. It takes no more than
//! [`super::json_reader`] does: objects alone for structs, names alone for enums. Whatever it refuses is read again there.

use serde::de::{DeserializeOwned, DeserializeSeed, IntoDeserializer as _, MapAccess, SeqAccess, Visitor};
use serde::{Deserializer, forward_to_deserialize_any};

/// `None` if the text is no `T`, for whatever reason.
pub(super) fn read<T: DeserializeOwned>(text: &str) -> Option<T> {
    let mut json = serde_json::Deserializer::from_str(text);
    let value = T::deserialize(Strict(&mut json)).ok()?;
    json.end().ok()?;
    Some(value)
}

/// A reader, visitor, seed or the inside of a list or object, all of whose parts are strict too.
struct Strict<T>(T);

/// Readers that only pass on what they find.
macro_rules! passed_on {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
            self.0.$method(Strict(visitor))
        }
    )*};
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Strict<D> {
    type Error = D::Error;

    passed_on! {
        deserialize_any deserialize_bool deserialize_i32 deserialize_i64 deserialize_u32 deserialize_u64
        deserialize_f64 deserialize_str deserialize_string deserialize_option deserialize_seq deserialize_map
        deserialize_identifier deserialize_ignored_any
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.0.deserialize_newtype_struct(name, Strict(visitor))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        // A list would be taken for the fields in order.
        self.0.deserialize_map(Strict(visitor))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.0.deserialize_str(Name(visitor))
    }

    forward_to_deserialize_any! {
        i8 i16 i128 u8 u16 u128 f32 char bytes byte_buf unit unit_struct tuple tuple_struct
    }
}

macro_rules! visited {
    ($($method:ident: $kind:ty;)*) => {$(
        fn $method<E: serde::de::Error>(self, value: $kind) -> Result<V::Value, E> {
            self.0.$method(value)
        }
    )*};
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Strict<V> {
    type Value = V::Value;

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.expecting(formatter)
    }

    visited! {
        visit_bool: bool;
        visit_i64: i64;
        visit_u64: u64;
        visit_f64: f64;
        visit_str: &str;
        visit_borrowed_str: &'de str;
        visit_string: String;
    }

    fn visit_none<E: serde::de::Error>(self) -> Result<V::Value, E> {
        self.0.visit_none()
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<V::Value, E> {
        self.0.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        self.0.visit_some(Strict(deserializer))
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        self.0.visit_newtype_struct(Strict(deserializer))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<V::Value, A::Error> {
        self.0.visit_seq(Strict(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<V::Value, A::Error> {
        self.0.visit_map(Strict(fields))
    }
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Strict<S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<S::Value, D::Error> {
        self.0.deserialize(Strict(deserializer))
    }
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Strict<A> {
    type Error = A::Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        self.0.next_element_seed(Strict(seed))
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Strict<A> {
    type Error = A::Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        self.0.next_key_seed(seed)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        self.0.next_value_seed(Strict(seed))
    }
}

/// Visits an enum by its name.
struct Name<V>(V);

impl<'de, V: Visitor<'de>> Visitor<'de> for Name<V> {
    type Value = V::Value;

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.expecting(formatter)
    }

    fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<V::Value, E> {
        self.0.visit_enum(name.into_deserializer())
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::{Map, Value};

    use super::*;
    use crate::http::LaxNumber;
    use crate::http::json_reader;

    #[derive(Debug, PartialEq, Deserialize)]
    struct Document {
        name: String,
        kind: Option<Kind>,
        inner: Option<Inner>,
        #[serde(default)]
        items: Vec<Inner>,
        more: Option<Map<String, Value>>,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    struct Inner {
        score: Option<f64>,
        count: Option<i64>,
        lax: Option<LaxNumber>,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "UPPERCASE")]
    enum Kind {
        Human,
        Code,
    }

    #[test]
    fn it_reads_what_the_other_reader_reads() {
        for text in [
            r#"{"name": "a\u00e9\n", "kind": "HUMAN", "unknown": [{"x": 1.5}, null]}"#,
            r#" {"name":"", "inner": {"score": 1, "count": -7, "lax": "1.5"}, "more": {"b": [1, {}], "a": null}} "#,
            r#"{"name":"n", "kind": null, "items": [{}, {"score": 0.1, "lax": true}]}"#,
        ] {
            let expected: Document = json_reader::read(&serde_json::from_str(text).unwrap()).unwrap();
            assert_eq!(read::<Document>(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn it_refuses_what_the_other_reader_refuses() {
        for text in [
            r#"["n", "HUMAN", null, [], null]"#,
            r#"{"name":"n", "inner": [1, 2, 3]}"#,
            r#"{"name":"n", "items": [[1, 2, 3]]}"#,
            r#"{"name":"n", "kind": {"HUMAN": null}}"#,
            r#"{"name":"n", "kind": "ROBOT"}"#,
            r#"{"name":"n", "inner": {"score": "1"}}"#,
            r#"{"name":"n", "inner": {"count": 1.5}}"#,
            r#"{"name":"n", "more": []}"#,
            r#"{"name": 5}"#,
            r#"{"name": "n"} {}"#,
            "{}",
            "null",
        ] {
            let refused = serde_json::from_str(text)
                .ok()
                .is_none_or(|value: Value| json_reader::read::<Document>(&value).is_err());
            assert!(refused, "{text}");
            assert_eq!(read::<Document>(text), None, "{text}");
        }
    }
}
