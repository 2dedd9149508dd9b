//! A JSON value read into a type; a mistake comes out with its place in the document, as official clients expect it.

use serde::de::{self, DeserializeOwned, DeserializeSeed, IntoDeserializer as _, Visitor};
use serde::{Deserializer, forward_to_deserialize_any};
use serde_json::Value;

use super::json_mistake::Mistake;
use super::{ApiError, Loc};

/// Reads `value` as a `T`. The error is the first mistake; its location starts with `body`. Enums are read from their name.
pub(super) fn read<T: DeserializeOwned>(value: &Value) -> Result<T, ApiError> {
    read_inside(value, &[])
}

/// Like [`read`], for a value that stands at `place` of the body.
pub(super) fn read_inside<T: DeserializeOwned>(value: &Value, place: &[Loc]) -> Result<T, ApiError> {
    let outside = |mistake: Mistake| place.iter().rev().cloned().fold(mistake, Mistake::inside);
    T::deserialize(Node(value))
        .map_err(|mistake| ApiError::Validation(vec![outside(mistake).into_field_error()]))
}

/// A value to read. Every reader notes the value in a mistake that has none yet.
struct Node<'v>(&'v Value);

impl Node<'_> {
    fn noted<T>(&self, result: Result<T, Mistake>) -> Result<T, Mistake> {
        result.map_err(|mut mistake| {
            mistake.note_input(self.0);
            mistake
        })
    }

    fn refuse<T>(&self, kind: &'static str, message: &str) -> Result<T, Mistake> {
        self.noted(Err(Mistake::new(kind, message)))
    }

    fn visit<'de, V: Visitor<'de>>(&self, visitor: V) -> Result<V::Value, Mistake> {
        self.noted(match self.0 {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::Number(number) => visit_number(number, visitor),
            Value::String(text) => visitor.visit_str(text),
            Value::Array(items) => visitor.visit_seq(Items(items.iter().enumerate())),
            Value::Object(fields) => visitor.visit_map(Fields { fields: fields.iter(), value: None }),
        })
    }
}

fn visit_number<'de, V: Visitor<'de>>(number: &serde_json::Number, visitor: V) -> Result<V::Value, Mistake> {
    match (number.as_u64(), number.as_i64(), number.as_f64()) {
        (Some(value), ..) => visitor.visit_u64(value),
        (None, Some(value), _) => visitor.visit_i64(value),
        (None, None, Some(value)) => visitor.visit_f64(value),
        (None, None, None) => Err(Mistake::new("value_error", "must be a number of 64 bits")),
    }
}

/// Readers that first check what kind of value is there, so that the mistake has the kind that clients know.
macro_rules! checked {
    ($($method:ident: $pattern:pat, $kind:literal, $message:literal;)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
            if matches!(self.0, $pattern) { self.visit(visitor) } else { self.refuse($kind, $message) }
        }
    )*};
}

