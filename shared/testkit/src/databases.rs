//! An empty database for a test: a SQLite file, or a database on the Postgres of the test run.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use sea_orm::{ConnectionTrait as _, Database};
use tempfile::TempDir;

use crate::servers::postgres;

/// A place for a SQLite database; gone when it is dropped.
#[derive(Debug)]
pub struct SqliteFile {
    directory: TempDir,
}

impl SqliteFile {
    /// No file is there until somebody opens it as a database.
    pub fn path(&self) -> PathBuf {
        self.directory.path().join("test.sqlite")
    }
}

pub fn sqlite() -> SqliteFile {
    SqliteFile { directory: tempfile::tempdir().expect("a temporary directory") }
}

/// The URL of a new, empty database. It stays until its server is thrown away with the test run.
///
/// # Panics
/// Without a server: a test that asks for Postgres must not pass without it.
pub async fn postgres() -> String {
    let server = std::env::var(postgres::URL_VARIABLE).unwrap_or_else(|_| {
        panic!(
            "{} is not set: this test needs a Postgres server. Run `make test`, or \
             `cargo run -p bennu-testkit --bin with-servers -- cargo test …`.",
            postgres::URL_VARIABLE
        )
    });
    postgres_on(&server).await
}

/// Like [`postgres`], on a server of one's own.
pub async fn postgres_on(server: &str) -> String {
    static CREATED: AtomicU32 = AtomicU32::new(0);
    let name = format!("test_{}_{}", std::process::id(), CREATED.fetch_add(1, Ordering::SeqCst));
    let connection =
        Database::connect(format!("{server}/postgres")).await.expect("a connection to the test server");
    connection.execute_unprepared(&format!("CREATE DATABASE {name}")).await.expect("a new database");
    connection.close().await.expect("a closed connection");
    format!("{server}/{name}")
}
