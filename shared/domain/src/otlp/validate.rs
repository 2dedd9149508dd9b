//! Checks every span of a request on its own: the good ones go on, the others are named with their reason.

use std::fmt;

use bytes::Bytes;
use opentelemetry_proto::tonic::trace::v1 as proto;
use prost::Message as _;

use super::OtlpError;
use super::bytes_values::{SPAN_ID, SPAN_NAME, SPAN_PARENT_ID, SPAN_TRACE_ID, any_field};
use super::request::{SpanGroup, join_request, split_request};
use super::soundness::is_sound_span;
use super::wire::fields;
use crate::ids::{IdError, SpanId, TraceId};

/// How many rejected spans one answer names; a bound on the size of the reply.
const NAMED_REJECTIONS: usize = 10;

/// A span that was refused, with enough to find it in the sender.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// Position among the spans of the request, from 0.
    pub position: usize,
    pub name: String,
    pub reason: String,
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Names come from the sender and may be of any length.
        let name: String = self.name.chars().take(80).collect();
        write!(f, "span {} ({name:?}): {}", self.position, self.reason)
    }
}

/// The `error_message` of a partial success; `None` when nothing was rejected.
pub fn rejection_message(rejections: &[Rejection]) -> Option<String> {
    let named: Vec<String> = rejections.iter().take(NAMED_REJECTIONS).map(ToString::to_string).collect();
    let more = match rejections.len().saturating_sub(NAMED_REJECTIONS) {
        0 => String::new(),
        unnamed => format!("; and {unnamed} more"),
    };
    (!rejections.is_empty()).then(|| format!("{}{more}", named.join("; ")))
}

/// A request of which every span can be stored.
#[derive(Debug, Clone, PartialEq)]
pub struct ValidRequest {
    body: Bytes,
    groups: Vec<SpanGroup>,
}

impl ValidRequest {
    /// Takes the body of a request that was validated on the other side of a broker: its spans are not looked at again.
    pub fn validated_before(body: Bytes) -> Result<Self, OtlpError> {
        let groups = split_request(&body)?;
        Ok(Self { body, groups })
    }

    /// The request in protobuf, without rejected spans.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    pub fn into_groups(self) -> Vec<SpanGroup> {
        self.groups
    }

    pub fn span_count(&self) -> usize {
        self.groups.iter().map(|group| group.spans.len()).sum()
    }
}

/// What became of a request at the edge.
#[derive(Debug, Clone, PartialEq)]
pub struct Validated {
    pub request: ValidRequest,
    pub rejections: Vec<Rejection>,
}

/// Looks at every span. A request without faults passes through as it was received, byte for byte.
pub fn validate_request(body: Bytes) -> Result<Validated, OtlpError> {
    let (mut groups, mut rejections) = (Vec::new(), Vec::new());
    let mut positions = 0..;
    for SpanGroup { origin, project, spans } in split_request(&body)? {
        let mut valid = Vec::with_capacity(spans.len());
        for (span, position) in spans.into_iter().zip(positions.by_ref()) {
            match check_span(&span) {
                Ok(()) => valid.push(span),
                Err((name, reason)) => rejections.push(Rejection { position, name, reason }),
            }
        }
        groups.push(SpanGroup { origin, project, spans: valid });
    }
    let body = if rejections.is_empty() { body } else { join_request(&groups) };
    Ok(Validated { request: ValidRequest { body, groups }, rejections })
}

/// The name of a span that cannot be stored, and what is wrong with it.
fn check_span(bytes: &Bytes) -> Result<(), (String, String)> {
    let wrong = |reason| (name_of(bytes), reason);
    if is_sound_span(bytes) {
        return check_ids(&ids_of(bytes)).map_err(wrong);
    }
    let span =
        proto::Span::decode(bytes.as_ref()).map_err(|error| wrong(format!("cannot be decoded: {error}")))?;
    let ids = Ids { trace: &span.trace_id, span: &span.span_id, parent: &span.parent_span_id };
    check_ids(&ids).map_err(wrong)
}

