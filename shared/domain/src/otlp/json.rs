//! OTLP/JSON requests (OTLP specification, "JSON Protobuf Encoding"), turned into the protobuf form.
//!
//! Ids are hexadecimal, 64-bit integers may be text, enums may be numbers or names, and both lowerCamelCase
//! and the original snake_case field names are read. Unknown fields are skipped.

use std::borrow::Cow;

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{self as proto, span, status};
use prost::Message as _;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::OtlpError;
use super::any_json::{Object, attributes};
use super::validate::{Rejection, Validated, validate_request};

#[derive(Deserialize)]
struct JsonRequest<'a> {
    #[serde(borrow, default, alias = "resourceSpans")]
    resource_spans: Option<Vec<JsonResourceSpans<'a>>>,
}

#[derive(Deserialize)]
struct JsonResourceSpans<'a> {
    resource: Option<Value>,
    #[serde(borrow, default, alias = "scopeSpans")]
    scope_spans: Option<Vec<JsonScopeSpans<'a>>>,
    #[serde(default, alias = "schemaUrl")]
    schema_url: String,
}

/// Spans stay raw text here, so that one that cannot be read is refused alone.
#[derive(Deserialize)]
struct JsonScopeSpans<'a> {
    scope: Option<Value>,
    #[serde(borrow, default)]
    spans: Option<Vec<&'a RawValue>>,
    #[serde(default, alias = "schemaUrl")]
    schema_url: String,
}

/// Reads a JSON request and checks its spans like [`validate_request`] does.
pub fn validate_json_request(body: &[u8]) -> Result<Validated, OtlpError> {
    let malformed = |error: String| OtlpError::Json(error);
    let text = std::str::from_utf8(body).map_err(|error| malformed(error.to_string()))?;
    let text = replace_lone_surrogates(text);
    // The derived reader would take a list for the fields in their order.
    if !text.trim_start().starts_with('{') {
        return Err(malformed("it is not an object".to_owned()));
    }
    let request: JsonRequest = serde_json::from_str(&text).map_err(|error| malformed(error.to_string()))?;
    let mut reader = Reader::default();
    let resource_spans = request.resource_spans.unwrap_or_default();
    let resource_spans =
        resource_spans.into_iter().map(|group| reader.resource_spans(group)).collect::<Result<_, _>>();
    let message = ExportTraceServiceRequest { resource_spans: resource_spans.map_err(malformed)? };

    let mut validated = validate_request(Bytes::from(message.encode_to_vec()))?;
    for rejection in &mut validated.rejections {
        rejection.position = reader.kept.get(rejection.position).copied().unwrap_or(rejection.position);
    }
    validated.rejections.append(&mut reader.rejections);
    validated.rejections.sort_by_key(|rejection| rejection.position);
    Ok(validated)
}

#[derive(Default)]
struct Reader {
    position: usize,
    /// Positions in the request of the spans that were read.
    kept: Vec<usize>,
    rejections: Vec<Rejection>,
}

impl Reader {
    fn resource_spans(&mut self, group: JsonResourceSpans) -> Result<proto::ResourceSpans, String> {
        let scope_spans = group.scope_spans.unwrap_or_default();
        Ok(proto::ResourceSpans {
            resource: group.resource.as_ref().map(resource).transpose()?,
            scope_spans: scope_spans
                .into_iter()
                .map(|group| self.scope_spans(group))
                .collect::<Result<_, _>>()?,
            schema_url: group.schema_url,
        })
    }

    fn scope_spans(&mut self, group: JsonScopeSpans) -> Result<proto::ScopeSpans, String> {
        let spans = group.spans.unwrap_or_default();
        Ok(proto::ScopeSpans {
            scope: group.scope.as_ref().map(scope).transpose()?,
            spans: spans.into_iter().filter_map(|raw| self.span(raw)).collect(),
            schema_url: group.schema_url,
        })
    }

