//! What is wrong with a JSON value, in the words of Serde, and where.

use std::fmt;

use serde::de::{self, Unexpected};
use serde_json::{Value, json};

use super::query_string::either;
use super::{FieldError, Loc};

/// What is wrong with a value; boxed, as every reader returns it.
#[derive(Debug)]
pub(super) struct Mistake(Box<Details>);

/// The place is filled in as the mistake travels from the value up to the root.
#[derive(Debug)]
struct Details {
    kind: &'static str,
    message: String,
    context: Option<Value>,
    /// Innermost step first.
    path: Vec<Loc>,
    input: Option<Value>,
}

impl Mistake {
    pub(super) fn new(kind: &'static str, message: impl Into<String>) -> Self {
        Self(Box::new(Details {
            kind,
            message: message.into(),
            context: None,
            path: Vec::new(),
            input: None,
        }))
    }

    /// The mistake is below this step.
    pub(super) fn inside(mut self, step: impl Into<Loc>) -> Self {
        self.0.path.push(step.into());
        self
    }

    /// Notes the value that is wrong, unless an inner one is noted already.
    pub(super) fn note_input(&mut self, input: &Value) {
        self.0.input.get_or_insert_with(|| input.clone());
    }

    pub(super) fn into_field_error(self) -> FieldError {
        let Details { kind, message, context, mut path, input } = *self.0;
        path.push("body".into());
        path.reverse();
        FieldError { context, ..FieldError::body(path, kind, message, &input.unwrap_or_default()) }
    }

    fn with(mut self, context: Value) -> Self {
        self.0.context = Some(context);
        self
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl std::error::Error for Mistake {}

impl de::Error for Mistake {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new("value_error", message.to_string())
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new("missing", "is required").inside(field)
    }

    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Self {
        let expected = either(expected.iter().copied());
        Self::new("literal_error", format!("must be {expected}")).with(json!({ "expected": expected }))
    }

    /// Numbers that may be sent as text, see [`super::LaxNumber`] and [`super::LaxInteger`].
    fn invalid_value(unexpected: Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        let whole = expected.to_string().contains("whole");
        let kind = match unexpected {
            Unexpected::Str(_) if whole => "int_parsing",
            Unexpected::Str(_) => "float_parsing",
            Unexpected::Float(_) => "int_from_float",
            _ => "value_error",
        };
        Self::new(kind, format!("must be {expected}"))
    }

    fn invalid_type(_: Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        let expected = expected.to_string();
        let kind = match expected.as_str() {
            "a whole number" => "int_type",
            "a number" => "float_type",
            _ => "value_error",
        };
        Self::new(kind, format!("must be {expected}"))
    }
}
