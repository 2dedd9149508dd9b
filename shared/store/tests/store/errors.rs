//! Which errors a writer may hope to get past by trying again.

use std::sync::Arc;

use bennu_archive::Archive;
use bennu_store::{BlockPolicy, ConnectOptions, DatabaseLocation, Store, StoreError};
use bennu_testkit::clock::ManualClock;
use bennu_testkit::otlp::{request, span};
use sea_orm::{ConnectionTrait as _, DatabaseConnection, Statement, TransactionTrait as _};

use crate::support::{TestStore, at, on_both_engines, prepared};

on_both_engines!(what_the_data_itself_breaks_is_permanent, a_missing_table_is_permanent);

async fn refusal(connection: &DatabaseConnection, sql: &str) -> StoreError {
    connection.execute_unprepared(sql).await.expect_err(sql).into()
}

async fn what_the_data_itself_breaks_is_permanent(db: TestStore) {
    let connection = db.raw().await;
    for sql in [
        "INSERT INTO tenants (id, slug) VALUES (1, 'again')",
        "INSERT INTO tenants (id, slug) VALUES (2, NULL)",
        "INSERT INTO tenants (no_such_column) VALUES (1)",
        "not a statement",
    ] {
        let error = refusal(&connection, sql).await;
        assert!(!error.is_transient(), "{sql}: {error}");
    }
    let text = Statement::from_string(connection.get_database_backend(), "SELECT 'text'");
    let row = connection.query_one_raw(text).await.unwrap().unwrap();
    let error = StoreError::from(row.try_get_by_index::<i64>(0).unwrap_err());
    assert!(!error.is_transient(), "{error}");
}

async fn a_missing_table_is_permanent(db: TestStore) {
    db.execute("DROP TABLE spans").await;
    let error = db.data().write_spans(prepared(request().span(span(1, 1)))).await.unwrap_err();
    assert!(!error.is_transient(), "{error}");
}

#[tokio::test]
async fn a_locked_sqlite_database_is_transient() {
    let db = TestStore::sqlite().await;
    let holder = db.raw().await;
    holder.execute_unprepared("BEGIN IMMEDIATE").await.unwrap();
    let other = db.raw().await;
    other.execute_unprepared("PRAGMA busy_timeout = 0").await.unwrap();
    let error = refusal(&other, "BEGIN IMMEDIATE").await;
    assert!(error.is_transient(), "{error}");
}

#[tokio::test]
async fn a_deadlock_a_timeout_and_an_ended_session_of_postgres_are_transient() {
    let db = TestStore::postgres().await;
    let connection = db.raw().await;
    for code in ["40P01", "40001", "53300", "57014", "57P01", "08006", "58030"] {
        let error = refusal(&connection, &format!("DO $$ BEGIN RAISE SQLSTATE '{code}'; END $$")).await;
        assert!(error.is_transient(), "{error}");
    }
    for code in ["22003", "22021", "23505", "42601", "P0001"] {
        let error = refusal(&connection, &format!("DO $$ BEGIN RAISE SQLSTATE '{code}'; END $$")).await;
        assert!(!error.is_transient(), "{error}");
    }
    let holder = db.raw().await.begin().await.unwrap();
    holder.execute_unprepared("LOCK TABLE spans").await.unwrap();
    let waiting = db.raw().await;
    let cancelled = refusal(&waiting, "SET statement_timeout = 50; SELECT count(*) FROM spans").await;
    assert!(cancelled.is_transient(), "{cancelled}");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_transient() {
    let archive = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::at(at(0)));
    // Nobody listens on the port that was just given back.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let location = DatabaseLocation::Postgres(format!("postgres://nobody@127.0.0.1:{port}/nothing"));
    let options = ConnectOptions::new(location, 1);
    let archive = Archive::in_directory(archive.path()).unwrap();
    let error = Store::open(&options, archive, BlockPolicy { large_bytes: 1 }, clock).await.err().unwrap();
    assert!(error.is_transient(), "{error}");
}

#[tokio::test]
async fn a_sqlite_file_in_a_directory_with_an_odd_name_is_that_file() {
    let parent = tempfile::tempdir().unwrap();
    let directory = parent.path().join("100% a?b#c ü");
    std::fs::create_dir_all(&directory).unwrap();
    let file = directory.join("data.sqlite");
    let options = ConnectOptions::new(DatabaseLocation::SqliteFile(file.clone()), 1);
    let archive = Archive::in_directory(&directory).unwrap();
    let clock = Arc::new(ManualClock::at(at(0)));
    let store = Store::open(&options, archive, BlockPolicy { large_bytes: 1 }, clock).await.unwrap();
    assert!(store.ping().await.is_ok());
    assert!(file.exists());
}
