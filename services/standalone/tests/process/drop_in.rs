//! The settings of the reference server, as its deployments have them: changing the program is enough.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;

use bennu_testkit::databases;
use bennu_testkit::otlp::{request, span};

use crate::bennu::Bennu;
use crate::grpc;
use crate::http::{get, send_one, span_names};

/// Ports of the system's choice, on this machine only.
const LOOPBACK: [(&str, &str); 4] = [
    ("PHOENIX_HOST", "127.0.0.1"),
    ("PHOENIX_PORT", "0"),
    ("PHOENIX_GRPC_PORT", "0"),
    ("PHOENIX_LOGGING_LEVEL", "warning"),
];

/// Another process may take it before the server does; the start then fails.
fn free_port() -> String {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port().to_string()
}

fn start(directory: &Path, settings: &[(&str, &str)]) -> Bennu {
    Bennu::start_bare(directory, &[&LOOPBACK[..], settings].concat())
}

/// A span in over HTTP, and out.
fn send_and_read_back(bennu: &Bennu) {
    send_one(&bennu.url, &request().project("moved").span(span(1, 1).named("first")).build());
    assert_eq!(span_names(&bennu.url, "moved"), ["first"]);
}

#[test]
fn ports_host_root_path_and_directory() {
    let directory = tempfile::tempdir().unwrap();
    let (port, grpc_port) = (free_port(), free_port());
    let data = directory.path().join("not there yet/data");
    let settings = [
        ("PHOENIX_HOST", "127.0.0.1"),
        ("PHOENIX_PORT", &port),
        ("PHOENIX_GRPC_PORT", &grpc_port),
        ("PHOENIX_HOST_ROOT_PATH", "/phoenix"),
        ("PHOENIX_WORKING_DIR", data.to_str().unwrap()),
        ("PHOENIX_LOGGING_LEVEL", "WARNING"),
        // Of no meaning here, and no reason to stop.
        ("PHOENIX_TELEMETRY_ENABLED", "false"),
        ("PHOENIX_ENABLE_PROMETHEUS", ""),
    ];
    let bennu = Bennu::start_bare(directory.path(), &settings);
    assert_eq!(bennu.url, format!("http://127.0.0.1:{port}/phoenix"));
    assert_eq!(bennu.grpc_port.to_string(), grpc_port);
    assert!(
        TcpStream::connect(format!("127.0.0.2:{port}")).is_err(),
        "it listens on other addresses as well"
    );

    send_and_read_back(&bennu);
    grpc::export(bennu.grpc_port, request().project("moved").span(span(2, 2).named("second")).build())
        .unwrap();
    assert_eq!(span_names(&bennu.url, "moved"), ["first", "second"]);
    assert!(data.join("bennu.db").is_file());
    bennu.stop();
    let bennu = Bennu::start_bare(directory.path(), &settings);
    assert_eq!(span_names(&bennu.url, "moved"), ["first", "second"]);
}

#[test]
fn without_a_directory_the_data_is_below_home() {
    let home = tempfile::tempdir().unwrap();
    let bennu = start(home.path(), &[]);
    send_and_read_back(&bennu);
    assert!(home.path().join(".bennu/bennu.db").is_file());
}

#[test]
fn a_database_in_memory_is_gone_after_the_end() {
    let directory = tempfile::tempdir().unwrap();
    let settings = [
        ("PHOENIX_SQL_DATABASE_URL", "sqlite:///:memory:"),
        ("PHOENIX_WORKING_DIR", directory.path().to_str().unwrap()),
    ];
    let bennu = start(directory.path(), &settings);
    send_and_read_back(&bennu);
    bennu.stop();
    assert!(!directory.path().join("bennu.db").exists());
    let bennu = start(directory.path(), &settings);
    assert_eq!(get(&bennu.at("/v1/projects/moved")).status, 404);
}

#[test]
fn a_database_file_by_its_absolute_and_relative_name() {
    let directory = tempfile::tempdir().unwrap();
    let absolute = format!("sqlite:///{}/absolute.db", directory.path().display());
    assert!(absolute.starts_with("sqlite:////"));
    for (url, file) in [(absolute.as_str(), "absolute.db"), ("sqlite:///relative.db", "relative.db")] {
        let settings = [("PHOENIX_SQL_DATABASE_URL", url)];
        let bennu = start(directory.path(), &settings);
        send_and_read_back(&bennu);
        assert!(directory.path().join(file).is_file(), "{url}");
        assert!(!directory.path().join(".bennu/bennu.db").exists(), "{url}");
        bennu.stop();
        assert_eq!(span_names(&start(directory.path(), &settings).url, "moved"), ["first"], "{url}");
    }
}

#[test]
fn a_postgres_database_with_any_driver_name() {
    let directory = tempfile::tempdir().unwrap();
    let database = tokio::runtime::Runtime::new().unwrap().block_on(databases::postgres());
    let rest = database.strip_prefix("postgres").unwrap();
    let plain = format!("postgresql{rest}");
    let bennu = start(directory.path(), &[("PHOENIX_SQL_DATABASE_URL", &plain)]);
    send_and_read_back(&bennu);
    bennu.stop();
    let driver = format!("postgresql+asyncpg{rest}");
    let bennu = start(directory.path(), &[("PHOENIX_SQL_DATABASE_URL", &driver)]);
    assert_eq!(span_names(&bennu.url, "moved"), ["first"]);
    assert!(!directory.path().join(".bennu/bennu.db").exists());
}

#[test]
fn a_postgres_database_in_parts() {
    let directory = tempfile::tempdir().unwrap();
    let database = tokio::runtime::Runtime::new().unwrap().block_on(databases::postgres());
    // `postgres://user@host:port/name`
    let (user, place) = database.strip_prefix("postgres://").unwrap().split_once('@').unwrap();
    let (host, place) = place.split_once(':').unwrap();
    let (port, name) = place.split_once('/').unwrap();
    let settings = [
        ("PHOENIX_POSTGRES_HOST", host),
        ("PHOENIX_POSTGRES_PORT", port),
        ("PHOENIX_POSTGRES_USER", user),
        ("PHOENIX_POSTGRES_PASSWORD", "not asked for"),
        ("PHOENIX_POSTGRES_DB", name),
    ];
    let bennu = start(directory.path(), &settings);
    send_and_read_back(&bennu);
    bennu.stop();
    let bennu = start(directory.path(), &[("PHOENIX_SQL_DATABASE_URL", &database)]);
    assert_eq!(span_names(&bennu.url, "moved"), ["first"]);
}
