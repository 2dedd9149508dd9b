//! `bennu-ingest serve`.

use std::sync::Arc;

use actix_web::web;
use anyhow::Context as _;
use bennu_ingest::Ingest;
use bennu_ingest::receive::{self, serve_grpc};
use bennu_kit::http;
use bennu_process::{Process, open_archive, open_store, remote_access};

/// Runs until a signal.
pub async fn serve(process: Process) -> anyhow::Result<()> {
    let (config, roles) = (&process.config, process.config.ingest_roles);
    config.require_shared_data()?;
    let listener = http::bind(&config.host, config.port).context("BENNU_PORT")?;
    let mut announced = vec![("HTTP", format!("http://localhost:{}", listener.local_addr()?.port()))];

    let archive = open_archive(config).await?;
    let store = open_store(config, archive.clone()).await?;
    let ingest = Ingest::start(&process, archive.clone(), &store).await?;
    let access = remote_access(config, &ingest.events, &process.shutdown).await?;
    // Without database and objects receivers still take in what OTLP brings, but for the largest requests.
    let watching = roles.writer.then(|| [process.watch_store(&store), process.watch_archive(&archive)]);
    let grpc = if let Some(receiver) = ingest.receiver.clone() {
        let listener = http::bind(&config.host, config.grpc_port).context("BENNU_GRPC_PORT")?;
        announced.push(("OTLP gRPC", format!("localhost:{}", listener.local_addr()?.port())));
        Some(tokio::spawn(serve_grpc(
            listener,
            receiver,
            Arc::clone(access.lookup()),
            process.shutdown.clone(),
        )))
    } else {
        None
    };

    process.announce("bennu-ingest", &announced);
    let receiver = ingest.receiver.clone();
    let data = web::Data::new(store.clone());
    let routes = move |config: &mut web::ServiceConfig| {
        config.app_data(data.clone());
        if let Some(receiver) = &receiver {
            config.app_data(web::Data::new(receiver.clone())).configure(receive::routes);
        }
    };
    process.serve_http(listener, access, routes).await?;

    // The receivers are gone: what is in hand can be settled.
    let ending = async {
        if let Some(grpc) = grpc {
            grpc.await??;
        }
        ingest.end().await?;
        for watching in watching.into_iter().flatten() {
            watching.await?;
        }
        Ok(store.close().await?)
    };
    process.end(ending).await
}