/// The name of a span, as far as it can be read.
fn name_of(span: &Bytes) -> String {
    let names = fields(span).map_while(Result::ok).filter(|field| field.number == SPAN_NAME);
    names
        .last()
        .and_then(|field| field.payload)
        .map(|name| String::from_utf8_lossy(&name).into_owned())
        .unwrap_or_default()
}

/// As they stand in a span.
#[derive(Default)]
struct Ids<'a> {
    trace: &'a [u8],
    span: &'a [u8],
    parent: &'a [u8],
}

/// The ids of a sound span. Of a field that comes twice the last one counts.
fn ids_of(span: &[u8]) -> Ids<'_> {
    let mut ids = Ids::default();
    any_field(span, |number, payload| {
        match number {
            SPAN_TRACE_ID => ids.trace = payload,
            SPAN_ID => ids.span = payload,
            SPAN_PARENT_ID => ids.parent = payload,
            _ => {}
        }
        false
    });
    ids
}

/// Id lengths as the OTLP specification sets them; W3C Trace Context forbids all zeros.
fn check_ids(ids: &Ids) -> Result<(), String> {
    let named = |field: &'static str| move |error: IdError| format!("{field} {error}");
    TraceId::from_bytes(ids.trace).map_err(named("trace_id"))?;
    SpanId::from_bytes(ids.span).map_err(named("span_id"))?;
    match SpanId::from_bytes(ids.parent) {
        // Some exporters write the absent parent as zeros.
        Ok(_) | Err(IdError::Missing | IdError::Zero) => Ok(()),
        Err(error) => Err(named("parent_span_id")(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::otlp::SpanOrigin;

    fn span(name: &str, trace: usize, span: usize) -> Bytes {
        proto::Span {
            name: name.to_owned(),
            trace_id: vec![1; trace],
            span_id: vec![2; span],
            ..Default::default()
        }
        .encode_to_vec()
        .into()
    }

    fn request(spans: Vec<Bytes>) -> Bytes {
        let origin = SpanOrigin { resource_spans: Bytes::new(), scope_spans: Bytes::new() };
        join_request(&[SpanGroup { origin, project: None, spans }])
    }

    #[test]
    fn a_good_request_passes_as_it_was_received() {
        let body = request(vec![span("a", 16, 8), span("b", 16, 8)]);
        let validated = validate_request(body.clone()).unwrap();
        assert_eq!((validated.request.body(), validated.request.span_count()), (&body, 2));
        assert_eq!(validated.rejections, []);
    }

    #[test]
    fn a_span_with_a_group_is_read_by_the_decoder() {
        let group = [0xbb, 0x3e, 0xbc, 0x3e]; // field 999, begun and ended
        let in_front = |span: Bytes| Bytes::from([group.as_slice(), &span].concat());
        let body = request(vec![in_front(span("a", 16, 8)), in_front(span("b", 16, 2))]);
        let validated = validate_request(body).unwrap();
        assert_eq!(validated.request.span_count(), 1);
        assert_eq!(validated.rejections[0].reason, "span_id has 2 bytes, must have 8");
    }

    #[test]
    fn bad_spans_are_named_and_their_neighbours_kept() {
        let broken = Bytes::from_static(&[0x2a, 0x02, 0xff, 0xff]); // a name that is not UTF-8
        let body = request(vec![span("short", 3, 8), span("good", 16, 8), span("none", 16, 0), broken]);
        let validated = validate_request(body).unwrap();
        assert_eq!(*validated.request.body(), request(vec![span("good", 16, 8)]));
        let message = rejection_message(&validated.rejections).unwrap();
        assert!(message.contains("span 0 (\"short\"): trace_id has 3 bytes, must have 16"), "{message}");
        assert!(message.contains("span 2 (\"none\"): span_id is missing"), "{message}");
        assert!(message.contains("span 3 (\"\u{fffd}\u{fffd}\"): cannot be decoded"), "{message}");
    }
}
