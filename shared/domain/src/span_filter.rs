//! Which spans a list asks for. [`SpanFilter::matches`] is the meaning; SQL may only narrow towards it.

use serde_json::{Number, Value};

use crate::ids::{SpanId, TraceId};
use crate::kind::{SpanKind, StatusCode};
use crate::span::{Span, lookup};
use crate::time::Timestamp;

/// Conditions are joined by AND; the values within one by OR. `None` asks nothing, an empty list matches nothing
/// (all values given were ids that no span can have).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SpanFilter {
    pub trace_ids: Option<Vec<TraceId>>,
    pub span_ids: Option<Vec<SpanId>>,
    pub names: Option<Vec<String>>,
    pub kinds: Option<Vec<SpanKind>>,
    pub statuses: Option<Vec<StatusCode>>,
    pub parent: ParentFilter,
    pub attributes: Vec<AttributeMatch>,
    /// Inclusive, on the start of the span.
    pub start: Option<Timestamp>,
    /// Exclusive, on the start of the span.
    pub end: Option<Timestamp>,
}

/// What `parent_id=` asks.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub enum ParentFilter {
    #[default]
    Any,
    /// Spans without a parent id.
    Root,
    Of(SpanId),
    /// An id that no span can have.
    Nothing,
}

impl SpanFilter {
    pub fn matches(&self, span: &Span) -> bool {
        any_of(self.trace_ids.as_deref(), &span.trace_id)
            && any_of(self.span_ids.as_deref(), &span.span_id)
            && any_of(self.names.as_deref(), &span.name)
            && any_of(self.kinds.as_deref(), &span.kind)
            && any_of(self.statuses.as_deref(), &span.status)
            && self.parent.matches(span.parent_id)
            && self.start.is_none_or(|start| span.start >= start)
            && self.end.is_none_or(|end| span.start < end)
            && self.attributes.iter().all(|attribute| attribute.matches(span))
    }
}

impl ParentFilter {
    fn matches(self, parent: Option<SpanId>) -> bool {
        match self {
            Self::Any => true,
            Self::Root => parent.is_none(),
            Self::Of(id) => parent == Some(id),
            Self::Nothing => false,
        }
    }
}

fn any_of<T: PartialEq>(wanted: Option<&[T]>, found: &T) -> bool {
    wanted.is_none_or(|wanted| wanted.contains(found))
}

/// `attribute=key:value`: the scalar at a dotted path equals a value.
#[derive(Debug, Clone, PartialEq)]
pub struct AttributeMatch {
    pub path: String,
    pub value: Value,
}

/// Why `attribute=…` cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AttributeMatchError {
    #[error("attribute filter {0:?} needs the form key:value, with neither side empty")]
    Form(String),
    #[error("attribute filter {0:?}: the value must be a string, number or boolean")]
    NotScalar(String),
}

impl AttributeMatch {
    /// Splits at the first colon and reads the value as JSON; what is not JSON is a string.
    pub fn parse(text: &str) -> Result<Self, AttributeMatchError> {
        let form = || AttributeMatchError::Form(text.to_owned());
        let (path, value) = text.split_once(':').ok_or_else(form)?;
        if path.trim().is_empty() || value.trim().is_empty() {
            return Err(form());
        }
        let value = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()));
        match value {
            Value::Null | Value::Array(_) | Value::Object(_) => {
                Err(AttributeMatchError::NotScalar(text.to_owned()))
            }
            value => Ok(Self { path: path.to_owned(), value }),
        }
    }

    fn matches(&self, span: &Span) -> bool {
        let path: Vec<&str> = self.path.split('.').collect();
        lookup(&span.attributes, &path).is_some_and(|found| scalars_equal(found, &self.value))
    }
}

/// A whole number that is wanted is found as the float of the same value too; not the other way round.
fn scalars_equal(found: &Value, wanted: &Value) -> bool {
    match (found, wanted) {
        (Value::Number(found), Value::Number(wanted)) => numbers_equal(found, wanted),
        _ => found == wanted,
    }
}

fn numbers_equal(found: &Number, wanted: &Number) -> bool {
    if found.is_f64() { found.as_f64() == wanted.as_f64() } else { found == wanted }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_read_as_json_and_fall_back_to_text() {
        let value = |text: &str| AttributeMatch::parse(text).unwrap().value;
        assert_eq!(value("a.b:3"), json!(3));
        assert_eq!(value("a:true"), json!(true));
        assert_eq!(value("a:\"3\""), json!("3"));
        assert_eq!(value("a:gpt-4:turbo"), json!("gpt-4:turbo"));
    }

    #[test]
    fn missing_halves_and_structures_are_refused() {
        for text in ["a", ":1", "a:", " : "] {
            assert!(matches!(AttributeMatch::parse(text), Err(AttributeMatchError::Form(_))), "{text}");
        }
        for text in ["a:null", "a:[1]", "a:{}"] {
            assert!(matches!(AttributeMatch::parse(text), Err(AttributeMatchError::NotScalar(_))), "{text}");
        }
    }

    #[test]
    fn a_whole_number_finds_the_same_float_but_no_text_and_a_float_only_floats() {
        assert!(scalars_equal(&json!(3.0), &json!(3)));
        assert!(scalars_equal(&json!(3.0), &json!(3.0)));
        assert!(!scalars_equal(&json!(3), &json!(3.0)));
        assert!(!scalars_equal(&json!("3"), &json!(3)));
        assert!(!scalars_equal(&json!(true), &json!(1)));
        assert!(!scalars_equal(&json!(9_007_199_254_740_993_i64), &json!(9_007_199_254_740_992_i64)));
    }
}
