//! The receivers: what arrives is inflated, checked and published; the answer comes when it is durable.

mod body;
mod budget;
mod grpc;
mod http;
mod inflate;
mod json_span_body;
mod json_spans;
mod receiver;

pub use budget::Budget;
pub use grpc::{GrpcServerError, TraceService, serve_grpc};
pub use http::{api_doc, routes};
pub use receiver::{ReceiveError, Received, Receiver, RequestFormat};
