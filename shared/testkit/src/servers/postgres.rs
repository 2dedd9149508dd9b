//! Postgres: trusts everybody on its loopback port, and does not wait for the disk.

use std::path::Path;
use std::process::{Command, Stdio};

use rustix::process::Signal;
use tempfile::TempDir;

use super::debian::{ServerUser, find_newest_program};
use super::server::{Greeting, Recipe, Server, ServerError, failed_to, on_free_ports, tail};

/// Holds the URL of the server, without a database: `postgres://postgres@127.0.0.1:<port>`.
pub const URL_VARIABLE: &str = "BENNU_TEST_POSTGRES_URL";

/// A start-up message of user and database `postgres` (frontend protocol 3.0); authentication is granted only once
/// connections are taken.
const GREETING: Greeting = Greeting {
    send: b"\x00\x00\x00\x29\x00\x03\x00\x00user\0postgres\0database\0postgres\0\0",
    answer: b"R\x00\x00\x00\x08\x00\x00\x00\x00",
};

/// A new server, ready for connections.
pub fn start() -> Result<Server, ServerError> {
    on_free_ports(|[port]| start_on(port, &FORGETFUL))
}

/// One that has every commit on the disk before it says so, with the memory that a deployment would give it: for measuring.
pub fn start_durable() -> Result<Server, ServerError> {
    on_free_ports(|[port]| start_on(port, &DURABLE))
}

/// A replica of a server that was started here: it follows with a stream of its log.
pub fn start_replica(of: &Server) -> Result<Server, ServerError> {
    let url = of.variables[0].1.as_str();
    on_free_ports(|[port]| {
        let pg_basebackup = find_newest_program("/usr/lib/postgresql", "pg_basebackup", "postgresql")?;
        let user = ServerUser::choose()?;
        let directory = tempfile::tempdir().map_err(failed_to("making a directory for Postgres"))?;
        user.give(directory.path())?;
        let data = directory.path().join("data");
        let mut copy = user.command(&pg_basebackup, directory.path());
        copy.arg("--dbname").arg(url).arg("--pgdata").arg(&data);
        copy.args(["--write-recovery-conf", "--checkpoint=fast", "--wal-method=stream", "--no-sync"]);
        let done = copy.stdin(Stdio::null()).output().map_err(failed_to("running pg_basebackup"))?;
        if !done.status.success() {
            let output = tail(&done.stderr);
            return Err(ServerError::Failed { what: "pg_basebackup failed".to_owned(), output });
        }
        run(&user, &pg_basebackup.with_file_name("postgres"), directory, port, &FORGETFUL)
    })
}

fn start_on(port: u16, settings: &[&str]) -> Result<Server, ServerError> {
    let initdb = find_newest_program("/usr/lib/postgresql", "initdb", "postgresql")?;
    let user = ServerUser::choose()?;
    let directory = tempfile::tempdir().map_err(failed_to("making a directory for Postgres"))?;
    user.give(directory.path())?;
    let data = directory.path().join("data");
    initialise(user.command(&initdb, directory.path()), &data)?;

    run(&user, &initdb.with_file_name("postgres"), directory, port, settings)
}

/// Serves the data that is in the directory.
fn run(
    user: &ServerUser,
    postgres: &Path,
    directory: TempDir,
    port: u16,
    settings: &[&str],
) -> Result<Server, ServerError> {
    let data = directory.path().join("data");
    let mut command = user.command(postgres, directory.path());
    command.arg("-D").arg(data).args(["-h", "127.0.0.1", "-p", &port.to_string()]);
    command.args(settings.iter().flat_map(|setting| ["-c", *setting]));
    let recipe = Recipe {
        name: "Postgres",
        command,
        // SIGINT is Postgres' "fast shutdown": connections are closed, not waited for.
        stop_signal: Signal::INT,
        port,
        greeting: GREETING,
        directory,
        _companion: None,
    };
    Server::run(recipe, vec![(URL_VARIABLE, format!("postgres://postgres@127.0.0.1:{port}"))])
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

/// Small memory, and no waiting for the disk: commits survive a kill of the server, not a power cut. Tests run side by
/// side, each with a few connections.
const FORGETFUL: [&str; 5] = [
    "fsync=off",
    "full_page_writes=off",
    "shared_buffers=32MB",
    "max_connections=200",
    "unix_socket_directories=",
];

/// As deploy/compose.yaml has it.
const DURABLE: [&str; 6] = [
    "shared_buffers=512MB",
    "max_wal_size=4GB",
    "checkpoint_timeout=15min",
    "wal_compression=lz4",
    "max_connections=200",
    "unix_socket_directories=",
];
