//! `bennu-auth`: accounts, keys and tenants; and the answer to who is behind a credential.

use std::process::ExitCode;
use std::sync::Arc;

use actix_web::web;
use anyhow::Context as _;
use bennu_auth::{Auth, serve_grpc};
use bennu_kit::config::{self, AuthMode, Config, ConfigError};
use bennu_kit::http;
use bennu_process::{Process, access, connect_events, open_archive, open_store};
use clap::{Parser, Subcommand};

/// Serves logging in, users, API keys and tenants over HTTP, and tells the other services over gRPC who is behind a credential.
#[derive(Parser)]
#[command(name = "bennu-auth", version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve until SIGTERM or Ctrl-C.
    ///
    /// It needs BENNU_DATABASE_URL (Postgres), BENNU_OBJECT_STORE_URL and, to verify credentials, BENNU_ENABLE_AUTH=true and
    /// BENNU_SECRET. With BENNU_BROKER_URL the other services hear of a revocation at once, otherwise within 30 seconds. They
    /// find it by BENNU_AUTH_URL, which names its gRPC port.
    #[command(after_long_help = format!("Environment variables:\n{}", config::help_text()))]
    Serve,
}

fn main() -> ExitCode {
    bennu_process::give_back_soon();
    match Arguments::parse().command {
        Command::Serve => bennu_process::run("bennu-auth", Config::from_env(), serve),
    }
}

async fn serve(process: Process) -> anyhow::Result<()> {
    let config = &process.config;
    if let AuthMode::Ask(url) = &config.auth.mode {
        let (name, value) = ("BENNU_AUTH_URL".to_owned(), url.clone());
        let expected = "no value here: this is the service that the others ask".to_owned();
        return Err(ConfigError::Invalid { name, value, expected }.into());
    }
    config.require_shared_data()?;
    let listener = http::bind(&config.host, config.port).context("BENNU_PORT")?;
    let grpc_listener = http::bind(&config.host, config.grpc_port).context("BENNU_GRPC_PORT")?;
    let (port, grpc_port) = (listener.local_addr()?.port(), grpc_listener.local_addr()?.port());
    let archive = open_archive(config).await?;
    let store = open_store(config, archive.clone()).await?;
    let events = connect_events(config, "bennu-auth", archive).await?;
    let auth = Auth::start(&process, &store, Arc::clone(&events.events)).await?;
    let watching = process.watch_store(&store);
    let grpc = tokio::spawn(serve_grpc(grpc_listener, Arc::clone(&auth.lookup), process.shutdown.clone()));

    let places = [("HTTP", format!("http://localhost:{port}")), ("gRPC", format!("localhost:{grpc_port}"))];
    process.announce("bennu-auth", &places);
    let (state, data) = (auth.state.clone(), web::Data::new(store.clone()));
    let routes = move |config: &mut web::ServiceConfig| {
        config
            .app_data(data.clone())
            .app_data(web::Data::new(state.clone()))
            .configure(bennu_auth::routes(&state));
    };
    process.serve_http(listener, access(config, Arc::clone(&auth.lookup)), routes).await?;
    let ending = async {
        grpc.await??;
        watching.await?;
        auth.end().await?;
        events.end().await;
        Ok(store.close().await?)
    };
    process.end(ending).await
}
