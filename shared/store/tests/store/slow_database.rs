//! A Postgres that takes too long: an error in time, and connections that serve the next caller.

use std::sync::Arc;
use std::time::Duration;

use bennu_access::SystemScope;
use bennu_archive::Archive;
use bennu_domain::ids::TenantId;
use bennu_store::{ConnectOptions, Store, StoreError};
use bennu_testkit::otlp::{request, span};
use sea_orm::{ConnectionTrait as _, DatabaseTransaction, Statement, TransactionTrait as _};

use crate::support::{NOTHING_IS_LARGE, TestStore, prepared};

/// A database with one span.
async fn with_a_span() -> TestStore {
    let db = TestStore::postgres().await;
    db.write(request().project("p").span(span(1, 1))).await;
    db
}

/// Another store on it, with one connection.
async fn impatient(db: &TestStore, change: impl FnOnce(&mut ConnectOptions)) -> Store {
    let mut options = ConnectOptions::new(db.location.clone(), 1);
    change(&mut options);
    let archive = Archive::in_directory(db.archive_directory()).unwrap();
    Store::open(&options, archive, NOTHING_IS_LARGE, Arc::new(db.clock.clone())).await.unwrap()
}

/// Nobody else reads or writes spans until this is rolled back.
async fn hold_spans(db: &TestStore) -> DatabaseTransaction {
    let holder = db.raw().await.begin().await.unwrap();
    holder.execute_unprepared("LOCK TABLE spans IN ACCESS EXCLUSIVE MODE").await.unwrap();
    holder
}

async fn spans(store: &Store) -> Result<usize, StoreError> {
    let scope = SystemScope::for_tenant(TenantId::DEFAULT, "test");
    let data = store.scoped(&scope);
    Ok(data.span_rows_with_id(crate::support::span_id(1)).await?.len())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_takes_too_long_is_ended_and_its_connection_used_again() {
    let db = with_a_span().await;
    let store = impatient(&db, |options| options.statement = Duration::from_millis(100)).await;
    let scope = SystemScope::for_tenant(TenantId::DEFAULT, "test");
    let write = async || store.scoped(&scope).write_spans(prepared(request().span(span(1, 2)))).await;
    let holder = hold_spans(&db).await;
    for _ in 0..3 {
        let (read, written) = (spans(&store).await.unwrap_err(), write().await.unwrap_err());
        assert!(matches!((&read, &written), (StoreError::TooSlow, StoreError::TooSlow)), "{read}; {written}");
        assert!(read.is_transient() && read.to_string().starts_with("the database took too long"), "{read}");
    }
    holder.rollback().await.unwrap();
    assert_eq!(write().await.unwrap().inserted, 1);
    assert_eq!(spans(&store).await.unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_gets_no_connection_is_told_so_in_time() {
    let db = with_a_span().await;
    let store = impatient(&db, |options| options.acquire = Duration::from_millis(100)).await;
    let holder = hold_spans(&db).await;
    let first = tokio::spawn({
        let store = store.clone();
        async move { spans(&store).await }
    });
    let waiting = "SELECT FROM pg_locks WHERE NOT granted AND relation = 'spans'::regclass";
    let waiting = Statement::from_string(holder.get_database_backend(), waiting);
    while holder.query_one_raw(waiting.clone()).await.unwrap().is_none() {
        tokio::task::yield_now().await;
    }
    let error = spans(&store).await.unwrap_err();
    assert!(error.is_transient() && error.to_string().contains("timed out"), "{error}");
    holder.rollback().await.unwrap();
    assert_eq!(first.await.unwrap().unwrap(), 1);
}
