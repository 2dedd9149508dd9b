//! What a query selects of each span: a column, or an attribute.

use std::borrow::Cow;

use serde_json::{Number as JsonNumber, Value as Json};

use super::check::Checker;
use super::error::ConditionError;
use super::evaluate::value_of;
use super::facts::SpanFacts;
use super::names::Flavour;
use super::needs::Needs;
use super::number::Number;
use super::parse::parse;
use super::records::Element;
use super::syntax::{NodeKind, Part};
use super::typed::{AnnotationPart, Cast, Expr};
use super::value::Value;
use crate::time::Timestamp;

/// A name that a query selects, as conditions write it.
#[derive(Debug, Clone, PartialEq)]
pub struct Projection {
    expr: Expr,
    needs: Needs,
}

/// What is selected of one span.
#[derive(Debug, Clone, PartialEq)]
pub enum Selected<'a> {
    Null,
    Time(Timestamp),
    Json(Cow<'a, Json>),
}

impl Projection {
    /// Reads a name such as `latency_ms`, `llm.model_name` or `attributes['a']`.
    pub fn parse(text: &str) -> Result<Self, ConditionError> {
        let node = parse(text)?;
        let NodeKind::Path(parts) = &node.kind else {
            return Err(ConditionError::at(text, 0, format!("`{text}` is not a name that can be selected")));
        };
        let mut checker =
            Checker { text, flavour: Flavour::Span, scope: Vec::new(), annotations: Vec::new() };
        // What can only be tested or iterated is no column: its name means an attribute, as any unknown name does.
        let names: Option<Vec<&str>> = parts.iter().map(Part::as_name).collect();
        let expr = match names.as_deref() {
            Some([name @ ("parent_span" | "cost_details")]) => Checker::attribute(&[name]),
            _ => checker.path(&node, parts)?.expr,
        };
        let expr = match expr {
            Expr::Annotation(_, AnnotationPart::Exists | AnnotationPart::Field(_)) => {
                return Err(ConditionError::at(text, 0, "annotations cannot be selected"));
            }
            // The attribute as it is, also where conditions read it as a number.
            Expr::Cast(Cast::Number, attribute) => *attribute,
            other => other,
        };
        let needs = Needs::of(&expr, &[]);
        Ok(Self { expr, needs })
    }

    pub fn is_attribute(&self) -> bool {
        matches!(self.expr, Expr::Attribute(_))
    }

    pub fn expr(&self) -> &Expr {
        &self.expr
    }

    pub fn needs(&self) -> Needs {
        self.needs
    }

    pub fn value<'a>(&'a self, span: &'a SpanFacts) -> Selected<'a> {
        let element = Element::Span(span, std::slice::from_ref(span));
        let owned = |json: Json| Selected::Json(Cow::Owned(json));
        match value_of(&self.expr, element) {
            Value::Null | Value::Json(Json::Null) => Selected::Null,
            Value::Boolean(value) => owned(Json::from(value)),
            Value::Number(Number::Int(number)) => owned(Json::from(number)),
            Value::Number(Number::Float(number)) => {
                JsonNumber::from_f64(number).map_or(Selected::Null, |number| owned(Json::Number(number)))
            }
            Value::Text(text) => owned(Json::from(text.into_owned())),
            Value::Time(time) => Selected::Time(time),
            Value::Json(json) => Selected::Json(Cow::Borrowed(json)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_columns_or_attributes_and_expressions_are_refused() {
        let attribute = |name: &str| Projection::parse(name).unwrap().is_attribute();
        assert!(attribute("llm.token_count.prompt") && attribute("events") && attribute("cost_details"));
        assert!(!attribute("latency_ms") && !attribute("context.span_id"));
        for text in ["latency_ms + 1", "", "foo bar", "name == 1", "annotations['q'].score", "'x'", "5"] {
            assert!(Projection::parse(text).is_err(), "{text}");
        }
    }
}
