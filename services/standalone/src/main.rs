//! `bennu`: all services in one process.

use std::process::ExitCode;

use bennu_kit::config::{self, Config};
use bennu_standalone::{api_document, serve};
use clap::{Parser, Subcommand};

/// A fifth of the time of an ingest load went into the allocator of the C library.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A multi-tenant trace store for LLM applications that speaks the Phoenix API.
///
/// Send traces with any OpenTelemetry exporter, read them with any Phoenix client.
#[derive(Parser)]
#[command(version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run everything in this process: REST API, OTLP over HTTP and gRPC, embedded database.
    ///
    /// Without any setting it listens on ports 6006 (HTTP) and 4317 (gRPC) and keeps its data in ~/.bennu.
    /// Ctrl-C or SIGTERM ends it after the work in hand.
    #[command(after_long_help = environment())]
    Serve,
    /// Print the API as an OpenAPI document.
    Openapi,
    /// Print all settings as a Markdown table.
    Settings,
}

fn environment() -> String {
    format!("Environment variables:\n{}", config::help_text())
}

fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Serve => bennu_process::run("bennu", Config::from_env(), serve::serve),
        Command::Openapi => print(&api_document::text()),
        Command::Settings => print(&config::markdown_table()),
    }
}

fn print(text: &str) -> ExitCode {
    println!("{}", text.trim_end());
    ExitCode::SUCCESS
}
