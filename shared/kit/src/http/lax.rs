//! Numbers in bodies as official clients may send them: also as text, and as booleans.

use serde::de::{Deserialize, Deserializer, Error, Unexpected, Visitor};

use super::query_values::{integer, number};

/// A number; text such as `" 1.5 "`, `inf` or `NaN` is one too.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LaxNumber(pub f64);

/// A whole number; so are text such as `"1"` and a number such as `1.0`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LaxInteger(pub i64);

impl<'de> Deserialize<'de> for LaxNumber {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NumberVisitor)
    }
}

impl<'de> Deserialize<'de> for LaxInteger {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(IntegerVisitor)
    }
}

struct NumberVisitor;

#[allow(clippy::cast_precision_loss)] // JSON numbers are doubles to most clients
impl Visitor<'_> for NumberVisitor {
    type Value = LaxNumber;

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("a number")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<LaxNumber, E> {
        Ok(LaxNumber(f64::from(value)))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<LaxNumber, E> {
        Ok(LaxNumber(value as f64))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<LaxNumber, E> {
        Ok(LaxNumber(value as f64))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<LaxNumber, E> {
        Ok(LaxNumber(value))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<LaxNumber, E> {
        number(text).map(LaxNumber).ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
    }
}

struct IntegerVisitor;

impl Visitor<'_> for IntegerVisitor {
    type Value = LaxInteger;

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("a whole number")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<LaxInteger, E> {
        Ok(LaxInteger(i64::from(value)))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<LaxInteger, E> {
        Ok(LaxInteger(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<LaxInteger, E> {
        Ok(LaxInteger(i64::try_from(value).unwrap_or(i64::MAX)))
    }

    #[allow(clippy::cast_possible_truncation)] // saturates far outside of any use
    fn visit_f64<E: Error>(self, value: f64) -> Result<LaxInteger, E> {
        if value.fract() == 0.0 {
            Ok(LaxInteger(value as i64))
        } else {
            Err(E::invalid_value(Unexpected::Float(value), &self))
        }
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<LaxInteger, E> {
        integer(text).map(LaxInteger).ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn numbers_may_be_text() {
        let read = |value: Value| serde_json::from_value::<LaxNumber>(value).map(|number| number.0).ok();
        assert_eq!(read(json!(1)), Some(1.0));
        assert_eq!(read(json!(" 1.5 ")), Some(1.5));
        assert_eq!(read(json!("-inf")), Some(f64::NEG_INFINITY));
        assert_eq!(read(json!(true)), Some(1.0));
        assert_eq!([read(json!("x")), read(json!([])), read(json!(null))], [None; 3]);
    }

    #[test]
    fn whole_numbers_may_be_text_or_end_in_zeros() {
        let read = |value: Value| serde_json::from_value::<LaxInteger>(value).map(|number| number.0).ok();
        assert_eq!(read(json!("7")), Some(7));
        assert_eq!(read(json!(7.0)), Some(7));
        assert_eq!(read(json!(u64::MAX)), Some(i64::MAX));
        assert_eq!([read(json!(7.5)), read(json!("7.5")), read(json!({}))], [None; 3]);
    }
}
