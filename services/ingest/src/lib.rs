//! Spans in: OTLP over HTTP and gRPC to the broker, and from the broker to the store.

mod ingest;
pub mod receive;
pub mod write;

pub use ingest::Ingest;
