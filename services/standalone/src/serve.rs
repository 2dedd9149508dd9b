//! Starts the parts in order, runs them until a signal, and ends them in the opposite order.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use actix::{Arbiter, System};
use actix_web::web;
use anyhow::Context as _;
use bennu_ingest::receive::{self, Budget, Receiver, TraceService};
use bennu_ingest::write::{BatchLimits, SpanWriter, consume};
use bennu_kit::actor::Guardian;
use bennu_kit::config::{Config, LogFormat};
use bennu_kit::http::{self, Frame};
use bennu_kit::lifecycle::{Readiness, Shutdown};
use bennu_kit::telemetry::{Metrics, init_logging};
use bennu_queue::embedded_span_broker;
use bennu_store::Store;
use tokio::task::JoinHandle;

use crate::home::HomePage;
use crate::open_store::open_store;
use crate::watch::watch;
use crate::{api_document, home};

/// Threads for gRPC and background work; the HTTP server brings its own.
const RUNTIME_THREADS: usize = 2;

/// Requests between receivers and writer. Their bytes are bounded by the budget, which holds at least 4 KiB for each; this only
/// keeps the hand-over itself small.
const WAITING_REQUESTS: usize = 16_384;

/// What is left of the shutdown time for the writer and the database, once the servers have had theirs.
const CLOSING_TIME: Duration = Duration::from_secs(1);

/// What is left of it for the process itself to go, once everything else has had its time.
const EXIT_TIME: Duration = Duration::from_millis(250);

/// Runs until a signal; answers the exit code.
pub fn run(config: Config) -> anyhow::Result<u8> {
    init_logging(&config)?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(RUNTIME_THREADS).enable_all().build()?;
    System::with_tokio_rt(|| runtime).block_on(serve(config))
}

async fn serve(config: Config) -> anyhow::Result<u8> {
    let shutdown = Shutdown::new();
    shutdown.listen_for_signals()?;
    let http_listener = http::bind(&config.host, config.port).context("BENNU_PORT")?;
    let grpc_listener = http::bind(&config.host, config.grpc_port).context("BENNU_GRPC_PORT")?;
    let (port, grpc_port) = (http_listener.local_addr()?.port(), grpc_listener.local_addr()?.port());

    let (metrics, readiness) = (Metrics::new()?, Readiness::new());
    let store = open_store(&config).await?;
    let budget = Budget::new(config.ingest_buffer_bytes);
    let (broker, deliveries) = embedded_span_broker(WAITING_REQUESTS);
    let arbiter = Arbiter::new();
    let writer = {
        let limits = BatchLimits { spans: config.ingest_batch_spans, bytes: config.ingest_batch_bytes };
        let (store, metrics) = (store.clone(), metrics.clone());
        let guardian = Guardian::new(readiness.clone(), shutdown.clone());
        guardian.guard("span writer", &arbiter.handle(), move || {
            SpanWriter::new(store.clone(), metrics.clone(), limits)
        })
    };
    anyhow::ensure!(writer.running().await, "the span writer does not start");
    let consumer = tokio::spawn(consume(deliveries, store.clone(), writer));
    let receiver =
        Receiver::new(Arc::new(broker), metrics.clone(), config.ingest_max_body_bytes, budget.clone());
    let database = readiness.check("database");
    database.ready(); // it was just written to
    let watching = tokio::spawn(watch(store.clone(), database, budget, metrics.clone(), shutdown.clone()));
    let grpc = serve_grpc(grpc_listener, receiver.clone(), shutdown.clone());

    let deadline =
        tokio::spawn(grace_is_over(shutdown.clone(), config.shutdown_grace.saturating_sub(EXIT_TIME)));
    announce(&config, port, grpc_port);
    let frame = Frame::new(config.root_path.clone(), metrics, readiness);
    let page = web::Data::new(HomePage::new(&config, grpc_port));
    let routes = routes(store.clone(), receiver, page);
    let server_grace = config.shutdown_grace.saturating_sub(CLOSING_TIME);
    http::serve(http_listener, frame, routes, shutdown.clone(), server_grace).await?;

    // The receivers are gone: once the last broker is dropped, the consumer settles what it holds and ends.
    let ending = async {
        grpc.await??;
        watching.await?;
        consumer.await?;
        store.close().await?;
        anyhow::Ok(())
    };
    tokio::select! {
        ended = ending => ended?,
        // Nothing acknowledged is lost: what is not committed was not acknowledged.
        _ = deadline => tracing::warn!("work in hand was not finished in time"),
    }
    arbiter.stop();
    tracing::info!("stopped");
    Ok(shutdown.exit_code())
}

/// Waits until the time after the signal is over.
async fn grace_is_over(shutdown: Shutdown, grace: Duration) {
    shutdown.fired().await;
    tokio::time::sleep(grace).await;
}

fn routes(
    store: Store,
    receiver: Receiver,
    page: web::Data<HomePage>,
) -> impl Fn(&mut web::ServiceConfig) + Clone + Send + 'static {
    move |config| {
        config
            .app_data(web::Data::new(store.clone()))
            .app_data(web::Data::new(receiver.clone()))
            .configure(receive::routes)
            .configure(bennu_query::routes)
            .configure(api_document::routes)
            .configure(home::routes(page.clone()));
    }
}

fn serve_grpc(
    listener: TcpListener,
    receiver: Receiver,
    shutdown: Shutdown,
) -> JoinHandle<anyhow::Result<()>> {
    tokio::spawn(async move {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let incoming = tokio_stream::wrappers::TcpListenerStream::new(listener);
        let stop = async move {
            shutdown.fired().await;
        };
        let server = tonic::transport::Server::builder();
        Ok(server.serve_with_incoming_shutdown(TraceService::new(receiver), incoming, stop).await?)
    })
}

/// For people; machines read the log.
fn announce(config: &Config, port: u16, grpc_port: u16) {
    tracing::info!(port, grpc_port, database = %config.database, "ready");
    if config.log_format == LogFormat::Text {
        let root = config.root_path.as_str();
        println!("Bennu {} is ready", env!("CARGO_PKG_VERSION"));
        println!("  open       http://localhost:{port}{root}/");
        println!("  OTLP HTTP  http://localhost:{port}{root}/v1/traces");
        println!("  OTLP gRPC  localhost:{grpc_port}");
        println!("  data       {}", config.database);
        println!("  Ctrl-C ends it");
    }
}
