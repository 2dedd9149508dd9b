//! Values while a condition is evaluated.

use std::borrow::Cow;
use std::cmp::Ordering;

use serde_json::Value as Json;

use super::names::Type;
use super::number::Number;
use super::typed::Literal;
use crate::time::Timestamp;

/// A value; null is unknown.
#[derive(Debug, Clone)]
pub(super) enum Value<'a> {
    Null,
    Boolean(bool),
    Number(Number),
    Text(Cow<'a, str>),
    Time(Timestamp),
    Json(&'a Json),
}

impl<'a> Value<'a> {
    pub fn of(literal: &'a Literal) -> Self {
        match literal {
            Literal::Null => Self::Null,
            Literal::Boolean(value) => Self::Boolean(*value),
            Literal::Number(number) => Self::Number(*number),
            Literal::Text(text) => Self::Text(Cow::Borrowed(text)),
            Literal::Time(time) => Self::Time(*time),
        }
    }

    pub fn text(text: Option<&'a str>) -> Self {
        text.map_or(Self::Null, |text| Self::Text(Cow::Borrowed(text)))
    }

    pub fn int(number: i64) -> Self {
        Self::Number(Number::Int(number))
    }

    /// Null if it is not finite.
    pub fn float(number: f64) -> Self {
        Number::finite(number).map_or(Self::Null, Self::Number)
    }

    pub fn known(value: Option<bool>) -> Self {
        value.map_or(Self::Null, Self::Boolean)
    }

    /// The value as that type; null where an attribute cannot be read so.
    pub fn read_as(self, of: Type) -> Self {
        match (of, &self) {
            (Type::Number, _) => self.number().map_or(Self::Null, Self::Number),
            (Type::Text | Type::Code, Self::Json(_)) => self.into_text().map_or(Self::Null, Self::Text),
            (Type::Boolean, Self::Json(json)) => Self::known(json_boolean(json)),
            _ => self,
        }
    }

    /// Text that is a number counts as one, and so do the booleans of attributes.
    pub fn number(&self) -> Option<Number> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Text(text) => Number::parse_text(text),
            Self::Json(Json::Bool(flag)) => Some(Number::Int(i64::from(*flag))),
            Self::Json(Json::Number(number)) => json_number(number),
            Self::Json(Json::String(text)) => Number::parse_text(text),
            _ => None,
        }
    }

    /// Strings as they are, other attributes as JSON without blanks.
    pub fn into_text(self) -> Option<Cow<'a, str>> {
        match self {
            Self::Text(text) => Some(text),
            Self::Json(Json::String(text)) => Some(Cow::Borrowed(text)),
            Self::Json(Json::Null) => None,
            Self::Json(other) => Some(Cow::Owned(other.to_string())),
            _ => None,
        }
    }

    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null | Self::Json(Json::Null))
    }

    pub fn boolean(&self) -> Option<bool> {
        match self {
            Self::Boolean(value) => Some(*value),
            _ => None,
        }
    }

    /// How two values of one type relate; `None` if one is unknown.
    pub fn compare(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Number(one), Self::Number(other)) => one.partial_cmp(other),
            (Self::Text(one), Self::Text(other)) => Some(one.cmp(other)),
            (Self::Time(one), Self::Time(other)) => Some(one.cmp(other)),
            (Self::Boolean(one), Self::Boolean(other)) => Some(one.cmp(other)),
            (Self::Json(one), Self::Json(other)) => {
                // Only equality is asked of attributes as such.
                Some(if json_equal(one, other) { Ordering::Equal } else { Ordering::Less })
            }
            _ => None,
        }
    }
}

fn json_number(number: &serde_json::Number) -> Option<Number> {
    number.as_i64().map(Number::Int).or_else(|| number.as_f64().and_then(Number::finite))
}

/// `true`, `1` and the text `"true"` in any case, and their opposites.
fn json_boolean(json: &Json) -> Option<bool> {
    match json {
        Json::Bool(flag) => Some(*flag),
        Json::Number(number) => match number.as_i64() {
            Some(1) => Some(true),
            Some(0) => Some(false),
            _ => None,
        },
        Json::String(text) if text.eq_ignore_ascii_case("true") => Some(true),
        Json::String(text) if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

fn json_equal(one: &Json, other: &Json) -> bool {
    match (one, other) {
        (Json::Number(one), Json::Number(other)) => json_number(one) == json_number(other),
        _ => one == other,
    }
}
