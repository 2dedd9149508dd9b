//! Postgres: trusts everybody on its loopback port, and does not wait for the disk.

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::process::Signal;

use super::debian::{ServerUser, find_program};
use super::{READY_WITHIN, Server, ServerError, failed_to, within};

/// Holds the URL of the server, without a database: `postgres://postgres@127.0.0.1:<port>`.
pub const URL_VARIABLE: &str = "BENNU_TEST_POSTGRES_URL";

/// Another process may take the port between our choice of it and the start.
const PORTS_TRIED: usize = 3;
/// Bytes of a failed server's output in the error.
const OUTPUT_SHOWN: usize = 2_000;

/// A new server, ready for connections.
pub fn start() -> Result<Server, ServerError> {
    let mut started = start_on(free_port()?);
    for _ in 1..PORTS_TRIED {
        let Err(ServerError::Failed { .. }) = started else { break };
        started = start_on(free_port()?);
    }
    started
}

fn start_on(port: u16) -> Result<Server, ServerError> {
    let initdb = find_program("/usr/lib/postgresql", "initdb", "postgresql")?;
    let user = ServerUser::choose()?;
    let directory = tempfile::tempdir().map_err(failed_to("making a directory for Postgres"))?;
    user.give(directory.path())?;
    let data = directory.path().join("data");
    initialise(user.command(&initdb, directory.path()), &data)?;

    let log = directory.path().join("log");
    let process =
        serve(user.command(&initdb.with_file_name("postgres"), directory.path()), &data, port, &log)?;
    let variables = vec![(URL_VARIABLE, format!("postgres://postgres@127.0.0.1:{port}"))];
    // SIGINT is Postgres' "fast shutdown": connections are closed, not waited for.
    let mut server = Server { variables, process, stop_signal: Signal::INT, _directory: directory };
    let pg_isready = initdb.with_file_name("pg_isready");
    let settled =
        within(READY_WITHIN, || server.exited().is_some() || accepts_connections(&pg_isready, port));
    if settled && server.exited().is_none() {
        return Ok(server);
    }
    let output = tail(&fs::read(&log).unwrap_or_default());
    Err(ServerError::Failed { what: format!("Postgres does not start on port {port}"), output })
}

/// `C` sorts text by its bytes, on every machine alike.
fn initialise(mut initdb: Command, data: &Path) -> Result<(), ServerError> {
    initdb.arg("--pgdata").arg(data);
    initdb.args(["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"]);
    let done = initdb.stdin(Stdio::null()).output().map_err(failed_to("running initdb"))?;
    if done.status.success() {
        return Ok(());
    }
    Err(ServerError::Failed { what: "initdb failed".to_owned(), output: tail(&done.stderr) })
}

/// Small memory, and no waiting for the disk: the data is thrown away anyway. Tests run side by side, each with a few
/// connections.
const SETTINGS: [&str; 6] = [
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    "shared_buffers=32MB",
    "max_connections=200",
    "unix_socket_directories=",
];

fn serve(mut postgres: Command, data: &Path, port: u16, log: &Path) -> Result<Child, ServerError> {
    let output = File::create(log).map_err(failed_to("making the log of Postgres"))?;
    let errors = output.try_clone().map_err(failed_to("making the log of Postgres"))?;
    postgres.arg("-D").arg(data).args(["-h", "127.0.0.1", "-p", &port.to_string()]);
    postgres.args(SETTINGS.iter().flat_map(|setting| ["-c", *setting]));
    postgres.stdin(Stdio::null()).stdout(output).stderr(errors);
    postgres.spawn().map_err(failed_to("starting Postgres"))
}

fn accepts_connections(pg_isready: &Path, port: u16) -> bool {
    let mut command = Command::new(pg_isready);
    command.args(["-q", "-h", "127.0.0.1", "-p", &port.to_string()]);
    command.stdin(Stdio::null()).status().is_ok_and(|status| status.success())
}

fn free_port() -> Result<u16, ServerError> {
    let address = TcpListener::bind(("127.0.0.1", 0)).and_then(|listener| listener.local_addr());
    address.map(|address| address.port()).map_err(failed_to("finding a free port"))
}

fn tail(output: &[u8]) -> String {
    let shown = &output[output.len().saturating_sub(OUTPUT_SHOWN)..];
    String::from_utf8_lossy(shown).trim().to_owned()
}
