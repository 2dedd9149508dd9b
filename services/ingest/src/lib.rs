//! Spans in: OTLP over HTTP and gRPC to the broker, and from the broker to the store; and what becomes of them there.

pub mod compact;
mod ingest;
pub mod receive;
mod turns;
pub mod write;

pub use ingest::Ingest;
pub use turns::Turns;
