//! The writing half: deliveries from the broker become rows and blocks.

mod batches;
mod flush;
mod span_consumer;
mod span_writer;

pub use batches::BatchLimits;
pub use span_consumer::consume;
pub use span_writer::SpanWriter;
