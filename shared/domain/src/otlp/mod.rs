//! OTLP trace requests: taken apart without losing a byte, checked span by span, and read.
//!
//! A request is split on the wire format into the raw bytes of its spans ([`request`]); only then is each
//! span looked at. So what is stored is what was sent, fields newer than this code included, and a
//! span that cannot be read never takes its neighbours with it.

mod any_json;
mod bytes_values;
mod json;
mod request;
mod soundness;
mod validate;
mod wire;

pub(crate) use bytes_values::{KEY_VALUE_KEY, SPAN_ATTRIBUTES, SPAN_NAME, any_field, has_bytes_attribute};
pub use json::validate_json_request;
pub use request::{SpanGroup, SpanOrigin, join_request, split_request};
pub use validate::{Rejection, ValidRequest, Validated, rejection_message, validate_request};

/// Why a whole request is refused; a fault of one span is a [`Rejection`] instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OtlpError {
    #[error("the body is not an ExportTraceServiceRequest in protobuf: {0}")]
    Protobuf(String),
    #[error("the body is not an ExportTraceServiceRequest in OTLP/JSON: {0}")]
    Json(String),
}
