//! A database that is closed and opened again has everything that was written.

use bennu_store::DatabaseLocation;
use bennu_testkit::otlp::{request, span};

use crate::support::{
    EVERYTHING_IS_LARGE, NOTHING_IS_LARGE, TestStore, every_span, everything, on_both_engines,
};

on_both_engines!(
    a_reopened_database_has_everything,
    a_store_that_is_dropped_without_closing_loses_nothing,
    ids_go_on_after_reopening,
);

async fn write_some(db: &TestStore) {
    let spans = [span(1, 1).session("s"), span(1, 2).child_of(1).error(), span(2, 1).tokens(3, 4)];
    db.write(request().project("p").spans(spans)).await;
}

async fn a_reopened_database_has_everything(db: TestStore) {
    let mut db = db.with_blocks(EVERYTHING_IS_LARGE).await;
    write_some(&db).await;
    let before = everything(db.data()).await;
    db.store.clone().close().await.unwrap();
    if let DatabaseLocation::SqliteFile(file) = &db.location {
        for log in ["sqlite-wal", "sqlite-annotation-jobs-wal"].map(|log| file.with_extension(log)) {
            assert!(!log.exists() || log.metadata().unwrap().len() == 0, "{} is folded in", log.display());
        }
    }
    db.store = db.another(NOTHING_IS_LARGE).await;
    assert_eq!(everything(db.data()).await, before);
}

async fn a_store_that_is_dropped_without_closing_loses_nothing(mut db: TestStore) {
    write_some(&db).await;
    let before = everything(db.data()).await;
    db.store = db.another(EVERYTHING_IS_LARGE).await;
    assert_eq!(everything(db.data()).await, before);
}

async fn ids_go_on_after_reopening(mut db: TestStore) {
    write_some(&db).await;
    let project = db.project("p").await;
    let last = every_span(db.data(), project).await.last().unwrap().id;
    assert!(db.data().delete_project(project).await.unwrap());
    db.store = db.another(EVERYTHING_IS_LARGE).await;
    write_some(&db).await;
    assert!(every_span(db.data(), db.project("p").await).await[0].id > last);
}
