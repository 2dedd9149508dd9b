//! Pages of a list: order, limit, and the cursors between them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::DateTime;

use crate::time::Timestamp;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    Ascending,
    #[default]
    Descending,
}

/// Items of one page and where the next page begins.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T, C> {
    pub items: Vec<T>,
    pub next: Option<C>,
}

/// A place in a list sorted by a value with the row id breaking ties.
///
/// On the wire: base64 of `<row>:DATETIME:<ISO time>` or `<row>:FLOAT:<number>`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SortCursor<V> {
    pub row: i64,
    pub value: V,
}

/// A sort value that can stand in a cursor.
pub trait CursorValue: Sized + Copy {
    const TYPE: &'static str;
    fn write(self) -> String;
    fn read(text: &str) -> Option<Self>;
}

impl CursorValue for Timestamp {
    const TYPE: &'static str = "DATETIME";
    fn write(self) -> String {
        self.to_string()
    }
    fn read(text: &str) -> Option<Self> {
        DateTime::parse_from_rfc3339(text).ok().map(|time| Self(time.timestamp_micros()))
    }
}

impl CursorValue for f64 {
    const TYPE: &'static str = "FLOAT";
    fn write(self) -> String {
        self.to_string()
    }
    fn read(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

impl<V: CursorValue> SortCursor<V> {
    pub fn encode(&self) -> String {
        STANDARD.encode(format!("{}:{}:{}", self.row, V::TYPE, self.value.write()))
    }

    /// `None` for text that is no cursor of this sort.
    pub fn decode(text: &str) -> Option<Self> {
        let decoded = String::from_utf8(STANDARD.decode(text).ok()?).ok()?;
        let mut parts = decoded.splitn(3, ':');
        let row = parts.next()?.parse().ok()?;
        (parts.next()? == V::TYPE).then_some(())?;
        Some(Self { row, value: V::read(parts.next()?)? })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_cursor_of_another_sort_is_none() {
        let by_time = SortCursor { row: 3, value: Timestamp(1_500_000) }.encode();
        assert_eq!(SortCursor::<f64>::decode(&by_time), None);
        assert_eq!(SortCursor::<Timestamp>::decode("!"), None);
        assert_eq!(SortCursor::<Timestamp>::decode(&STANDARD.encode("3")), None);
    }

    proptest! {
        #[test]
        fn cursors_round_trip(row in any::<i64>(), micros in 0i64..4_102_444_800_000_000, value in -1e12f64..1e12) {
            let by_time = SortCursor { row, value: Timestamp(micros) };
            prop_assert_eq!(SortCursor::decode(&by_time.encode()), Some(by_time));
            let by_number = SortCursor { row, value };
            prop_assert_eq!(SortCursor::decode(&by_number.encode()), Some(by_number));
        }
    }
}
