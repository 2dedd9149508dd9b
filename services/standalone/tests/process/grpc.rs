//! OTLP over gRPC.

use std::time::Duration;

use http::uri::PathAndQuery;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::client::Grpc;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;

type Codec = ProstCodec<ExportTraceServiceRequest, ExportTraceServiceResponse>;

const EXPORT: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
/// Far above any answer that could still be called one.
const TIMEOUT: Duration = Duration::from_mins(1);

/// Sends spans over a connection of their own.
pub fn export(port: u16, request: ExportTraceServiceRequest) -> Result<ExportTraceServiceResponse, Status> {
    runtime().block_on(async {
        let mut client = connect(port).await;
        let path = PathAndQuery::from_static(EXPORT);
        client.unary(Request::new(request), path, Codec::default()).await.map(Response::into_inner)
    })
}

/// A call that never comes to its end.
pub struct StalledExport {
    _runtime: Runtime,
    _rest: mpsc::Sender<ExportTraceServiceRequest>,
}

impl StalledExport {
    /// Returns once a first message is on its way.
    pub fn begin(port: u16) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (rest, messages) = mpsc::channel(1);
        rest.blocking_send(ExportTraceServiceRequest::default()).unwrap();
        runtime.spawn(async move {
            let messages = Request::new(ReceiverStream::new(messages));
            let path = PathAndQuery::from_static(EXPORT);
            connect(port).await.client_streaming(messages, path, Codec::default()).await
        });
        // There is room again when the connection has taken the message.
        drop(runtime.block_on(rest.reserve()).unwrap());
        Self { _runtime: runtime, _rest: rest }
    }
}

async fn connect(port: u16) -> Grpc<Channel> {
    let endpoint = Endpoint::from_shared(format!("http://127.0.0.1:{port}")).unwrap().timeout(TIMEOUT);
    let mut client = Grpc::new(endpoint.connect().await.unwrap());
    client.ready().await.unwrap();
    client
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}
