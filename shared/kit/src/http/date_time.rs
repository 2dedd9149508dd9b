//! Date-times as the reference server takes them: ISO 8601 in several spellings, or seconds since 1970.

use chrono::{NaiveDate, NaiveTime};

const MICROS_PER_SECOND: i64 = 1_000_000;
/// 0001-01-01T00:00:00Z, the first point in time that clients in Python can express.
const FIRST: i64 = -62_135_596_800 * MICROS_PER_SECOND;
/// 9999-12-31T23:59:59.999999Z, the last.
const LAST: i64 = 253_402_300_800 * MICROS_PER_SECOND - 1;
/// Numbers beyond are milliseconds, not seconds: as seconds they would lie after the year 2603.
const LARGEST_SECONDS: i64 = 20_000_000_000;

const SHAPE: &str = "expected YYYY-MM-DD, a date and time with or without an offset, or seconds since 1970";
const RANGE: &str = "only the years 1 to 9999 can be expressed";

/// Microseconds since 1970 of a date, a date-time (`T`, `_` or space between; a naive one is UTC), or a number of seconds
/// since 1970 (of milliseconds beyond 20,000,000,000). Digits beyond microseconds are cut off. The error says what is wrong.
pub fn parse_date_time(text: &str) -> Result<i64, &'static str> {
    read(text).map(|(micros, _)| micros)
}

/// Like [`parse_date_time`]; `None` for a naive one.
pub fn parse_zoned_date_time(text: &str) -> Result<Option<i64>, &'static str> {
    read(text).map(|(micros, zone)| (zone != Zone::Missing).then_some(micros))
}

/// Whether a date-time says where it counts from.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Zone {
    Given,
    Missing,
}

fn read(text: &str) -> Result<(i64, Zone), &'static str> {
    let (micros, zone) = match unix_time(text) {
        Some(number) => (number?, Zone::Given),
        None => iso_8601(text.as_bytes())?,
    };
    if (FIRST..=LAST).contains(&micros) { Ok((micros, zone)) } else { Err(RANGE) }
}

/// None if `text` is not a plain decimal number.
fn unix_time(text: &str) -> Option<Result<i64, &'static str>> {
    let (negative, number) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let all_digits = whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit());
    if !all_digits || whole.len() + fraction.len() == 0 {
        return None;
    }
    let magnitude = || {
        let whole = if whole.is_empty() { 0 } else { whole.parse::<i64>().ok()? };
        let unit = if whole > LARGEST_SECONDS { 1_000 } else { MICROS_PER_SECOND };
        whole
            .checked_mul(unit)?
            .checked_add(fraction_micros(fraction.as_bytes()) / (MICROS_PER_SECOND / unit))
    };
    Some(magnitude().map(|micros| if negative { -micros } else { micros }).ok_or(RANGE))
}

/// Millionths in the digits after the point.
fn fraction_micros(digits: &[u8]) -> i64 {
    let six = digits.iter().copied().chain(std::iter::repeat(b'0')).take(6);
    six.fold(0, |micros, digit| micros * 10 + i64::from(digit - b'0'))
}

fn iso_8601(text: &[u8]) -> Result<(i64, Zone), &'static str> {
    let mut rest = Rest(text);
    let (year, month, day) = (rest.digits(4)?, rest.after(b"-")?.digits(2)?, rest.after(b"-")?.digits(2)?);
    let date =
        NaiveDate::from_ymd_opt(year.cast_signed(), month, day).ok_or("no such day in the calendar")?;
    let time = if rest.0.is_empty() { NaiveTime::MIN } else { rest.after(b"Tt _")?.time()? };
    let zone = if rest.0.is_empty() { Zone::Missing } else { Zone::Given };
    let offset_minutes = rest.offset_minutes()?;
    if !rest.0.is_empty() {
        return Err(SHAPE);
    }
    let micros = date.and_time(time).and_utc().timestamp_micros() - offset_minutes * 60 * MICROS_PER_SECOND;
    Ok((micros, zone))
}

/// What is left to read.
struct Rest<'t>(&'t [u8]);

