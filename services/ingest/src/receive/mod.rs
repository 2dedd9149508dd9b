//! The receivers: what arrives is inflated, checked and published; the answer comes when it is durable.

mod body;
mod grpc;
mod http;
mod receiver;

pub use grpc::TraceService;
pub use http::{ApiDoc, routes};
pub use receiver::{Received, Receiver, ReceiveError, RequestFormat};