    fn span(&mut self, raw: &RawValue) -> Option<proto::Span> {
        let position = self.position;
        self.position += 1;
        let parsed = serde_json::from_str::<Value>(raw.get()).map_err(|error| error.to_string());
        match parsed.as_ref().map_err(Clone::clone).and_then(read_span) {
            Ok(span) => {
                self.kept.push(position);
                Some(span)
            }
            Err(reason) => {
                let name = parsed.ok().and_then(|json| Some(json.get("name")?.as_str()?.to_owned()));
                self.rejections.push(Rejection { position, name: name.unwrap_or_default(), reason });
                None
            }
        }
    }
}

fn resource(json: &Value) -> Result<Resource, String> {
    let object = Object::new(json, "resource")?;
    Ok(Resource {
        attributes: attributes(&object)?,
        dropped_attributes_count: object.u32("droppedAttributesCount")?,
        ..Default::default()
    })
}

fn scope(json: &Value) -> Result<InstrumentationScope, String> {
    let object = Object::new(json, "scope")?;
    Ok(InstrumentationScope {
        name: object.text("name")?,
        version: object.text("version")?,
        attributes: attributes(&object)?,
        dropped_attributes_count: object.u32("droppedAttributesCount")?,
    })
}

fn read_span(json: &Value) -> Result<proto::Span, String> {
    let object = Object::new(json, "span")?;
    Ok(proto::Span {
        trace_id: object.hex("traceId")?,
        span_id: object.hex("spanId")?,
        trace_state: object.text("traceState")?,
        parent_span_id: object.hex("parentSpanId")?,
        flags: object.u32("flags")?,
        name: object.text("name")?,
        kind: object.enumeration("kind", |name| span::SpanKind::from_str_name(name).map(i32::from))?,
        start_time_unix_nano: object.u64("startTimeUnixNano")?,
        end_time_unix_nano: object.u64("endTimeUnixNano")?,
        attributes: attributes(&object)?,
        dropped_attributes_count: object.u32("droppedAttributesCount")?,
        events: object.list("events", event)?,
        dropped_events_count: object.u32("droppedEventsCount")?,
        links: object.list("links", link)?,
        dropped_links_count: object.u32("droppedLinksCount")?,
        status: object.object("status")?.as_ref().map(read_status).transpose()?,
    })
}

fn event(object: &Object) -> Result<span::Event, String> {
    Ok(span::Event {
        time_unix_nano: object.u64("timeUnixNano")?,
        name: object.text("name")?,
        attributes: attributes(object)?,
        dropped_attributes_count: object.u32("droppedAttributesCount")?,
    })
}

fn link(object: &Object) -> Result<span::Link, String> {
    Ok(span::Link {
        trace_id: object.hex("traceId")?,
        span_id: object.hex("spanId")?,
        trace_state: object.text("traceState")?,
        attributes: attributes(object)?,
        dropped_attributes_count: object.u32("droppedAttributesCount")?,
        flags: object.u32("flags")?,
    })
}

fn read_status(object: &Object) -> Result<proto::Status, String> {
    Ok(proto::Status {
        message: object.text("message")?,
        code: object.enumeration("code", |name| status::StatusCode::from_str_name(name).map(i32::from))?,
    })
}

/// JSON may escape half a surrogate pair (`\ud800`), which no UTF-8 text can hold: it becomes U+FFFD, as in
/// browsers, instead of costing the whole request.
fn replace_lone_surrogates(text: &str) -> Cow<'_, str> {
    let mut replaced = String::new();
    let mut copied = 0;
    let mut at = 0;
    while let Some(found) = text[at..].find('\\') {
        let escape = at + found;
        // A backslash escapes exactly the next character, which may be a backslash.
        at = escape + 1 + text[escape + 1..].chars().next().map_or(0, char::len_utf8);
        match escaped_unit(text, escape) {
            Some(0xD800..=0xDBFF) if matches!(escaped_unit(text, escape + 6), Some(0xDC00..=0xDFFF)) => {
                at = escape + 12;
            }
            Some(0xD800..=0xDFFF) => {
                replaced.push_str(&text[copied..escape]);
                replaced.push('\u{FFFD}');
                copied = escape + 6;
                at = copied;
            }
            _ => {}
        }
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    replaced.push_str(&text[copied..]);
    Cow::Owned(replaced)
}

