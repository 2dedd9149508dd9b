//! JSON bodies that are one long list, read item by item: parsed as a whole they would take several times their size.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::value::RawValue;

use super::json_body::{invalid, json_text, not_json};
use super::json_reader::read_inside;
use super::{ApiError, FieldError, Loc, strict_json};

/// The list in a body `{"data": […]}`; other fields are ignored. Errors are those of [`super::JsonBody`].
pub struct JsonList<'b> {
    items: Vec<&'b RawValue>,
}

/// The one field that is read.
const FIELD: &str = "data";

#[derive(Deserialize)]
struct GoodBody<'b> {
    #[serde(borrow)]
    data: Vec<&'b RawValue>,
}

#[derive(Deserialize)]
struct Body<'b> {
    #[serde(borrow)]
    data: &'b RawValue,
}

impl<'b> JsonList<'b> {
    /// `is_json` tells whether the request says that the body is JSON.
    pub fn parse(body: &'b [u8], is_json: bool) -> Result<Self, ApiError> {
        let text = json_text(body, is_json)?;
        // One way through the text is enough if it is as it should be. A list would be taken for the fields in order.
        if text.trim_start().starts_with('{')
            && let Ok(GoodBody { data: items }) = serde_json::from_str(text)
        {
            return Ok(Self { items });
        }
        let document: &RawValue =
            serde_json::from_str(text).map_err(|error| invalid(not_json(text, &error)))?;
        if !document.get().starts_with('{') {
            return Err(wrong(&["body".into()], "model_attributes_type", "must be an object", document));
        }
        let place = ["body".into(), FIELD.into()];
        let Ok(Body { data }) = serde_json::from_str(text) else {
            return Err(wrong(&place, "missing", "is required", document));
        };
        // The document is JSON already: this fails only if it is no list.
        match serde_json::from_str(data.get()) {
            Ok(items) => Ok(Self { items }),
            Err(_) => Err(wrong(&place, "list_type", "must be a list", data)),
        }
    }

    pub fn len(&self) -> usize {
        self.items.len()
    }

    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Each item with its place in the list; a mistake in it is located in the body.
    pub fn items<T: DeserializeOwned>(&self) -> impl Iterator<Item = Result<T, ApiError>> {
        self.items.iter().enumerate().map(|(index, item)| {
            if let Some(item) = strict_json::read(item.get()) {
                return Ok(item);
            }
            let place = [FIELD.into(), index.into()];
            let value = parsed(item).map_err(|()| {
                let message = "is nested too deeply, or holds a number or text that cannot be read";
                wrong(&["body".into(), FIELD.into(), index.into()], "json_invalid", message, item)
            })?;
            read_inside(&value, &place)
        })
    }

    /// The mistake that an item makes as a whole, or at a place below it.
    pub fn mistake(&self, index: usize, below: &[Loc], kind: &'static str, message: &str) -> ApiError {
        let place = [&["body".into(), FIELD.into(), index.into()], below].concat();
        let mut input = self.items.get(index).and_then(|item| parsed(item).ok()).unwrap_or_default();
        for step in below {
            let inner = match step {
                Loc::Key(key) => input.get_mut(key),
                Loc::Index(index) => input.get_mut(index),
            };
            input = inner.map(Value::take).unwrap_or_default();
        }
        invalid(FieldError::body(place, kind, message, &input))
    }
}

fn parsed(item: &RawValue) -> Result<Value, ()> {
    serde_json::from_str(item.get()).map_err(|_| ())
}

fn wrong(place: &[Loc], kind: &'static str, message: &str, input: &RawValue) -> ApiError {
    invalid(FieldError::body(place.to_vec(), kind, message, &parsed(input).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    struct Item {
        name: String,
    }

    fn read(body: &str) -> Result<Vec<Item>, Value> {
        let read = JsonList::parse(body.as_bytes(), true).and_then(|list| list.items().collect());
        read.map_err(|error| match error {
            ApiError::Validation(errors) => serde_json::to_value(&errors[0]).unwrap(),
            other => panic!("expected validation errors, got {other:?}"),
        })
    }

    #[test]
    fn items_are_read_one_by_one() {
        let expected = vec![Item { name: "a".to_owned() }, Item { name: "é".to_owned() }];
        assert_eq!(read(r#" {"x": 1, "data": [{"name": "a", "y": []}, {"name": "\u00e9"}]} "#), Ok(expected));
        assert_eq!(read(r#"{"data": []}"#), Ok(Vec::new()));
    }

    #[test]
    fn mistakes_are_located_in_the_body() {
        let deep = format!(r#"{{"data": [{{"name": {}1{}}}]}}"#, "[".repeat(5_000), "]".repeat(5_000));
        let cases = [
            ("[]", "model_attributes_type", json!(["body"])),
            ("{}", "missing", json!(["body", "data"])),
            (r#"{"data": {}}"#, "list_type", json!(["body", "data"])),
            (r#"{"data": null}"#, "list_type", json!(["body", "data"])),
            (r#"{"data": [{"name": "a"}, {}]}"#, "missing", json!(["body", "data", 1, "name"])),
            (r#"{"data": [{"name": 5}]}"#, "string_type", json!(["body", "data", 0, "name"])),
            (r#"{"data": [5]}"#, "model_attributes_type", json!(["body", "data", 0])),
            (r#"{"data": ["#, "json_invalid", json!(["body", 10])),
            (&deep, "json_invalid", json!(["body", "data", 0])),
        ];
        for (body, kind, loc) in cases {
            let error = read(body).unwrap_err();
            assert_eq!((&error["type"], &error["loc"]), (&json!(kind), &loc), "{body:.80}");
        }
    }

    #[test]
    fn a_mistake_shows_the_value_that_makes_it() {
        let body = r#"{"data": [{"name": "a", "events": [{"timestamp": "x"}]}]}"#;
        let list = JsonList::parse(body.as_bytes(), true).unwrap();
        let at = ["events".into(), 0.into(), "timestamp".into()];
        let ApiError::Validation(errors) = list.mistake(0, &at, "value_error", "is no time") else {
            panic!()
        };
        assert_eq!(errors[0].input, json!("x"));
        assert_eq!(
            serde_json::to_value(&errors[0].loc).unwrap(),
            json!(["body", "data", 0, "events", 0, "timestamp"])
        );
    }
}
