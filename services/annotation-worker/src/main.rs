//! `bennu-annotation-worker`: applies the annotations that were sent without `sync`.

mod dead_letters;

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use bennu_annotation_worker::Applying;
use bennu_kit::config::{self, Config};
use bennu_kit::http::{self, Access};
use bennu_process::{Process, open_annotation_jobs, open_archive, open_store};
use clap::{Parser, Subcommand};

/// Applies queued annotations.
///
/// Any number of workers share a queue; one that dies loses nothing, another takes its annotations over.
#[derive(Parser)]
#[command(name = "bennu-annotation-worker", version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Apply annotations until SIGTERM or Ctrl-C.
    ///
    /// It needs BENNU_DATABASE_URL (Postgres) and BENNU_OBJECT_STORE_URL, and BENNU_ANNOTATION_QUEUE_URL if the other services have it.
    #[command(after_long_help = environment())]
    Serve,
    /// Look after annotations that could not be applied: each was kept with its reason.
    #[command(after_long_help = "The database is that of BENNU_DATABASE_URL.")]
    DeadLetters {
        #[command(subcommand)]
        action: dead_letters::Action,
    },
}

fn environment() -> String {
    format!("Environment variables:\n{}", config::help_text())
}

fn main() -> ExitCode {
    bennu_process::give_back_soon();
    let (program, config) = ("bennu-annotation-worker", Config::from_env());
    match Arguments::parse().command {
        Command::Serve => bennu_process::run(program, config, serve),
        Command::DeadLetters { action } => bennu_process::run(program, config, async |process| {
            let store = open_store(&process.config, open_archive(&process.config).await?).await?;
            let jobs = open_annotation_jobs(&process.config, &store).await?;
            dead_letters::run(&store, &*jobs, action).await
        }),
    }
}

async fn serve(process: Process) -> anyhow::Result<()> {
    let config = &process.config;
    config.require_shared_data()?;
    let listener = http::bind(&config.host, config.port).context("BENNU_PORT")?;
    let port = listener.local_addr()?.port();
    let store = open_store(config, open_archive(config).await?).await?;
    let jobs = open_annotation_jobs(config, &store).await?;
    let applying = Applying::start(&process, &store, &jobs).await?;
    let watching = process.watch_store(&store);
    let watching_queue = process.watch("annotation queue", move || {
        let jobs = Arc::clone(&jobs);
        async move { jobs.depth().await.map(|_| ()) }
    });
    process.announce("bennu-annotation-worker", &[("health", format!("http://localhost:{port}/readyz"))]);
    process.serve_http(listener, Access::open(), |_| {}).await?;
    let ending = async {
        watching.await?;
        watching_queue.await?;
        applying.end().await;
        Ok(store.close().await?)
    };
    process.end(ending).await
}
