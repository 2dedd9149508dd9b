//! Seams between services: what is handed over, and the promises that come with it.

mod embedded;
mod span_broker;

pub use embedded::{EmbeddedSpanBroker, embedded_span_broker};
pub use span_broker::{Delivery, Envelope, Outcome, PublishError, Settlement, SpanBroker, SpanDeliveries};
