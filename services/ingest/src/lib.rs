//! Spans in: OTLP over HTTP and gRPC to the broker, and from the broker to the store; and what becomes of them there.

pub mod compact;
mod decode_pool;
mod fair_queue;
mod ingest;
pub mod receive;
pub mod write;

pub use decode_pool::DecodePool;
pub use ingest::Ingest;
