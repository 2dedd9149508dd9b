//! OTLP requests for tests: `request().project("demo").span(span(1, 2).named("step")).bytes()`.

mod request;
mod span;
mod value;

pub use request::{RequestBuilder, request};
pub use span::{EPOCH_MICROS, SpanBuilder, span};
pub use value::{any_value, key_value};

use bennu_domain::ids::{SpanId, TraceId};

/// The trace id that ends with this number; numbers start at 1.
pub fn trace_id(number: u128) -> TraceId {
    TraceId::from_bytes(&number.to_be_bytes()).expect("a trace number above 0")
}

/// The span id that ends with this number; numbers start at 1.
pub fn span_id(number: u64) -> SpanId {
    SpanId::from_bytes(&number.to_be_bytes()).expect("a span number above 0")
}
