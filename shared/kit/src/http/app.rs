//! The application around a service's routes, and the server that runs it.

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::middleware::{Compress, from_fn};
use actix_web::web::ServiceConfig;
use actix_web::{App, Error, HttpServer, web};

use super::cors::cors;
use super::request_id::RequestIds;
use super::{Access, ApiError, access, health, observe, outermost};
use crate::config::RootPath;
use crate::lifecycle::{Readiness, Shutdown};
use crate::telemetry::Metrics;

/// Silence of a client before its connection is closed: longer than the 60 s at which load balancers close theirs, so that
/// they never send into a connection that is just being closed.
const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// What surrounds the routes of a service. Cheap to clone.
#[derive(Clone)]
pub struct Frame {
    pub(super) root_path: RootPath,
    pub(super) access: Access,
    allowed_origins: Arc<[String]>,
    pub(super) metrics: Metrics,
    pub(super) readiness: Readiness,
    pub(super) request_ids: RequestIds,
}

impl Frame {
    pub fn new(root_path: RootPath, access: Access, metrics: Metrics, readiness: Readiness) -> Self {
        let (allowed_origins, request_ids) = (Arc::new([]), RequestIds::new());
        Self { root_path, access, allowed_origins, metrics, readiness, request_ids }
    }

    /// Lets pages of these origins read answers, with the cookies of a log-in.
    #[must_use]
    pub fn allowing_origins(self, origins: &[String]) -> Self {
        Self { allowed_origins: origins.into(), ..self }
    }
}

/// The routes with their frame: callers, health routes, headers, request ids, log, metrics, compression, root path, and 404 for the rest.
pub fn app(
    frame: Frame,
    routes: impl FnOnce(&mut ServiceConfig),
) -> App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<impl MessageBody>,
        Error = Error,
        InitError = (),
    >,
> {
    let cors = cors(&frame.allowed_origins);
    App::new()
        .app_data(web::Data::new(frame))
        .configure(health::routes)
        .configure(routes)
        .default_service(web::to(not_found))
        .wrap(from_fn(access::authenticate))
        // Browsers ask what a page may do without any credential.
        .wrap(cors)
        .wrap(from_fn(observe::observe))
        .wrap(Compress::default())
        .wrap(from_fn(outermost::outermost))
}

/// Serves until `shutdown` is fired, then finishes the requests in hand for at most `grace`.
pub async fn serve(
    listener: TcpListener,
    frame: Frame,
    routes: impl Fn(&mut ServiceConfig) + Clone + Send + 'static,
    shutdown: Shutdown,
    grace: Duration,
) -> io::Result<()> {
    let server = HttpServer::new(move || app(frame.clone(), routes.clone()))
        .keep_alive(KEEP_ALIVE)
        .shutdown_timeout(grace.as_secs())
        .disable_signals()
        .listen(listener)?
        .run();
    let handle = server.handle();
    let stop = async {
        shutdown.fired().await;
        handle.stop(true).await;
    };
    // Whichever is first: both mean that the workers have stopped.
    tokio::select! {
        ended = server => ended,
        () = stop => Ok(()),
    }
}

async fn not_found() -> Result<&'static str, ApiError> {
    Err(ApiError::NotFound("Not Found".to_owned()))
}
