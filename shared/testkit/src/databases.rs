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
    postgres_on(&server()).await
}

fn server() -> String {
    std::env::var(postgres::URL_VARIABLE).unwrap_or_else(|_| {
        panic!(
            "{} is not set: this test needs a Postgres server. Run `make test`, or \
             `cargo run -p bennu-testkit --bin with-servers -- cargo test …`.",
            postgres::URL_VARIABLE
        )
    })
}

/// Like [`postgres`], on a server of one's own.
pub async fn postgres_on(server: &str) -> String {
    static CREATED: AtomicU32 = AtomicU32::new(0);
    let name = format!("test_{}_{}", std::process::id(), CREATED.fetch_add(1, Ordering::SeqCst));
    execute_on(server, &[&format!("CREATE DATABASE {name}")]).await;
    format!("{server}/{name}")
}

/// A database as Bennu is to be given one: its user owns it and is no superuser.
#[derive(Debug, Clone)]
pub struct OwnedDatabase {
    pub url: String,
    /// As the superuser of the server, from whom no rule hides anything.
    pub superuser_url: String,
}

/// Like [`postgres`], owned by a user who may make no roles and is a member of `bennu_tenant`.
///
/// # Panics
/// Without a server.
pub async fn postgres_of_plain_owner() -> OwnedDatabase {
    const OWNER: &str = "plain_owner";
    // Other tests make the same roles at the same time.
    let roles = format!(
        "DO $$ BEGIN CREATE ROLE bennu_tenant NOLOGIN; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$;
         DO $$ BEGIN CREATE ROLE {OWNER} LOGIN; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$;
         DO $$ BEGIN
             IF NOT pg_has_role('{OWNER}', 'bennu_tenant', 'MEMBER') THEN GRANT bennu_tenant TO {OWNER}; END IF;
         EXCEPTION WHEN unique_violation THEN NULL; END $$"
    );
    postgres_owned_by(OWNER, &[&roles]).await
}

/// Like [`postgres`], owned by this user, whom the statements make if they are not there.
///
/// # Panics
/// Without a server.
pub async fn postgres_owned_by(owner: &str, statements: &[&str]) -> OwnedDatabase {
    let server = server();
    execute_on(&server, statements).await;
    let superuser_url = postgres_on(&server).await;
    let name = superuser_url.rsplit('/').next().expect("a name");
    execute_on(&server, &[&format!("ALTER DATABASE {name} OWNER TO {owner}")]).await;
    OwnedDatabase { url: superuser_url.replacen("//postgres@", &format!("//{owner}@"), 1), superuser_url }
}

async fn execute_on(server: &str, statements: &[&str]) {
    let connection =
        Database::connect(format!("{server}/postgres")).await.expect("a connection to the test server");
    for statement in statements {
        connection.execute_unprepared(statement).await.expect(statement);
    }
    connection.close().await.expect("a closed connection");
}
