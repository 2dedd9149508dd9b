//! Redis: no password on its loopback port, and an append-only file, so that it can be stopped and started again.

use std::fs;
use std::path::Path;

use rustix::process::Signal;
use tempfile::TempDir;

use super::certificate::Certificate;
use super::debian::{ServerUser, find_program};
use super::server::{Greeting, Recipe, Server, ServerError, failed_to, on_free_ports};

/// Holds the URL of the server: `redis://127.0.0.1:<port>`.
pub const URL_VARIABLE: &str = "BENNU_TEST_REDIS_URL";

const GREETING: Greeting = Greeting { send: b"PING\r\n", answer: b"+PONG" };

/// Of TLS nothing is asked but that the port is open.
const OPEN: Greeting = Greeting { send: b"", answer: b"" };

/// Holds the certificate authority of a server with TLS, as a PEM file.
pub const AUTHORITY_VARIABLE: &str = "SSL_CERT_FILE";

/// A new server, ready for connections.
pub fn start() -> Result<Server, ServerError> {
    on_free_ports(|[port]| {
        let directory = tempfile::tempdir().map_err(failed_to("making a directory for Redis"))?;
        let listening = ["--port".to_owned(), port.to_string()];
        let variables = vec![(URL_VARIABLE, format!("redis://127.0.0.1:{port}"))];
        start_in(directory, port, GREETING, &listening, variables)
    })
}

/// The same, but it takes nothing but TLS: `rediss://127.0.0.1:<port>`, with a certificate of an authority of its own.
pub fn start_with_tls() -> Result<Server, ServerError> {
    on_free_ports(|[port]| {
        let directory = tempfile::tempdir().map_err(failed_to("making a directory for Redis"))?;
        let certificate = Certificate::make(directory.path())?;
        let text = |path: &Path| path.display().to_string();
        let listening = [
            ["--port".to_owned(), "0".to_owned()],
            ["--tls-port".to_owned(), port.to_string()],
            ["--tls-cert-file".to_owned(), text(&certificate.chain)],
            ["--tls-key-file".to_owned(), text(&certificate.key)],
            ["--tls-ca-cert-file".to_owned(), text(&certificate.authority)],
            ["--tls-auth-clients".to_owned(), "no".to_owned()],
        ];
        let variables = vec![
            (URL_VARIABLE, format!("rediss://127.0.0.1:{port}")),
            (AUTHORITY_VARIABLE, text(&certificate.authority)),
        ];
        start_in(directory, port, OPEN, listening.as_flattened(), variables)
    })
}

fn start_in(
    directory: TempDir,
    port: u16,
    greeting: Greeting,
    listening: &[String],
    variables: Vec<(&'static str, String)>,
) -> Result<Server, ServerError> {
    let program = find_program("redis-server", "redis-server")?;
    let user = ServerUser::choose()?;
    for entry in fs::read_dir(directory.path()).into_iter().flatten().flatten() {
        user.give(&entry.path())?;
    }
    user.give(directory.path())?;
    let mut command = user.command(&program, directory.path());
    command.args(["--bind", "127.0.0.1"]).args(listening).arg("--dir").arg(directory.path());
    // As a deployment that must not lose jobs would run it, but for the disk, which nobody waits for here.
    command.args([
        "--appendonly",
        "yes",
        "--appendfsync",
        "no",
        "--save",
        "",
        "--maxmemory-policy",
        "noeviction",
    ]);
    let recipe = Recipe {
        name: "Redis",
        command,
        stop_signal: Signal::TERM,
        port,
        greeting,
        directory,
        _companion: None,
    };
    Server::run(recipe, variables)
}
