//! Traces, sessions and projects are deleted with everything in them.

use std::sync::atomic::{AtomicBool, Ordering};

use bennu_access::SystemScope;
use bennu_domain::ids::{ProjectId, SessionRowId, TenantId, TraceRowId};
use bennu_store::StoreError;
use bennu_testkit::otlp::{SpanBuilder, request, span};
use futures::future::join_all;

use crate::support::{
    NOTHING_IS_LARGE, TestStore, every_session, every_span, every_trace, on_both_engines, prepared, trace_id,
    trace_list, write_until_stored,
};

on_both_engines!(
    a_deleted_trace_leaves_its_session,
    a_deleted_session_takes_its_traces_of_every_project,
    a_deleted_project_leaves_nothing,
    sessions_of_a_deleted_project_let_go_of_other_projects_traces,
    more_traces_than_one_transaction_takes_are_deleted,
    what_is_not_there_is_not_deleted,
    ids_of_deleted_rows_never_come_back,
    a_project_deleted_under_its_writers_is_gone_or_made_anew,
    a_session_deleted_under_its_writers_is_gone_or_made_anew,
);

async fn trace_row(db: &TestStore, number: u128) -> TraceRowId {
    db.data().trace_row_with_id(trace_id(number)).await.unwrap().unwrap()
}

async fn session_row(db: &TestStore, id: &str) -> SessionRowId {
    db.data().session_rows(&[id.to_owned()]).await.unwrap()[0]
}

async fn a_deleted_trace_leaves_its_session(db: TestStore) {
    db.write(request().spans([span(1, 1).session("s"), span(1, 2), span(2, 1).session("s")])).await;
    db.write(request().span(span(1, 3))).await;
    let row = trace_row(&db, 1).await;
    assert!(db.data().delete_trace(row).await.unwrap());
    assert_eq!(db.row_counts().await, [1; 6]);
    assert_eq!(db.data().export_trace(row).await.unwrap(), None);
    let session = every_session(db.data(), db.project("default").await).await.remove(0);
    assert_eq!(session.traces.iter().map(|trace| trace.trace_id).collect::<Vec<_>>(), [trace_id(2)]);
}

async fn a_deleted_session_takes_its_traces_of_every_project(db: TestStore) {
    db.write(request().project("one").spans([span(1, 1).session("s"), span(2, 1)])).await;
    db.write(request().project("two").spans([span(3, 1).session("s"), span(4, 1).session("t")])).await;
    assert!(db.data().delete_session(session_row(&db, "s").await).await.unwrap());
    assert_eq!(db.row_counts().await, [2, 1, 2, 2, 2, 2]);
    assert_eq!(every_trace(db.data(), trace_list(db.project("one").await)).await[0].trace_id, trace_id(2));
    assert_eq!(every_trace(db.data(), trace_list(db.project("two").await)).await[0].trace_id, trace_id(4));
}

async fn a_deleted_project_leaves_nothing(db: TestStore) {
    db.write(request().project("gone").spans([span(1, 1).session("s"), span(1, 2), span(2, 1)])).await;
    db.write(request().project("gone").span(span(1, 3).session("late"))).await;
    let project = db.project("gone").await;
    assert!(db.data().delete_project(project).await.unwrap());
    assert_eq!(db.row_counts().await, [0; 6]);
    assert_eq!(db.data().project(project).await.unwrap(), None);
}

async fn sessions_of_a_deleted_project_let_go_of_other_projects_traces(db: TestStore) {
    db.write(request().project("gone").span(span(1, 1).session("s"))).await;
    db.write(request().project("stays").span(span(2, 1).session("s"))).await;
    assert!(db.data().delete_project(db.project("gone").await).await.unwrap());
    assert_eq!(db.row_counts().await, [1, 0, 1, 1, 1, 1]);
    // The trace may join a session again, which is its own project's now.
    db.write(request().project("stays").span(span(2, 2).session("s"))).await;
    let sessions = every_session(db.data(), db.project("stays").await).await;
    assert_eq!(sessions[0].traces[0].trace_id, trace_id(2));
}

async fn more_traces_than_one_transaction_takes_are_deleted(db: TestStore) {
    db.write(request().project("gone").spans((1..=1_203).map(|trace| span(trace, 1).session("s")))).await;
    db.write(request().project("stays").span(span(5_000, 1))).await;
    assert!(db.data().delete_project(db.project("gone").await).await.unwrap());
    assert_eq!(db.row_counts().await, [1, 0, 1, 1, 1, 1]);
}

