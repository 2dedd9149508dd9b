//! Versions of one span. A span that is sent before its end may be sent again; the newest version is the one that is kept.
//!
//! - A span is unfinished if it has no end time, or the attribute `bennu.partial` with the value true.
//! - A finished version replaces an unfinished one, and nothing replaces a finished one.
//! - Of two unfinished versions the newer is the one with the later end time; if that is the same, with the later last
//!   event; then the longer one; then the one whose bytes sort later, so that the answer never depends on which came first.

use bytes::Bytes;

use crate::span::{Span, SpanError};
use crate::time::Timestamp;

/// What decides which version of a span is newer; greater is newer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SpanVersion {
    finished: bool,
    end: Timestamp,
    last_event: Option<Timestamp>,
    length: usize,
    bytes: Bytes,
}

impl SpanVersion {
    /// Reads the bytes of an OTLP `Span` message.
    pub fn read(bytes: &Bytes) -> Result<Self, SpanError> {
        let span = Span::decode(bytes)?;
        Ok(Self {
            finished: !span.is_unfinished(),
            end: span.end,
            last_event: span.events.iter().map(|event| event.time).max(),
            length: bytes.len(),
            bytes: bytes.clone(),
        })
    }

    /// Whether this version takes the place of one that is stored.
    pub fn replaces(&self, stored: &Self) -> bool {
        !stored.finished && self > stored
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
    use opentelemetry_proto::tonic::trace::v1 as proto;
    use prost::Message as _;

    use super::*;

    fn version(end: u64, partial: bool, event: Option<u64>, name: &str) -> SpanVersion {
        let value = Some(AnyValue { value: Some(any_value::Value::BoolValue(partial)) });
        let mark = KeyValue { key: "bennu.partial".to_owned(), value, ..KeyValue::default() };
        let event =
            event.map(|time| proto::span::Event { time_unix_nano: time * 1_000, ..Default::default() });
        let span = proto::Span {
            trace_id: vec![1; 16],
            span_id: vec![2; 8],
            name: name.to_owned(),
            end_time_unix_nano: end * 1_000,
            attributes: vec![mark],
            events: event.into_iter().collect(),
            ..proto::Span::default()
        };
        SpanVersion::read(&span.encode_to_vec().into()).unwrap()
    }

    #[test]
    fn versions_replace_each_other_in_one_direction_only() {
        let in_order = [
            version(0, false, None, "a"),
            version(0, false, None, "b"),
            version(0, false, None, "longer"),
            version(0, true, Some(5), "a"),
            version(0, false, Some(6), "a"),
            version(7, true, None, "a"),
            version(7, true, Some(7), "a"),
            version(3, false, None, "a"),
        ];
        for (place, older) in in_order.iter().enumerate() {
            assert!(!older.replaces(older));
            for newer in &in_order[place + 1..] {
                assert!(newer.replaces(older), "{newer:?} {older:?}");
                assert!(!older.replaces(newer), "{older:?} {newer:?}");
            }
        }
    }

    #[test]
    fn nothing_replaces_a_finished_span() {
        let (early, late) = (version(1, false, None, "a"), version(2, false, None, "b"));
        assert!(!late.replaces(&early) && !early.replaces(&late));
    }
}
