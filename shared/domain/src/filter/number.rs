//! Numbers of conditions: whole ones are exact, as ids need it.

use std::cmp::Ordering;

/// A whole number of 64 bits, or a finite double.
#[derive(Debug, Clone, Copy)]
pub enum Number {
    Int(i64),
    Float(f64),
}

impl Number {
    /// A literal without `_`; `None` if it is none, or infinite. Whole numbers beyond 64 bits become doubles.
    pub(super) fn parse_literal(text: &str) -> Option<Self> {
        let lower = text.to_ascii_lowercase();
        for (prefix, radix) in [("0x", 16), ("0o", 8), ("0b", 2)] {
            if let Some(digits) = lower.strip_prefix(prefix) {
                let digits = Some(digits).filter(|digits| !digits.starts_with('+'))?;
                return i64::from_str_radix(digits, radix).ok().map(Self::Int);
            }
        }
        let whole = lower.bytes().all(|byte| byte.is_ascii_digit());
        if whole && lower.len() > 1 && lower.starts_with('0') && lower.bytes().any(|byte| byte != b'0') {
            return None;
        }
        if whole && let Ok(number) = lower.parse() {
            return Some(Self::Int(number));
        }
        let shaped = lower.bytes().all(|byte| byte.is_ascii_digit() || b".e+-".contains(&byte));
        shaped.then(|| lower.parse().ok()).flatten().and_then(Self::finite)
    }

    /// The number that text holds between ASCII blanks, such as `" -1.5e3 "`.
    pub(super) fn parse_text(text: &str) -> Option<Self> {
        let text = text.trim_ascii();
        if let Ok(number) = text.parse().map(Self::Int) {
            return Some(number).filter(|_| !text.starts_with('+'));
        }
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        let unsigned = text.strip_prefix('-').unwrap_or(text);
        let (mantissa, exponent) =
            unsigned.split_once(['e', 'E']).map_or((unsigned, None), |(m, e)| (m, Some(e)));
        let (whole, fraction) = mantissa.split_once('.').map_or((mantissa, None), |(w, f)| (w, Some(f)));
        let shaped = digits(whole)
            && fraction.is_none_or(digits)
            && exponent.is_none_or(|exponent| digits(exponent.strip_prefix(['+', '-']).unwrap_or(exponent)));
        shaped.then(|| text.parse().ok()).flatten().and_then(Self::finite)
    }

    /// `None` for what is not finite.
    pub(super) fn finite(number: f64) -> Option<Self> {
        number.is_finite().then_some(Self::Float(number))
    }

    #[expect(clippy::cast_precision_loss, reason = "only comparisons with doubles and arithmetic come here")]
    pub fn as_f64(self) -> f64 {
        match self {
            Self::Int(number) => number as f64,
            Self::Float(number) => number,
        }
    }

    pub(super) fn negated(self) -> Self {
        match self {
            Self::Int(number) => number.checked_neg().map_or(Self::Float(-self.as_f64()), Self::Int),
            Self::Float(number) => Self::Float(-number),
        }
    }

    /// The whole part.
    #[expect(clippy::cast_possible_truncation, reason = "saturates, and the fraction is meant to go")]
    pub(super) fn truncated(self) -> Self {
        match self {
            Self::Int(_) => self,
            Self::Float(number) if number.abs() < 9e18 => Self::Int(number as i64),
            Self::Float(number) => Self::Float(number.trunc()),
        }
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Int(one), Self::Int(other)) => one.partial_cmp(other),
            (one, other) => one.as_f64().partial_cmp(&other.as_f64()),
        }
    }
}

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        self.partial_cmp(other) == Some(Ordering::Equal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_a_number_only_in_plain_decimal_form() {
        let number = Number::parse_text;
        assert_eq!(
            (number(" 12 "), number("-3.25"), number("1e3")),
            (Some(Number::Int(12)), Some(Number::Float(-3.25)), Some(Number::Float(1000.0)))
        );
        for text in ["", " ", "+5", ".5", "5.", "1_000", "0x10", "inf", "nan", "12abc", "1e", "1e999", "--1"]
        {
            assert_eq!(number(text), None, "{text:?}");
        }
    }

    #[test]
    fn whole_numbers_are_exact_and_equal_to_their_doubles() {
        assert_ne!(Number::Int(9_007_199_254_740_993), Number::Int(9_007_199_254_740_992));
        assert_eq!(Number::Int(42), Number::Float(42.0));
    }
}