/// The code unit of the escape `\uXXXX` at `at`, if there is one.
fn escaped_unit(text: &str, at: usize) -> Option<u16> {
    let digits = text.get(at..at + 6)?.strip_prefix("\\u")?;
    u16::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn decoded(validated: &Validated) -> ExportTraceServiceRequest {
        ExportTraceServiceRequest::decode(validated.request.body().clone()).unwrap()
    }

    fn body(spans: &Value) -> Vec<u8> {
        json!({"resourceSpans": [{"scopeSpans": [{"scope": {"name": "s"}, "spans": spans}]}]})
            .to_string()
            .into_bytes()
    }

    fn good(name: &str) -> Value {
        json!({"traceId": "5B8EFFF798038103D269B633813FC60C", "spanId": "eee19b7ec3c1b174", "name": name})
    }

    #[test]
    fn integers_may_be_text_and_enums_may_be_names() {
        let mut span = good("n");
        span["kind"] = json!("SPAN_KIND_SERVER");
        span["startTimeUnixNano"] = json!("1700000000000000001");
        span["endTimeUnixNano"] = json!(1_700_000_000_000_000_002_u64);
        span["status"] = json!({"code": 2, "message": "no"});
        span["attributes"] = json!([
            {"key": "i", "value": {"intValue": "9223372036854775807"}},
            {"key": "d", "value": {"doubleValue": "NaN"}},
            {"key": "b", "value": {"bytesValue": "AAE="}},
            {"key": "l", "value": {"arrayValue": {"values": [{"boolValue": true}, {}]}}},
        ]);
        let validated = validate_json_request(&body(&json!([span]))).unwrap();
        let request = decoded(&validated);
        let span = &request.resource_spans[0].scope_spans[0].spans[0];
        assert_eq!(
            (span.kind, span.start_time_unix_nano, span.end_time_unix_nano),
            (2, 1_700_000_000_000_000_001, 1_700_000_000_000_000_002)
        );
        assert_eq!(span.attributes.len(), 4);
        assert_eq!(span.status.as_ref().unwrap().code, 2);
    }

    #[test]
    fn an_unreadable_span_is_refused_alone_with_its_position() {
        let deep = format!("{}{}", "[".repeat(1_000), "]".repeat(1_000));
        let mut bad = good("bad");
        bad["startTimeUnixNano"] = json!("soon");
        let mut short = good("short");
        short["traceId"] = json!("abcd");
        let text = String::from_utf8(body(&json!([bad, good("kept"), short, "DEEP"])))
            .unwrap()
            .replace("\"DEEP\"", &deep);
        let validated = validate_json_request(text.as_bytes()).unwrap();
        assert_eq!(validated.request.span_count(), 1);
        let positions: Vec<_> = validated.rejections.iter().map(|rejection| rejection.position).collect();
        assert_eq!(positions, [0, 2, 3]);
        assert!(validated.rejections[0].reason.contains("startTimeUnixNano"));
    }

    #[test]
    fn half_a_surrogate_pair_becomes_the_replacement_character() {
        let text = String::from_utf8(body(&json!([good("NAME")]))).unwrap();
        let text = text.replace("NAME", r"a\ud800b\ud83d\ude00c\\ud800\udc00");
        let validated = validate_json_request(text.as_bytes()).unwrap();
        let name = &decoded(&validated).resource_spans[0].scope_spans[0].spans[0].name;
        assert_eq!(name, "a\u{FFFD}b\u{1F600}c\\ud800\u{FFFD}");
    }

    #[test]
    fn a_body_that_is_no_request_is_malformed() {
        for body in ["", "[]", "{\"resourceSpans\": 3}", "{"] {
            assert!(matches!(validate_json_request(body.as_bytes()), Err(OtlpError::Json(_))), "{body}");
        }
    }
}
