//! `with-servers` as a process: what its command gets, and what is left afterwards.

#![allow(clippy::unwrap_used, clippy::expect_used)] // clippy knows only functions marked as tests, not their helpers

use std::fs::{self, Permissions};
use std::io::{BufRead as _, BufReader};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};

use bennu_testkit::databases;
use bennu_testkit::servers::{Kind, postgres};
use tempfile::TempDir;

/// A directory for temporary files in which every user may look, as in `/tmp`.
fn open_directory() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    fs::set_permissions(directory.path(), Permissions::from_mode(0o777)).unwrap();
    directory
}

/// Beside Postgres alone, which starts the quickest and has the most processes.
fn with_servers(temporary_files: &TempDir, command: &[&str]) -> Command {
    let mut with_servers = Command::new(env!("CARGO_BIN_EXE_with-servers"));
    with_servers.args(["--only", "postgres"]).args(command).env("TMPDIR", temporary_files.path());
    with_servers
}

fn assert_nothing_is_left(url: &str, temporary_files: &TempDir) {
    let address = url.trim().rsplit_once('@').expect("a URL with a user").1;
    assert!(TcpStream::connect(address).is_err(), "a server still listens on {address}");
    assert_eq!(fs::read_dir(temporary_files.path()).unwrap().count(), 0, "temporary files are left");
}

#[test]
fn the_command_gets_a_server_and_its_exit_code_is_passed_on() {
    let directory = open_directory();
    let script = format!("echo ${}; exit 7", postgres::URL_VARIABLE);
    let done = with_servers(&directory, &["sh", "-c", &script]).output().unwrap();
    assert_eq!(done.status.code(), Some(7), "{}", String::from_utf8_lossy(&done.stderr));
    assert_nothing_is_left(&String::from_utf8(done.stdout).unwrap(), &directory);
}

#[test]
fn a_command_that_cannot_be_run_is_named() {
    let directory = open_directory();
    let done = with_servers(&directory, &["no-such-command"]).output().unwrap();
    assert_eq!(done.status.code(), Some(127));
    assert!(String::from_utf8_lossy(&done.stderr).contains("no-such-command"));
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[test]
fn a_signal_ends_the_command_and_the_servers() {
    for (signal, code) in [("TERM", 128 + 15), ("INT", 128 + 2)] {
        let directory = open_directory();
        let script = format!("echo ${}; exec sleep 600", postgres::URL_VARIABLE);
        let mut process =
            with_servers(&directory, &["sh", "-c", &script]).stdout(Stdio::piped()).spawn().unwrap();
        let mut url = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut url).unwrap();
        let sent = Command::new("kill").args(["-s", signal, &process.id().to_string()]).status().unwrap();
        assert!(sent.success());
        assert_eq!(process.wait().unwrap().code(), Some(code), "SIG{signal}");
        assert_nothing_is_left(&url, &directory);
    }
}

#[tokio::test]
async fn every_database_is_new() {
    let server = postgres::start().unwrap();
    let (_, url) = &server.variables[0];
    let (one, other) = (databases::postgres_on(url).await, databases::postgres_on(url).await);
    assert_ne!(one, other);
    assert!(one.starts_with(url.as_str()) && other.starts_with(url.as_str()));
}

#[test]
fn an_unknown_server_is_refused_with_the_names_there_are() {
    let with_servers = env!("CARGO_BIN_EXE_with-servers");
    let done = Command::new(with_servers).args(["--only", "postgres,oracle", "true"]).output().unwrap();
    let usage = String::from_utf8(done.stderr).unwrap();
    assert_eq!(done.status.code(), Some(125));
    assert!(Kind::ALL.iter().all(|kind| usage.contains(kind.name())), "{usage}");
}

#[test]
fn a_server_that_was_killed_starts_again_where_it_was() {
    for kind in Kind::ALL {
        let mut server = kind.start().unwrap();
        server.kill();
        server.start_again().unwrap();
        let address = server.variables[0].1.rsplit(['/', '@']).next().unwrap().to_owned();
        assert!(TcpStream::connect(&address).is_ok(), "{address}");
        server.stop();
        assert!(TcpStream::connect(&address).is_err(), "{address}");
    }
}
