//! `bennu`: all services in one process.

use std::process::ExitCode;

use bennu_kit::config::{self, Config};
use bennu_standalone::{api_document, audit, serve};
use clap::{Parser, Subcommand};

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
    /// Look after the audit log.
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Print the API as an OpenAPI document.
    Openapi,
    /// Print all settings as a Markdown table.
    Settings,
}

#[derive(Subcommand)]
enum AuditCommand {
    /// Recompute the hashes of the audit log; exit code 1 if an entry was changed, removed or added behind its back.
    ///
    /// Of each tenant it prints the number of entries and the last hash. Keep that hash elsewhere: as long as the same entry
    /// has it, all entries up to it are as they were.
    Verify {
        /// Only the log of this tenant
        #[arg(long, value_name = "SLUG")]
        tenant: Option<String>,
    },
}

fn environment() -> String {
    format!("Environment variables:\n{}", config::help_text())
}

fn main() -> ExitCode {
    bennu_process::give_back_soon();
    match Arguments::parse().command {
        Command::Serve => bennu_process::run("bennu", Config::from_env(), serve::serve),
        Command::Audit(AuditCommand::Verify { tenant }) => {
            bennu_process::run("bennu", Config::from_env(), async |process| {
                audit::verify(process, tenant).await
            })
        }
        Command::Openapi => print(&api_document::text()),
        Command::Settings => print(&config::markdown_table()),
    }
}

fn print(text: &str) -> ExitCode {
    println!("{}", text.trim_end());
    ExitCode::SUCCESS
}