impl<'de> Deserializer<'de> for Node<'_> {
    type Error = Mistake;

    checked! {
        deserialize_bool: Value::Bool(_), "bool_type", "must be true or false";
        deserialize_str: Value::String(_), "string_type", "must be a string";
        deserialize_string: Value::String(_), "string_type", "must be a string";
        deserialize_seq: Value::Array(_), "list_type", "must be a list";
        deserialize_map: Value::Object(_), "dict_type", "must be an object";
        deserialize_i32: Value::Number(_), "int_type", "must be a whole number";
        deserialize_i64: Value::Number(_), "int_type", "must be a whole number";
        deserialize_u32: Value::Number(_), "int_type", "must be a whole number";
        deserialize_u64: Value::Number(_), "int_type", "must be a whole number";
        deserialize_f64: Value::Number(_), "float_type", "must be a number";
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        self.visit(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        if self.0.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Mistake> {
        let value = self.0;
        Node(value).noted(visitor.visit_newtype_struct(self))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mistake> {
        // A list would be taken for the fields in order.
        if self.0.is_object() {
            self.visit(visitor)
        } else {
            self.refuse("model_attributes_type", "must be an object")
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        names: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mistake> {
        match self.0 {
            Value::String(name) => self.noted(visitor.visit_enum(name.as_str().into_deserializer())),
            _ => self.noted(Err(de::Error::unknown_variant("", names))),
        }
    }

    forward_to_deserialize_any! {
        i8 i16 i128 u8 u16 u128 f32 char bytes byte_buf unit unit_struct tuple tuple_struct identifier ignored_any
    }
}

struct Items<'v>(std::iter::Enumerate<std::slice::Iter<'v, Value>>);

impl<'de> de::SeqAccess<'de> for Items<'_> {
    type Error = Mistake;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Mistake> {
        let Some((index, value)) = self.0.next() else { return Ok(None) };
        seed.deserialize(Node(value)).map(Some).map_err(|mistake| mistake.inside(index))
    }
}

struct Fields<'v> {
    fields: serde_json::map::Iter<'v>,
    value: Option<(&'v str, &'v Value)>,
}

impl<'de> de::MapAccess<'de> for Fields<'_> {
    type Error = Mistake;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Mistake> {
        let Some((name, value)) = self.fields.next() else { return Ok(None) };
        self.value = Some((name, value));
        seed.deserialize(name.as_str().into_deserializer()).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Mistake> {
        let (name, value) = self.value.take().unwrap_or(("", &Value::Null));
        seed.deserialize(Node(value)).map_err(|mistake| mistake.inside(name))
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    struct Document {
        name: String,
        items: Vec<Item>,
        note: Option<String>,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    struct Item {
        kind: Kind,
        score: Option<f64>,
        #[serde(default)]
        count: u32,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "UPPERCASE")]
    enum Kind {
        Human,
        Code,
    }

    fn mistake(document: &Value) -> Value {
        match read::<Document>(document) {
            Err(ApiError::Validation(errors)) => serde_json::to_value(&errors[0]).unwrap(),
            other => panic!("expected a validation error, got {other:?}"),
        }
    }

    #[test]
    fn a_fitting_document_is_read() {
        let document: Result<Document, _> =
            read(&json!({"name": "n", "items": [{"kind": "HUMAN", "score": 1, "more": {}}], "note": null}));
        let item = Item { kind: Kind::Human, score: Some(1.0), count: 0 };
        assert_eq!(document.unwrap(), Document { name: "n".to_owned(), items: vec![item], note: None });
    }

    #[test]
    fn mistakes_are_located_and_named_as_clients_know_them() {
        let item = |item: Value| json!({"name": "n", "items": [{"kind": "CODE"}, item]});
        let cases = [
            (json!([]), "model_attributes_type", json!(["body"]), json!([])),
            (json!(null), "model_attributes_type", json!(["body"]), json!(null)),
            (json!({}), "missing", json!(["body", "name"]), json!({})),
            (json!({"name": null}), "string_type", json!(["body", "name"]), json!(null)),
            (json!({"name": "n", "items": {}}), "list_type", json!(["body", "items"]), json!({})),
            (json!({"name": "n", "items": [], "note": 5}), "string_type", json!(["body", "note"]), json!(5)),
            (item(json!(1)), "model_attributes_type", json!(["body", "items", 1]), json!(1)),
            (item(json!({})), "missing", json!(["body", "items", 1, "kind"]), json!({})),
            (
                item(json!({"kind": "ROBOT"})),
                "literal_error",
                json!(["body", "items", 1, "kind"]),
                json!("ROBOT"),
            ),
            (item(json!({"kind": 1})), "literal_error", json!(["body", "items", 1, "kind"]), json!(1)),
            (
                item(json!({"kind": "CODE", "score": "x"})),
                "float_type",
                json!(["body", "items", 1, "score"]),
                json!("x"),
            ),
            (
                item(json!({"kind": "CODE", "count": -1})),
                "value_error",
                json!(["body", "items", 1, "count"]),
                json!(-1),
            ),
        ];
        for (document, kind, loc, input) in cases {
            let found = mistake(&document);
            assert_eq!(
                (&found["type"], &found["loc"], &found["input"]),
                (&json!(kind), &loc, &input),
                "{document}"
            );
        }
    }

    #[test]
    fn the_words_of_an_enum_are_listed() {
        let found = mistake(&json!({"name": "n", "items": [{"kind": "ROBOT"}]}));
        assert_eq!(found["ctx"], json!({"expected": "'HUMAN' or 'CODE'"}));
        assert_eq!(found["msg"], json!("must be 'HUMAN' or 'CODE'"));
    }
}
