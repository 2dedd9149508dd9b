//! `bennu-ingest`: takes spans in and stores them, in one process or in several.

mod cli;

use std::process::ExitCode;

use bennu_kit::config::{self, Config};
use bennu_queue::RabbitMq;
use clap::{Parser, Subcommand};

/// Takes OTLP spans in over HTTP and gRPC, and stores them.
///
/// Receivers publish spans to the broker and answer once it has confirmed; writers store what they take from it. A process
/// runs both unless BENNU_INGEST_ROLES names one of them, so that each can be scaled on its own.
#[derive(Parser)]
#[command(name = "bennu-ingest", version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the roles of BENNU_INGEST_ROLES until SIGTERM or Ctrl-C.
    ///
    /// It needs BENNU_DATABASE_URL (Postgres) and BENNU_OBJECT_STORE_URL; roles in different processes need BENNU_BROKER_URL.
    #[command(after_long_help = environment())]
    Serve,
    /// Look after requests that could not be stored: each was parked with its reason.
    #[command(
        after_long_help = "The broker is that of BENNU_BROKER_URL, the objects are in BENNU_OBJECT_STORE_URL."
    )]
    DeadLetters {
        #[command(subcommand)]
        action: cli::DeadLettersAction,
    },
    /// Print exchanges and queues as a definitions file of RabbitMQ.
    ///
    /// For brokers whose users may not declare them; otherwise every process does.
    Definitions,
}

fn environment() -> String {
    format!("Environment variables:\n{}", config::help_text())
}

fn main() -> ExitCode {
    let config = Config::from_env();
    match Arguments::parse().command {
        Command::Serve => bennu_process::run("bennu-ingest", config, cli::serve),
        Command::DeadLetters { action } => bennu_process::run("bennu-ingest", config, async |process| {
            cli::dead_letters(process, action).await
        }),
        Command::Definitions => {
            print!("{}", RabbitMq::definitions());
            ExitCode::SUCCESS
        }
    }
}
