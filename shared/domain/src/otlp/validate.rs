//! Checks every span of a request on its own: the good ones go on, the others are named with their reason.

use std::fmt;

use bytes::Bytes;
use opentelemetry_proto::tonic::trace::v1 as proto;
use prost::Message as _;

use super::OtlpError;
use super::request::{SpanGroup, SpanOrigin, join_request, split_request};
use super::wire::fields;
use crate::ids::{IdError, SpanId, TraceId};
use crate::project::ProjectName;

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

/// A request of which every span can be stored, decoded once.
#[derive(Debug, Clone, PartialEq)]
pub struct ValidRequest {
    body: Bytes,
    groups: Vec<ValidGroup>,
}

/// The spans of one scope, each as sent and as decoded.
#[derive(Debug, Clone, PartialEq)]
pub struct ValidGroup {
    pub origin: SpanOrigin,
    /// The project that the resource names, if it does.
    pub project: Option<ProjectName>,
    pub spans: Vec<(Bytes, proto::Span)>,
}

impl ValidRequest {
    /// The request in protobuf, without rejected spans.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    pub fn into_groups(self) -> Vec<ValidGroup> {
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

/// Decodes every span once. A request without faults passes through as it was received, byte for byte.
pub fn validate_request(body: Bytes) -> Result<Validated, OtlpError> {
    let (mut groups, mut rejections) = (Vec::new(), Vec::new());
    let mut positions = 0..;
    for SpanGroup { origin, project, spans } in split_request(&body)? {
        let mut valid = Vec::with_capacity(spans.len());
        for (bytes, position) in spans.into_iter().zip(positions.by_ref()) {
            match read_span(&bytes) {
                Ok(span) => valid.push((bytes, span)),
                Err((name, reason)) => rejections.push(Rejection { position, name, reason }),
            }
        }
        groups.push(ValidGroup { origin, project, spans: valid });
    }
    let body = if rejections.is_empty() {
        body
    } else {
        join_request(&groups.iter().map(as_sent).collect::<Vec<_>>())
    };
    Ok(Validated { request: ValidRequest { body, groups }, rejections })
}

fn as_sent(group: &ValidGroup) -> SpanGroup {
    let spans = group.spans.iter().map(|(bytes, _)| bytes.clone()).collect();
    SpanGroup { origin: group.origin.clone(), project: group.project.clone(), spans }
}

/// The span, or its name and what is wrong with it.
fn read_span(bytes: &Bytes) -> Result<proto::Span, (String, String)> {
    let span = proto::Span::decode(bytes.as_ref())
        .map_err(|error| (name_of(bytes), format!("cannot be decoded: {error}")))?;
    match check_ids(&span) {
        Ok(()) => Ok(span),
        Err(reason) => Err((span.name, reason)),
    }
}

/// `Span.name` in the OTLP specification 1.x.
const NAME: u32 = 5;

/// The name of a span that cannot be decoded as a whole, as far as it can be read.
fn name_of(span: &Bytes) -> String {
    let names = fields(span).map_while(Result::ok).filter(|field| field.number == NAME);
    names
        .last()
        .and_then(|field| field.payload)
        .map(|name| String::from_utf8_lossy(&name).into_owned())
        .unwrap_or_default()
}

/// Id lengths as the OTLP specification sets them; W3C Trace Context forbids all zeros.
fn check_ids(span: &proto::Span) -> Result<(), String> {
    let named = |field: &'static str| move |error: IdError| format!("{field} {error}");
    TraceId::from_bytes(&span.trace_id).map_err(named("trace_id"))?;
    SpanId::from_bytes(&span.span_id).map_err(named("span_id"))?;
    match SpanId::from_bytes(&span.parent_span_id) {
        // Some exporters write the absent parent as zeros.
        Ok(_) | Err(IdError::Missing | IdError::Zero) => Ok(()),
        Err(error) => Err(named("parent_span_id")(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
