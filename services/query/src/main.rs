//! `bennu-query`: the REST API over what the writers stored.

use std::process::ExitCode;
use std::sync::Arc;

use actix_web::{HttpResponse, web};
use anyhow::Context as _;
use bennu_kit::config::{self, Config};
use bennu_kit::http;
use bennu_process::{Process, connect_events, open_annotation_jobs, open_archive, open_store, remote_access};
use bennu_query::home::{self, HomePage};
use clap::{Parser, Subcommand};

/// The API document of all services, which clients find behind the gateway; a test keeps it that of the code.
const API_DOCUMENT: &str = include_str!("../../../docs/openapi.json");

/// Serves the REST API: projects, spans, traces and sessions.
#[derive(Parser)]
#[command(name = "bennu-query", version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve until SIGTERM or Ctrl-C.
    ///
    /// It needs BENNU_DATABASE_URL (Postgres) and BENNU_OBJECT_STORE_URL, and keeps nothing of its own: run as many as you need.
    #[command(after_long_help = format!("Environment variables:\n{}", config::help_text()))]
    Serve,
}

fn main() -> ExitCode {
    bennu_process::give_back_soon();
    match Arguments::parse().command {
        Command::Serve => bennu_process::run("bennu-query", Config::from_env(), serve),
    }
}

async fn serve(process: Process) -> anyhow::Result<()> {
    let config = &process.config;
    config.require_shared_data()?;
    let listener = http::bind(&config.host, config.port).context("BENNU_PORT")?;
    let port = listener.local_addr()?.port();
    let archive = open_archive(config).await?;
    let store = open_store(config, archive.clone()).await?;
    let events = connect_events(config, "bennu-query", archive.clone()).await?;
    let access = remote_access(config, &events.events, &process.shutdown).await?;
    let jobs = open_annotation_jobs(config, &store).await?;
    let watching = [process.watch_store(&store), process.watch_archive(&archive)];

    process.announce("bennu-query", &[("HTTP", format!("http://localhost:{port}"))]);
    let page = web::Data::new(HomePage::new(config, env!("CARGO_PKG_VERSION"), config.grpc_port));
    let data = web::Data::new(store.clone());
    let routes = move |config: &mut web::ServiceConfig| {
        config
            .app_data(data.clone())
            .app_data(web::Data::from(Arc::clone(&jobs)))
            .configure(bennu_query::routes)
            .configure(home::routes(page.clone()))
            .service(web::resource("/openapi.json").get(api_document));
    };
    process.serve_http(listener, access, routes).await?;
    let ending = async {
        for watching in watching {
            watching.await?;
        }
        events.end().await;
        Ok(store.close().await?)
    };
    process.end(ending).await
}

async fn api_document() -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(API_DOCUMENT.trim_end())
}
