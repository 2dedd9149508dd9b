//! Takes an `ExportTraceServiceRequest` apart into spans that keep their exact bytes, and puts it together again.

use bytes::{BufMut as _, Bytes, BytesMut};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1 as proto;
use prost::encoding::{WireType, encode_key, encode_varint};

use super::OtlpError;
use super::wire::{Field, fields};
use crate::project::ProjectName;

/// `ExportTraceServiceRequest.resource_spans`, `ResourceSpans.scope_spans` and `ScopeSpans.spans`:
/// numbers fixed by the OTLP specification 1.x.
const RESOURCE_SPANS: u32 = 1;
const SCOPE_SPANS: u32 = 2;
const SPANS: u32 = 2;

/// Resource attribute that names the project of the spans.
const PROJECT_ATTRIBUTE: &str = "openinference.project.name";

/// Where spans came from: their `ResourceSpans` and `ScopeSpans` messages without the children, so that
/// resource, scope, both schema URLs and any newer field are kept as sent.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SpanOrigin {
    pub resource_spans: Bytes,
    pub scope_spans: Bytes,
}

/// The spans of one scope, each as the bytes of an OTLP `Span` message.
#[derive(Debug, Clone, PartialEq)]
pub struct SpanGroup {
    pub origin: SpanOrigin,
    /// The project that the resource names, if it does.
    pub project: Option<ProjectName>,
    pub spans: Vec<Bytes>,
}

/// Splits a request into its groups of spans; the bytes are shared with `body`, not copied.
pub fn split_request(body: &Bytes) -> Result<Vec<SpanGroup>, OtlpError> {
    let mut groups = Vec::new();
    let (_, resource_spans) = split_children(body, RESOURCE_SPANS)?;
    for message in resource_spans {
        let (resource, scope_spans) = split_children(&message, SCOPE_SPANS)?;
        let project = project_of(&resource)?;
        for message in scope_spans {
            let (scope, spans) = split_children(&message, SPANS)?;
            decode_check::<proto::ScopeSpans>(&scope)?;
            let origin = SpanOrigin { resource_spans: resource.clone(), scope_spans: scope };
            groups.push(SpanGroup { origin, project: project.clone(), spans });
        }
    }
    Ok(groups)
}

/// Puts groups together into the bytes of one `ExportTraceServiceRequest`.
pub fn join_request(groups: &[SpanGroup]) -> Bytes {
    let mut request = BytesMut::new();
    for group in groups {
        let mut scope = BytesMut::from(group.origin.scope_spans.as_ref());
        for span in &group.spans {
            put_child(&mut scope, SPANS, span);
        }
        let mut resource = BytesMut::from(group.origin.resource_spans.as_ref());
        put_child(&mut resource, SCOPE_SPANS, &scope);
        put_child(&mut request, RESOURCE_SPANS, &resource);
    }
    request.freeze()
}

/// The message without the children at `number`, and those children.
fn split_children(message: &Bytes, number: u32) -> Result<(Bytes, Vec<Bytes>), OtlpError> {
    let mut remainder = BytesMut::new();
    let mut children = Vec::new();
    for field in fields(message) {
        match field? {
            Field { number: found, payload: Some(child), .. } if found == number => children.push(child),
            other => remainder.extend_from_slice(&other.encoded),
        }
    }
    Ok((remainder.freeze(), children))
}

fn put_child(parent: &mut BytesMut, number: u32, child: &[u8]) {
    encode_key(number, WireType::LengthDelimited, parent);
    encode_varint(child.len() as u64, parent);
    parent.put_slice(child);
}

/// The project named by the resource: only a non-empty string counts.
fn project_of(resource_spans: &Bytes) -> Result<Option<ProjectName>, OtlpError> {
    let message = decode_check::<proto::ResourceSpans>(resource_spans)?;
    let attributes = message.resource.unwrap_or_default().attributes;
    Ok(attributes.into_iter().rev().find(|attribute| attribute.key == PROJECT_ATTRIBUTE).and_then(
        |attribute| match attribute.value?.value? {
            Value::StringValue(name) => ProjectName::new(&name),
            _ => None,
        },
    ))
}

fn decode_check<M: prost::Message + Default>(bytes: &Bytes) -> Result<M, OtlpError> {
    M::decode(bytes.as_ref()).map_err(|error| OtlpError::Protobuf(error.to_string()))
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
    use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
    use opentelemetry_proto::tonic::resource::v1::Resource;
    use proptest::prelude::*;
    use prost::Message as _;

    use super::*;

    fn request() -> ExportTraceServiceRequest {
        let project = KeyValue {
            key: PROJECT_ATTRIBUTE.to_owned(),
            value: Some(AnyValue { value: Some(Value::StringValue("demo".to_owned())) }),
            ..Default::default()
        };
        ExportTraceServiceRequest {
            resource_spans: vec![proto::ResourceSpans {
                resource: Some(Resource { attributes: vec![project], ..Default::default() }),
                scope_spans: vec![proto::ScopeSpans {
                    scope: Some(InstrumentationScope { name: "tracer".to_owned(), ..Default::default() }),
                    spans: vec![
                        proto::Span { name: "one".to_owned(), ..Default::default() },
                        proto::Span {
                            name: "two".to_owned(),
                            trace_state: "a=b".to_owned(),
                            ..Default::default()
                        },
                    ],
                    schema_url: "scope-schema".to_owned(),
                }],
                schema_url: "resource-schema".to_owned(),
            }],
        }
    }

    #[test]
    fn a_split_request_joins_into_an_equal_one() {
        let request = request();
        let groups = split_request(&request.encode_to_vec().into()).unwrap();
        assert_eq!(groups[0].project.as_ref().map(ProjectName::as_str), Some("demo"));
        assert_eq!(groups[0].spans.len(), 2);
        assert_eq!(ExportTraceServiceRequest::decode(join_request(&groups)).unwrap(), request);
    }

    #[test]
    fn fields_newer_than_this_code_are_kept() {
        let mut span = BytesMut::from(
            proto::Span { name: "n".to_owned(), ..Default::default() }.encode_to_vec().as_slice(),
        );
        put_child(&mut span, 999, b"from the future");
        let mut scope = BytesMut::new();
        put_child(&mut scope, SPANS, &span);
        put_child(&mut scope, 998, b"of the scope");
        let mut resource = BytesMut::new();
        put_child(&mut resource, SCOPE_SPANS, &scope);
        let mut body = BytesMut::new();
        put_child(&mut body, RESOURCE_SPANS, &resource);

        let groups = split_request(&body.freeze()).unwrap();
        assert_eq!(groups[0].spans[0], span.freeze());
        assert!(groups[0].origin.scope_spans.windows(12).any(|window| window == b"of the scope"));
    }

    #[test]
    fn an_empty_body_is_an_empty_request_and_text_is_malformed() {
        assert_eq!(split_request(&Bytes::new()), Ok(Vec::new()));
        assert!(matches!(split_request(&Bytes::from_static(b"not protobuf")), Err(OtlpError::Protobuf(_))));
    }

    proptest! {
        #[test]
        fn no_body_makes_it_panic(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = split_request(&body.into());
        }

        #[test]
        fn a_truncated_request_is_malformed_or_shorter(cut in 0usize..150) {
            let body = Bytes::from(request().encode_to_vec());
            let _ = split_request(&body.slice(..cut.min(body.len())));
        }
    }
}
