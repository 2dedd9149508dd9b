//! Starts the parts in order, runs them until a signal, and ends them in the opposite order.

use std::sync::Arc;

use actix_web::web;
use anyhow::Context as _;
use bennu_annotation_worker::Applying;
use bennu_auth::{Auth, AuthState};
use bennu_ingest::Ingest;
use bennu_ingest::receive::{self, Receiver, serve_grpc};
use bennu_kit::http;
use bennu_process::{Process, access, open_annotation_jobs, open_archive, open_store};
use bennu_query::home::{self, HomePage};
use bennu_queue::AnnotationJobs;
use bennu_store::Store;

use crate::api_document;

/// Runs until a signal.
pub async fn serve(process: Process) -> anyhow::Result<()> {
    let config = &process.config;
    let listener = http::bind(&config.host, config.port).context("BENNU_PORT")?;
    let grpc_listener = http::bind(&config.host, config.grpc_port).context("BENNU_GRPC_PORT")?;
    let (port, grpc_port) = (listener.local_addr()?.port(), grpc_listener.local_addr()?.port());

    std::fs::create_dir_all(&config.working_dir).with_context(|| {
        format!("BENNU_WORKING_DIR: cannot make the directory {}", config.working_dir.display())
    })?;
    let archive = open_archive(config).await?;
    let store = open_store(config, archive.clone()).await?;
    let ingest = Ingest::start(&process, archive.clone(), &store).await?;
    let receiver = ingest.receiver.clone().context("BENNU_INGEST_ROLES: expected receiver,writer here")?;
    let jobs = open_annotation_jobs(config, &store).await?;
    let auth = Auth::start(&process, &store, Arc::clone(&ingest.events)).await?;
    let applying = Applying::start(&process, &store, &jobs).await?;
    let watching = [process.watch_store(&store), process.watch_archive(&archive)];
    let grpc = tokio::spawn(serve_grpc(
        grpc_listener,
        receiver.clone(),
        Arc::clone(&auth.lookup),
        process.shutdown.clone(),
    ));

    announce(&process, port, grpc_port);
    let page = web::Data::new(HomePage::new(config, env!("CARGO_PKG_VERSION"), grpc_port));
    let access = access(config, Arc::clone(&auth.lookup));
    process
        .serve_http(listener, access, routes(store.clone(), receiver, jobs, auth.state.clone(), page))
        .await?;

    // The receivers are gone: once the last broker is dropped, the consumer settles what it holds and ends.
    let ending = async {
        grpc.await??;
        for watching in watching {
            watching.await?;
        }
        auth.end().await?;
        ingest.end().await?;
        applying.end().await;
        Ok(store.close().await?)
    };
    process.end(ending).await
}

fn routes(
    store: Store,
    receiver: Receiver,
    jobs: Arc<dyn AnnotationJobs>,
    auth: AuthState,
    page: web::Data<HomePage>,
) -> impl Fn(&mut web::ServiceConfig) + Clone + Send + 'static {
    move |config| {
        config
            .app_data(web::Data::new(store.clone()))
            .app_data(web::Data::new(receiver.clone()))
            .app_data(web::Data::from(Arc::clone(&jobs)))
            .app_data(web::Data::new(auth.clone()))
            .configure(receive::routes)
            .configure(bennu_query::routes)
            .configure(bennu_auth::routes(&auth))
            .configure(api_document::routes)
            .configure(home::routes(page.clone()));
    }
}

fn announce(process: &Process, port: u16, grpc_port: u16) {
    let (root, data) = (process.config.root_path.as_str(), process.config.database.to_string());
    let places = [
        ("open", format!("http://localhost:{port}{root}/")),
        ("OTLP HTTP", format!("http://localhost:{port}{root}/v1/traces")),
        ("OTLP gRPC", format!("localhost:{grpc_port}")),
        ("data", data),
    ];
    process.announce("Bennu", &places);
}
