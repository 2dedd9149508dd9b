//! Scalars in a query string: which spellings count as an integer, a boolean or a number.

/// An integer: surrounding blanks, a sign, `_` between digits and a fraction of zeros are allowed. Beyond 64 bits it saturates,
/// so that range checks still see which way it lies.
pub(super) fn integer(text: &str) -> Option<i64> {
    let text = text.trim();
    let (sign, magnitude) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, fraction) = magnitude.split_once('.').unwrap_or((magnitude, "0"));
    let zeros = !fraction.is_empty() && fraction.bytes().all(|b| b == b'0');
    if !zeros || whole.split('_').any(str::is_empty) {
        return None;
    }
    let mut number = 0_i64;
    for byte in whole.bytes().filter(|b| *b != b'_') {
        let digit = byte.is_ascii_digit().then(|| i64::from(byte - b'0'))?;
        number = number.saturating_mul(10).saturating_add(digit);
    }
    Some(sign * number)
}

pub(super) fn boolean(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "true" | "t" | "yes" | "y" | "on" => Some(true),
        "0" | "false" | "f" | "no" | "n" | "off" => Some(false),
        _ => None,
    }
}

/// A number, infinite ones included.
pub(super) fn number(text: &str) -> Option<f64> {
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_an_integer() {
        let taken = [
            (" 1", 1),
            ("1 ", 1),
            ("+5", 5),
            ("1_000", 1000),
            ("007", 7),
            ("1.000", 1),
            ("-5", -5),
            ("-0", 0),
        ];
        for (text, value) in taken {
            assert_eq!(integer(text), Some(value), "{text}");
        }
        assert_eq!(integer("99999999999999999999"), Some(i64::MAX));
        for text in ["", "abc", "1.", ".5", "1.5", "1e2", "0x10", "--1", "1__0", "_1", "1_", "٣"] {
            assert_eq!(integer(text), None, "{text}");
        }
    }

    #[test]
    fn spellings_of_a_boolean() {
        assert!(["1", "TRUE", "t", "y", "on", "Yes"].iter().all(|text| boolean(text) == Some(true)));
        assert!(["0", "False", "f", "n", "off", "no"].iter().all(|text| boolean(text) == Some(false)));
        assert!(["", "maybe", "2", "1.0", " on"].iter().all(|text| boolean(text).is_none()));
    }

    #[test]
    fn spellings_of_a_number() {
        assert_eq!((number("1.5"), number(" 1e3"), number("-2")), (Some(1.5), Some(1000.0), Some(-2.0)));
        assert!(["inf", "Infinity", "1e999"].iter().all(|text| number(text) == Some(f64::INFINITY)));
        assert!(["", "x", "1,5", "0x1"].iter().all(|text| number(text).is_none()));
    }
}
