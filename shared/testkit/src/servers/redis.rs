//! Redis: no password on its loopback port, and an append-only file, so that it can be stopped and started again.

use rustix::process::Signal;

use super::debian::{ServerUser, find_program};
use super::server::{Greeting, Recipe, Server, ServerError, failed_to, on_free_ports};

/// Holds the URL of the server: `redis://127.0.0.1:<port>`.
pub const URL_VARIABLE: &str = "BENNU_TEST_REDIS_URL";

const GREETING: Greeting = Greeting { send: b"PING\r\n", answer: b"+PONG" };

/// A new server, ready for connections.
pub fn start() -> Result<Server, ServerError> {
    on_free_ports(|[port]| start_on(port))
}

fn start_on(port: u16) -> Result<Server, ServerError> {
    let program = find_program("redis-server", "redis-server")?;
    let user = ServerUser::choose()?;
    let directory = tempfile::tempdir().map_err(failed_to("making a directory for Redis"))?;
    user.give(directory.path())?;
    let mut command = user.command(&program, directory.path());
    command.args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--dir"]).arg(directory.path());
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
    let variables = vec![(URL_VARIABLE, format!("redis://127.0.0.1:{port}"))];
    let recipe = Recipe {
        name: "Redis",
        command,
        stop_signal: Signal::TERM,
        port,
        greeting: GREETING,
        directory,
        _companion: None,
    };
    Server::run(recipe, variables)
}