impl Rest<'_> {
    fn digits(&mut self, count: usize) -> Result<u32, &'static str> {
        let (digits, rest) = self.0.split_at_checked(count).ok_or(SHAPE)?;
        if !digits.iter().all(u8::is_ascii_digit) {
            return Err(SHAPE);
        }
        self.0 = rest;
        Ok(digits.iter().fold(0, |number, digit| number * 10 + u32::from(digit - b'0')))
    }

    /// Steps over one of these characters.
    fn after(&mut self, any: &[u8]) -> Result<&mut Self, &'static str> {
        if self.steps_over(any) { Ok(self) } else { Err(SHAPE) }
    }

    fn steps_over(&mut self, any: &[u8]) -> bool {
        match self.0 {
            [first, rest @ ..] if any.contains(first) => {
                self.0 = rest;
                true
            }
            _ => false,
        }
    }

    fn time(&mut self) -> Result<NaiveTime, &'static str> {
        let (hour, minute) = (self.digits(2)?, self.after(b":")?.digits(2)?);
        let second = if self.steps_over(b":") { self.digits(2)? } else { 0 };
        let micros = if self.steps_over(b".,") { self.fraction()? } else { 0 };
        NaiveTime::from_hms_micro_opt(hour, minute, second, micros).ok_or("no such time of day")
    }

    fn fraction(&mut self) -> Result<u32, &'static str> {
        let end = self.0.iter().position(|b| !b.is_ascii_digit()).unwrap_or(self.0.len());
        let (digits, rest) = self.0.split_at(end);
        if digits.is_empty() {
            return Err(SHAPE);
        }
        self.0 = rest;
        u32::try_from(fraction_micros(digits)).map_err(|_| SHAPE)
    }

    /// East of Greenwich is positive; nothing means UTC.
    fn offset_minutes(&mut self) -> Result<i64, &'static str> {
        let sign = match self.0.first() {
            None => return Ok(0),
            Some(b'Z' | b'z') => 0,
            Some(b'+') => 1,
            Some(b'-') => -1,
            Some(_) => return Err(SHAPE),
        };
        self.0 = &self.0[1..];
        if sign == 0 {
            return Ok(0);
        }
        let hours = self.digits(2)?;
        self.steps_over(b":");
        let minutes = self.digits(2)?;
        if hours > 23 || minutes > 59 {
            return Err("an offset is less than 24 hours");
        }
        Ok(sign * i64::from(hours * 60 + minutes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2024-01-01T00:00:00Z
    const NEW_YEAR: i64 = 1_704_067_200_000_000;
    const HOUR: i64 = 3_600_000_000;

    #[test]
    fn every_spelling_of_the_reference_is_read() {
        let cases = [
            ("2024-01-01", NEW_YEAR),
            ("2024-01-01T00:00", NEW_YEAR),
            ("2024-01-01 00:00:00", NEW_YEAR),
            ("2024-01-01_00:00", NEW_YEAR),
            ("2024-01-01t00:00z", NEW_YEAR),
            ("2024-01-01T00:00:00Z", NEW_YEAR),
            ("2024-01-01T00:00:00+02:00", NEW_YEAR - 2 * HOUR),
            ("2024-01-01T00:00:00+0200", NEW_YEAR - 2 * HOUR),
            ("2024-01-01T00:00:00-23:59", NEW_YEAR + 24 * HOUR - 60_000_000),
            ("2024-01-01T00:00:00.5Z", NEW_YEAR + 500_000),
            ("2024-01-01T00:00:00,5Z", NEW_YEAR + 500_000),
            ("2024-01-01T00:00:00.123456789Z", NEW_YEAR + 123_456),
            ("2024-02-29T00:00:00Z", NEW_YEAR + 59 * 24 * HOUR),
            ("1704067200", NEW_YEAR),
            ("1704067200.", NEW_YEAR),
            ("1704067200.25", NEW_YEAR + 250_000),
            ("1704067200000", NEW_YEAR),
            ("1704067200000.5", NEW_YEAR + 500),
            ("20000000000", 20_000_000_000_000_000),
            ("20000000001", 20_000_000_001_000),
            ("-1.5", -1_500_000),
            (".5", 500_000),
            ("0001-01-01", FIRST),
            ("9999-12-31T23:59:59.999999", LAST),
            ("253402300799999", LAST - 999),
        ];
        for (text, micros) in cases {
            assert_eq!(parse_date_time(text), Ok(micros), "{text}");
        }
    }

    #[test]
    fn a_naive_date_time_is_told_from_one_with_a_zone() {
        for naive in ["2024-01-01", "2024-01-01T00:00:00"] {
            assert_eq!(parse_zoned_date_time(naive), Ok(None), "{naive}");
        }
        for zoned in ["2024-01-01T00:00:00Z", "2024-01-01 02:00+02:00", "1704067200"] {
            assert_eq!(parse_zoned_date_time(zoned), Ok(Some(NEW_YEAR)), "{zoned}");
        }
        assert!(parse_zoned_date_time("x").is_err());
    }

    #[test]
    fn everything_else_is_refused() {
        let cases = [
            "",
            " ",
            "garbage",
            "1e9",
            "nan",
            "inf",
            ".",
            "-",
            "+",
            "2024-1-1",
            "2024-13-01",
            "2024-02-30T00:00:00Z",
            "99999-01-01",
            "2024-01-01T",
            "2024-01-01Z",
            "2024-01-01T0000",
            "2024-01-01T25:00:00",
            "2024-01-01T24:00:00",
            "2024-01-01T00:00:60Z",
            "2024-01-01T00:00:00.Z",
            "2024-01-01T00:00:00+02",
            "2024-01-01T00:00:00-24:00",
            "2024-01-01T00:00:00 02:00",
            "2024-01-01T00:00:00Zx",
            " 1700000000",
            "0000-01-01",
            "0001-01-01T00:00:00+05:00",
            "9999-12-31T23:59:59-05:00",
            "253402300800000",
            "99999999999999999999",
            "-99999999999999",
            "٢٠٢٤-01-01",
        ];
        for text in cases {
            assert!(parse_date_time(text).is_err(), "{text}");
        }
    }
}
