//! Points in time as the API knows them: UTC with microseconds.

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, NaiveDate, NaiveDateTime, Timelike as _};
use serde::{Deserialize, Serialize};

/// Microseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// So much later; the end of time is never passed.
    #[must_use]
    pub fn after(self, pause: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(pause.as_micros()).unwrap_or(i64::MAX)))
    }

    #[must_use]
    pub fn before(self, pause: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(pause.as_micros()).unwrap_or(i64::MAX)))
    }

    /// The time from then to this one; none if that is later.
    pub fn since(self, then: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(then.0)).unwrap_or(0))
    }

    /// OTLP nanoseconds, rounded through seconds in a double as the reference server does, so that
    /// `…123456789` ns reads `.123457` and both servers show the same text.
    pub fn from_unix_nano(nanoseconds: u64) -> Self {
        #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation)]
        {
            let seconds = nanoseconds as f64 / 1e9;
            let micros = (seconds.fract() * 1e6).round_ties_even();
            Self(seconds.trunc() as i64 * 1_000_000 + micros as i64)
        }
    }

    /// Nanoseconds since 1970; 0 for times before it, which OTLP cannot express.
    pub fn unix_nano(self) -> u64 {
        u64::try_from(self.0).unwrap_or(0).saturating_mul(1_000)
    }
}

/// ISO 8601 with `+00:00`, microseconds left out when zero.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = DateTime::from_timestamp_micros(self.0).unwrap_or_default();
        write!(f, "{}", time.format("%Y-%m-%dT%H:%M:%S"))?;
        match time.nanosecond() / 1_000 {
            0 => f.write_str("+00:00"),
            micros => write!(f, ".{micros:06}+00:00"),
        }
    }
}

/// Reads ISO 8601 with an offset, such as `2026-01-02T03:04:05Z`; the error says what is missing.
pub fn parse_zoned(text: &str) -> Result<Timestamp, &'static str> {
    const FORMATS: [&str; 6] = [
        "%Y-%m-%dT%H:%M:%S%.f%#z",
        "%Y-%m-%d %H:%M:%S%.f%#z",
        "%Y-%m-%d %H:%M:%S%.f %#z",
        "%Y-%m-%dT%H:%M%#z",
        "%Y-%m-%d %H:%M%#z",
        "%Y%m%dT%H%M%S%#z",
    ];
    const WITHOUT_OFFSET: [&str; 2] = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f"];
    let text = text.replace('t', "T").replace(',', ".");
    if let Some(time) = FORMATS.iter().find_map(|format| DateTime::parse_from_str(&text, format).ok()) {
        return Ok(Timestamp(time.timestamp_micros()));
    }
    let is_date = NaiveDate::parse_from_str(&text, "%Y-%m-%d").is_ok();
    let lacks_offset =
        WITHOUT_OFFSET.iter().any(|format| NaiveDateTime::parse_from_str(&text, format).is_ok());
    Err(if is_date || lacks_offset {
        "it has no timezone, add an offset such as 'Z'"
    } else {
        "it is not ISO 8601"
    })
}

/// Where the time comes from; handed in, so that tests can move it.
pub trait Clock: Send + Sync {
    fn now(&self) -> Timestamp;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods)] // the one seam at which the real time enters
    fn now(&self) -> Timestamp {
        Timestamp(DateTime::<chrono::Utc>::from(std::time::SystemTime::now()).timestamp_micros())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nanoseconds_round_to_microseconds() {
        assert_eq!(Timestamp::from_unix_nano(1_700_000_000_123_456_789), Timestamp(1_700_000_000_123_457));
        assert_eq!(Timestamp::from_unix_nano(0), Timestamp(0));
        assert_eq!(Timestamp::from_unix_nano(u64::MAX).to_string(), "2554-07-21T23:34:33.709553+00:00");
    }

    #[test]
    fn times_with_an_offset_are_read_in_every_usual_form() {
        let second = Ok(Timestamp(1_767_323_046_000_000));
        for text in [
            "2026-01-02T03:04:06Z",
            "2026-01-02 03:04:06Z",
            "2026-01-02t03:04:06z",
            "2026-01-02T05:04:06+02:00",
            "2026-01-02T03:04:06+0000",
            "2026-01-02 03:04:06 +00:00",
            "20260102T030406Z",
            "2026-01-02T03:04:06.000000Z",
        ] {
            assert_eq!(parse_zoned(text), second, "{text}");
        }
        assert_eq!(parse_zoned("2026-01-02T03:04Z"), Ok(Timestamp(1_767_323_040_000_000)));
        assert_eq!(parse_zoned("2026-01-02T03:04:06,5Z"), Ok(Timestamp(1_767_323_046_500_000)));
        for text in ["2026-01-02", "2026-01-02T03:04:06", "2026-01-02 03:04:06.5"] {
            assert!(parse_zoned(text).is_err_and(|reason| reason.contains("timezone")), "{text}");
        }
        for text in ["", "yesterday", "2026-01-02T24:00:00Z", "2026-02-30T00:00:00Z"] {
            assert_eq!(parse_zoned(text), Err("it is not ISO 8601"), "{text}");
        }
    }

    #[test]
    fn zero_microseconds_are_left_out() {
        assert_eq!(Timestamp(0).to_string(), "1970-01-01T00:00:00+00:00");
        assert_eq!(Timestamp(1_500_000).to_string(), "1970-01-01T00:00:01.500000+00:00");
    }
}
