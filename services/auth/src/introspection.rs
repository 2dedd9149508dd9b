//! `bennu.v1.Introspection/Introspect`: the other services ask who is behind a credential.

use std::convert::Infallible;
use std::future::Future;
use std::net::TcpListener;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bennu_access::CredentialLookup;
use bennu_kit::lifecycle::Shutdown;
use bennu_process::introspection::{INTROSPECT, status, write};
use bennu_proto::{IntrospectRequest, IntrospectResponse};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::body::Body;
use tonic::server::{Grpc, NamedService, UnaryService};
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;

/// The gRPC service. Cheap to clone.
#[derive(Clone)]
pub struct IntrospectionService {
    lookup: Arc<dyn CredentialLookup>,
}

impl NamedService for IntrospectionService {
    const NAME: &'static str = "bennu.v1.Introspection";
}

/// Serves gRPC until a signal.
pub async fn serve_grpc(
    listener: TcpListener,
    lookup: Arc<dyn CredentialLookup>,
    shutdown: Shutdown,
) -> anyhow::Result<()> {
    let incoming = TcpListenerStream::new(tokio::net::TcpListener::from_std(listener)?);
    let stop = async move {
        shutdown.fired().await;
    };
    let service = IntrospectionService { lookup };
    Ok(tonic::transport::Server::builder().serve_with_incoming_shutdown(service, incoming, stop).await?)
}

type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

impl tower_service::Service<http::Request<Body>> for IntrospectionService {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let lookup = Arc::clone(&self.lookup);
        Box::pin(async move {
            if request.uri().path() != INTROSPECT {
                let status = Status::unimplemented(format!("{} is not served here", request.uri().path()));
                return Ok(status.into_http());
            }
            let codec: ProstCodec<IntrospectResponse, IntrospectRequest> = ProstCodec::default();
            Ok(Grpc::new(codec).unary(Introspect { lookup }, request).await)
        })
    }
}

struct Introspect {
    lookup: Arc<dyn CredentialLookup>,
}

impl UnaryService<IntrospectRequest> for Introspect {
    type Response = IntrospectResponse;
    type Future = BoxFuture<Result<Response<IntrospectResponse>, Status>>;

    fn call(&mut self, request: Request<IntrospectRequest>) -> Self::Future {
        let lookup = Arc::clone(&self.lookup);
        Box::pin(async move {
            let IntrospectRequest { token, tenant } = request.into_inner();
            let tenant = (!tenant.is_empty()).then_some(tenant);
            let principal =
                lookup.principal(&token, tenant.as_deref()).await.map_err(|error| status(&error))?;
            Ok(Response::new(write(&principal)))
        })
    }
}