async fn what_is_not_there_is_not_deleted(db: TestStore) {
    db.write(request().span(span(1, 1).session("s"))).await;
    assert!(!db.data().delete_trace(TraceRowId(77)).await.unwrap());
    assert!(!db.data().delete_session(SessionRowId(77)).await.unwrap());
    assert!(!db.data().delete_project(ProjectId(77)).await.unwrap());
    assert_eq!(db.row_counts().await, [1; 6]);
}

async fn ids_of_deleted_rows_never_come_back(db: TestStore) {
    let batch = request().project("p").span(span(1, 1).session("s"));
    db.write(batch.clone()).await;
    let ids = async || {
        let project = db.project("p").await;
        let span = every_span(db.data(), project).await[0].id;
        (project, session_row(&db, "s").await, trace_row(&db, 1).await, span)
    };
    let old = ids().await;
    assert!(db.data().delete_project(old.0).await.unwrap());
    db.write(batch).await;
    let new = ids().await;
    assert!(new.0 > old.0 && new.1 > old.1 && new.2 > old.2 && new.3 > old.3, "{old:?} {new:?}");
    assert_eq!(db.number("SELECT count(*) FROM trace_blocks WHERE id = 1").await, 0);
}

/// No row refers to a parent that is not there.
async fn assert_no_orphans(db: &TestStore) {
    let orphans = async |child: &str, key: &str, parent: &str| {
        let sql = format!(
            "SELECT count(*) FROM {child} WHERE {key} IS NOT NULL AND {key} NOT IN (SELECT id FROM {parent})"
        );
        assert_eq!(db.number(&sql).await, 0, "{child}.{key}");
    };
    orphans("traces", "project_id", "projects").await;
    orphans("traces", "session_row_id", "sessions").await;
    orphans("sessions", "project_id", "projects").await;
    orphans("spans", "trace_row_id", "traces").await;
    orphans("spans", "block_id", "trace_blocks").await;
    orphans("trace_blocks", "trace_row_id", "traces").await;
}

const ROUNDS: u64 = 60;

/// Two writers that start traces all the time, while `deleting` goes on.
async fn write_meanwhile(
    db: &TestStore,
    owned: impl Fn(SpanBuilder) -> SpanBuilder,
    deleting: impl AsyncFn(),
) {
    let scope = SystemScope::for_tenant(TenantId::DEFAULT, "test");
    let stores = [db.another(NOTHING_IS_LARGE).await, db.another(NOTHING_IS_LARGE).await];
    let writing = stores.iter().zip(1..).map(async |(store, writer)| {
        for round in 1..=ROUNDS {
            let spans = [span(u128::from(10 * round + writer), 1), span(1, 10 * round + writer)].map(&owned);
            write_until_stored(store.scoped(&scope), &prepared(request().project("p").spans(spans))).await;
        }
    });
    let done = AtomicBool::new(false);
    let writing = async {
        join_all(writing).await;
        done.store(true, Ordering::SeqCst);
    };
    let deleting = async {
        while !done.load(Ordering::SeqCst) {
            deleting().await;
        }
    };
    futures::join!(writing, deleting);
    assert_no_orphans(db).await;
}

/// What is asked for while writers are in the way may fail, but only for the moment.
fn deleted_or_transient(outcome: Result<bool, StoreError>) {
    match outcome {
        Ok(deleted) => assert!(deleted),
        Err(error) => assert!(error.is_transient(), "{error}"),
    }
}

async fn a_project_deleted_under_its_writers_is_gone_or_made_anew(db: TestStore) {
    let delete_project = async || {
        if let Some(project) = db.data().project_named("p").await.unwrap() {
            deleted_or_transient(db.data().delete_project(project.id).await);
        }
    };
    write_meanwhile(&db, |span| span, delete_project).await;
}

async fn a_session_deleted_under_its_writers_is_gone_or_made_anew(db: TestStore) {
    let delete_session = async || {
        for session in db.data().session_rows(&["s".to_owned()]).await.unwrap() {
            deleted_or_transient(db.data().delete_session(session).await);
        }
    };
    write_meanwhile(&db, |span| span.session("s"), delete_session).await;
}
