//! One invalid field of a request, in the form that official clients parse.

use serde::Serialize;
use serde_json::Value;

/// An input longer than this is not repeated in an answer, or a large body would come back whole.
const LONGEST_ECHO: usize = 1024;

/// Serializes as `{"type","loc","msg","input","ctx"?}`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FieldError {
    /// A short identifier such as `missing` or `int_parsing`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Starts with `query`, `path` or `body`.
    pub loc: Vec<Loc>,
    #[serde(rename = "msg")]
    pub message: String,
    pub input: Value,
    #[serde(rename = "ctx", skip_serializing_if = "Option::is_none")]
    pub context: Option<Value>,
}

/// A step on the way to the field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Loc {
    Key(String),
    Index(usize),
}

impl From<&str> for Loc {
    fn from(key: &str) -> Self {
        Self::Key(key.to_owned())
    }
}

impl From<usize> for Loc {
    fn from(index: usize) -> Self {
        Self::Index(index)
    }
}

impl FieldError {
    /// An invalid query parameter.
    pub fn query(name: &str, kind: &'static str, message: impl Into<String>, input: &str) -> Self {
        let input = echo(&Value::from(input));
        Self { kind, loc: vec!["query".into(), name.into()], message: message.into(), input, context: None }
    }

    /// An invalid value in the body; `loc` starts with `body`.
    pub fn body(loc: Vec<Loc>, kind: &'static str, message: impl Into<String>, input: &Value) -> Self {
        Self { kind, loc, message: message.into(), input: echo(input), context: None }
    }

    /// Adds what the rule compares with, such as `{"gt": 0}`.
    #[must_use]
    pub fn with(self, context: Value) -> Self {
        Self { context: Some(context), ..self }
    }
}

/// `input`, or a short text in its place.
fn echo(input: &Value) -> Value {
    let mut room = Room(LONGEST_ECHO);
    match serde_json::to_writer(&mut room, input) {
        Ok(()) => input.clone(),
        Err(_) => Value::from("(too long to repeat)"),
    }
}

/// Counts the bytes written to it and fails when there is no room left.
struct Room(usize);

impl std::io::Write for Room {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 = self.0.checked_sub(bytes.len()).ok_or(std::io::ErrorKind::StorageFull)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_wire_form_is_that_of_the_reference() {
        let loc = vec!["body".into(), "data".into(), 0.into(), "context".into()];
        let error = FieldError::body(loc, "missing", "is required", &json!({}));
        assert_eq!(
            serde_json::to_value(&error).unwrap(),
            json!({"type": "missing", "loc": ["body", "data", 0, "context"], "msg": "is required", "input": {}})
        );
        let with_context = serde_json::to_value(error.with(json!({"gt": 0}))).unwrap();
        assert_eq!(with_context["ctx"], json!({"gt": 0}));
    }

    #[test]
    fn a_long_input_is_not_repeated() {
        let error = FieldError::query("name", "string_type", "is bad", &"x".repeat(2000));
        assert_eq!(error.input, json!("(too long to repeat)"));
    }
}
