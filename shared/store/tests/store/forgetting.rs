//! After a delete no byte of the content is left in the files of a SQLite database, its write-ahead log included.

use std::path::Path;

use bennu_domain::ids::TenantId;
use bennu_store::{DatabaseLocation, NewJobRow};
use bennu_testkit::otlp::{RequestBuilder, request, span};

use crate::support::{TestStore, every_span, trace_id};

/// Stands in everything that a sender can fill in but the name of the project, which the audit log keeps; compressed content is looked for in rows that hold it plainly.
const CANARY: &str = "canary-7f3a";

fn canaries() -> RequestBuilder {
    let spans = (1..=200).map(|id| {
        span(u128::from(id % 20 + 1), id)
            .named(format!("{CANARY} name {id}"))
            .session(&format!("{CANARY} session {}", id % 20))
            .attribute("text", format!("{CANARY} text {id}"))
    });
    request().project("of canaries").spans(spans)
}

/// How often the canary stands in the files of the database.
fn sightings(db: &TestStore) -> usize {
    let DatabaseLocation::SqliteFile(database) = &db.location else { panic!("not SQLite") };
    let files = std::fs::read_dir(database.parent().unwrap()).unwrap().map(|entry| entry.unwrap().path());
    files.map(|file| sightings_in(&file)).sum()
}

fn sightings_in(file: &Path) -> usize {
    let bytes = std::fs::read(file).unwrap();
    bytes.windows(CANARY.len()).filter(|window| *window == CANARY.as_bytes()).count()
}

#[tokio::test]
async fn a_deleted_project_is_gone_from_the_files() {
    let db = TestStore::sqlite().await;
    db.write(canaries()).await;
    assert!(sightings(&db) > 200, "the test would see it");
    let project = db.project("of canaries").await;
    assert!(db.data().delete_project(project).await.unwrap());
    assert_eq!(sightings(&db), 0);
}

#[tokio::test]
async fn deleted_spans_and_traces_are_gone_from_the_files() {
    let db = TestStore::sqlite().await;
    db.write(request().span(span(1, 1).named("plain"))).await;
    db.write(request().spans([span(1, 2).named(CANARY).attribute("text", CANARY), span(2, 1).named(CANARY)]))
        .await;
    assert!(sightings(&db) > 2, "the test would see it");
    let spans = every_span(db.data(), db.project("default").await).await;
    assert!(db.data().delete_span(spans[1].id).await.unwrap());
    let trace = db.data().trace_row_with_id(trace_id(2)).await.unwrap().unwrap();
    assert!(db.data().delete_trace(trace).await.unwrap());
    assert_eq!(sightings(&db), 0);
}

/// What is applied is deleted with its project, and in the queue nothing of it may be left either.
#[tokio::test]
async fn queued_annotations_are_gone_from_the_files_with_their_project_and_their_tenant() {
    let db = TestStore::sqlite().await;
    db.write(request().project("p").span(span(1, 1))).await;
    let queue = async || {
        let job =
            NewJobRow { receipt: "r".to_owned(), items: 1, bytes: 0, payload: CANARY.repeat(5_000).into() };
        db.data().queue_jobs(vec![job], db.data().time()).await.unwrap().1.durable().await.unwrap();
        assert!(sightings(&db) >= 5_000, "the test would see it");
    };
    queue().await;
    let claimed = db.store.claim_jobs(10, usize::MAX, db.data().time()).await.unwrap();
    db.store.settle_jobs(&[claimed[0].key], Vec::new()).await.unwrap();
    assert!(db.data().delete_project(db.project("p").await).await.unwrap());
    assert_eq!(sightings(&db), 0);
    queue().await;
    db.store.directory("test").erase_tenant(TenantId::DEFAULT).await.unwrap();
    assert_eq!(sightings(&db), 0);
}

/// Deleting must reach the old content of pages that a reader still looks at, later if not at once.
#[tokio::test]
async fn what_a_reader_held_back_is_gone_after_the_next_delete() {
    let db = TestStore::sqlite().await;
    db.write(canaries()).await;
    db.write(request().span(span(900, 1))).await;
    let project = db.project("of canaries").await;
    let reader = db.raw().await;
    let reading = sea_orm::TransactionTrait::begin(&reader).await.unwrap();
    let count = "SELECT count(*) FROM spans";
    let statement = sea_orm::Statement::from_string(sea_orm::DbBackend::Sqlite, count);
    sea_orm::ConnectionTrait::query_one_raw(&reading, statement).await.unwrap();
    assert!(db.data().delete_project(project).await.unwrap());
    reading.rollback().await.unwrap();

    let trace = db.data().trace_row_with_id(trace_id(900)).await.unwrap().unwrap();
    assert!(db.data().delete_trace(trace).await.unwrap());
    assert_eq!(sightings(&db), 0);
}
