//! `opentelemetry.proto.collector.trace.v1.TraceService/Export`: OTLP over gRPC.
//!
//! The service is written against tonic's codec layer instead of generated code: requests stay bytes, so that they take the
//! same lossless path as over HTTP.

use std::convert::Infallible;
use std::future::Future;
use std::net::TcpListener;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bennu_access::{CredentialError, CredentialLookup, Permission, Principal};
use bennu_kit::http::bearer_token;
use bennu_kit::lifecycle::Shutdown;
use bennu_queue::PublishError;
use bytes::{Buf as _, Bytes};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message as _;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::body::Body;
use tonic::codec::{Codec, CompressionEncoding, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::server::{Grpc, NamedService, UnaryService};
use tonic::{Code, Request, Response, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use super::receiver::{ReceiveError, Receiver, RequestFormat};

const EXPORT: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";

/// The gRPC service.
#[derive(Clone)]
pub struct TraceService {
    receiver: Receiver,
    callers: Arc<dyn CredentialLookup>,
}

impl TraceService {
    pub fn new(receiver: Receiver, callers: Arc<dyn CredentialLookup>) -> Self {
        Self { receiver, callers }
    }
}

impl NamedService for TraceService {
    const NAME: &'static str = "opentelemetry.proto.collector.trace.v1.TraceService";
}

/// Serves gRPC until a signal.
pub async fn serve_grpc(
    listener: TcpListener,
    receiver: Receiver,
    callers: Arc<dyn CredentialLookup>,
    shutdown: Shutdown,
) -> Result<(), GrpcServerError> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let incoming = TcpListenerStream::new(listener);
    let stop = async move {
        shutdown.fired().await;
    };
    let server = tonic::transport::Server::builder();
    Ok(server.serve_with_incoming_shutdown(TraceService::new(receiver, callers), incoming, stop).await?)
}

/// The server cannot run.
#[derive(Debug, thiserror::Error)]
pub enum GrpcServerError {
    #[error("the gRPC port cannot be used: {0}")]
    Port(#[from] std::io::Error),
    #[error("gRPC: {0}")]
    Server(#[from] tonic::transport::Error),
}

type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

impl tower_service::Service<http::Request<Body>> for TraceService {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let (receiver, callers) = (self.receiver.clone(), Arc::clone(&self.callers));
        Box::pin(async move {
            if request.uri().path() != EXPORT {
                let status = Status::unimplemented(format!("{} is not served here", request.uri().path()));
                return Ok(status.into_http());
            }
            // Before the message is read: strangers are given no memory.
            let caller = match caller(&*callers, request.headers()).await {
                Ok(caller) => caller,
                Err(status) => return Ok(status.into_http()),
            };
            if let Err(over) = receiver.check_quota(&caller) {
                return Ok(status(over).into_http());
            }
            let mut grpc = Grpc::new(ExportCodec)
                .accept_compressed(CompressionEncoding::Gzip)
                .accept_compressed(CompressionEncoding::Deflate)
                .accept_compressed(CompressionEncoding::Zstd)
                .max_decoding_message_size(receiver.max_body_bytes());
            Ok(with_otlp_codes(grpc.unary(Export { receiver, caller }, request).await))
        })
    }
}

/// Gives tonic's own refusals the codes that OTLP exporters know: a message over the limit is not to be repeated
/// as it is, and broken compression is the sender's fault.
fn with_otlp_codes(mut response: http::Response<Body>) -> http::Response<Body> {
    let code = response.headers().get(Status::GRPC_STATUS).map(|code| Code::from_bytes(code.as_bytes()));
    let better = match code {
        Some(Code::OutOfRange) => Code::ResourceExhausted,
        Some(Code::Internal) => Code::InvalidArgument,
        _ => return response,
    };
    response.headers_mut().insert(Status::GRPC_STATUS, http::HeaderValue::from(better as i32));
    response
}

/// Metadata that carries a bare key, as users of hosted deployments send it.
const KEY_METADATA: [&str; 2] = ["api-key", "api_key"];

/// The caller, who may send spans.
async fn caller(callers: &dyn CredentialLookup, metadata: &http::HeaderMap) -> Result<Principal, Status> {
    let text = |name: &str| metadata.get(name).and_then(|value| value.to_str().ok());
    let invalid = || Status::unauthenticated(CredentialError::Invalid.to_string());
    let token = match text("authorization") {
        Some(value) => Some(bearer_token(value).ok_or_else(invalid)?),
        None => KEY_METADATA.into_iter().find_map(text),
    };
    let caller = match token {
        Some(token) => callers.principal(token, None).await.map_err(|error| refusal(&error))?,
        None => callers.anonymous().ok_or_else(invalid)?,
    };
    caller.allow(Permission::Ingest).map_err(|refusal| Status::permission_denied(refusal.to_string()))?;
    Ok(caller)
}

fn refusal(error: &CredentialError) -> Status {
    match error {
        CredentialError::Unavailable(_) => Status::unavailable(error.to_string()),
        CredentialError::Suspended => Status::permission_denied(error.to_string()),
        _ => Status::unauthenticated(error.to_string()),
    }
}

struct Export {
    receiver: Receiver,
    caller: Principal,
}

impl UnaryService<Bytes> for Export {
    type Response = ExportTraceServiceResponse;
    type Future = BoxFuture<Result<Response<ExportTraceServiceResponse>, Status>>;

    fn call(&mut self, request: Request<Bytes>) -> Self::Future {
        let receiver = self.receiver.clone();
        let caller = self.caller.clone();
        Box::pin(async move {
            let body = request.into_inner();
            let _held = receiver
                .budget()
                .hold(caller.parts().tenant, body.len())
                .map_err(|error| Status::unavailable(error.to_string()))?;
            let received =
                receiver.receive(&caller, None, RequestFormat::Protobuf, body).await.map_err(status)?;
            Ok(Response::new(received.into_response()))
        })
    }
}

/// `UNAVAILABLE` makes exporters try again, and so does `RESOURCE_EXHAUSTED` with a `RetryInfo` (OTLP specification, "Failures").
fn status(error: ReceiveError) -> Status {
    match error {
        ReceiveError::Malformed(error) => Status::invalid_argument(error.to_string()),
        ReceiveError::OverQuota(over) => {
            let details = ErrorDetails::with_retry_info(Some(over.retry_after));
            Status::with_error_details(Code::ResourceExhausted, over.to_string(), details)
        }
        ReceiveError::Publish(PublishError::Rejected(reason)) => Status::invalid_argument(reason),
        ReceiveError::Publish(error @ (PublishError::Full | PublishError::Unavailable(_))) => {
            Status::unavailable(error.to_string())
        }
    }
}

/// Requests as bytes, answers as protobuf.
struct ExportCodec;

impl Codec for ExportCodec {
    type Encode = ExportTraceServiceResponse;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for ExportCodec {
    type Item = ExportTraceServiceResponse;
    type Error = Status;

    fn encode(&mut self, item: Self::Item, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        item.encode(buffer).map_err(|error| Status::internal(error.to_string()))
    }
}

impl Decoder for ExportCodec {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(buffer.copy_to_bytes(buffer.remaining())))
    }
}
