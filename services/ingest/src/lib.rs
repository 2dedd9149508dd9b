//! Spans in: OTLP over HTTP and gRPC to the broker, and from the broker to the store.

pub mod receive;
pub mod write;
