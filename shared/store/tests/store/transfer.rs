//! Traces move between projects.

use bennu_domain::ids::{ProjectId, TraceRowId};
use bennu_domain::project::ProjectName;
use bennu_store::Transfer;
use bennu_testkit::otlp::{request, span};

use crate::support::{
    TestStore, at, every_session, every_span, every_trace, on_both_engines, trace_id, trace_list,
};

on_both_engines!(
    a_trace_moves_with_its_spans_and_what_arrives_later,
    nothing_moves_unless_all_can,
    traces_of_other_tenants_are_missing,
    traces_that_start_in_a_range_are_deleted_with_the_sessions_they_leave_empty,
);

async fn rows(db: &TestStore, traces: &[u128]) -> Vec<TraceRowId> {
    let mut rows = Vec::new();
    for trace in traces {
        rows.push(db.data().trace_row_with_id(trace_id(*trace)).await.unwrap().unwrap());
    }
    rows
}

async fn made(db: &TestStore, name: &str) -> ProjectId {
    let name = ProjectName::new(name).unwrap();
    db.data().create_project(&name, None).await.unwrap().unwrap().id
}

async fn a_trace_moves_with_its_spans_and_what_arrives_later(db: TestStore) {
    db.write(request().project("from").spans([span(1, 1).session("s"), span(1, 2), span(2, 1)])).await;
    let (from, to) = (db.project("from").await, made(&db, "to").await);
    let moved = rows(&db, &[1]).await;
    let twice = [moved[0], moved[0]];
    assert_eq!(db.data().transfer_traces(&twice, to).await.unwrap(), Transfer::Done(1));
    db.write(request().project("from").span(span(1, 3))).await;
    assert_eq!(every_span(db.data(), to).await.len(), 3);
    assert_eq!(every_trace(db.data(), trace_list(to)).await[0].trace_id, trace_id(1));
    assert_eq!(every_trace(db.data(), trace_list(from)).await[0].trace_id, trace_id(2));
    assert_eq!(every_session(db.data(), from).await[0].traces.len(), 1, "the session stays");
    // Once more to where they are already.
    assert_eq!(db.data().transfer_traces(&moved, to).await.unwrap(), Transfer::Done(1));
}

async fn nothing_moves_unless_all_can(db: TestStore) {
    db.write(request().project("one").spans([span(1, 1), span(2, 1)])).await;
    db.write(request().project("two").span(span(3, 1))).await;
    let (one, to) = (db.project("one").await, made(&db, "to").await);
    let known = rows(&db, &[1, 2, 3]).await;
    let unknown = [known[0], TraceRowId(999_999)];
    assert_eq!(db.data().transfer_traces(&unknown, to).await.unwrap(), Transfer::Missing);
    assert_eq!(db.data().transfer_traces(&known, to).await.unwrap(), Transfer::SeveralSources);
    let nowhere = ProjectId(999_999);
    assert_eq!(db.data().transfer_traces(&known[..2], nowhere).await.unwrap(), Transfer::Missing);
    assert_eq!(every_trace(db.data(), trace_list(to)).await.len(), 0);
    assert_eq!(every_span(db.data(), one).await.len(), 2);
}

async fn traces_of_other_tenants_are_missing(db: TestStore) {
    db.write(request().project("mine").span(span(1, 1))).await;
    let mine = db.project("mine").await;
    let trace = rows(&db, &[1]).await;
    let stranger = db.fresh_tenant();
    assert_eq!(stranger.transfer_traces(&trace, mine).await.unwrap(), Transfer::Missing);
    crate::support::write(stranger, request().project("theirs").span(span(1, 1))).await.unwrap();
    let theirs = stranger.project_named("theirs").await.unwrap().unwrap().id;
    assert_eq!(db.data().transfer_traces(&trace, theirs).await.unwrap(), Transfer::Missing);
    assert_eq!(stranger.delete_traces_between(mine, at(-1_000), at(1_000)).await.unwrap(), 0);
    assert_eq!(every_trace(db.data(), trace_list(mine)).await.len(), 1);
}

async fn traces_that_start_in_a_range_are_deleted_with_the_sessions_they_leave_empty(db: TestStore) {
    let spans = [
        span(1, 1).from_to(0, 5_000).session("emptied"),
        span(2, 1).from_to(100, 200).session("kept"),
        span(3, 1).from_to(200, 300).session("kept"),
        span(4, 1).from_to(99, 300),
    ];
    db.write(request().project("p").spans(spans)).await;
    db.write(request().project("q").span(span(5, 1).from_to(100, 200))).await;
    let (p, q) = (db.project("p").await, db.project("q").await);
    assert_eq!(db.data().delete_traces_between(p, at(0), at(200)).await.unwrap(), 3);
    let left: Vec<_> =
        every_trace(db.data(), trace_list(p)).await.iter().map(|trace| trace.trace_id).collect();
    assert_eq!(left, [trace_id(3)], "the end is exclusive");
    let sessions: Vec<String> =
        every_session(db.data(), p).await.into_iter().map(|session| session.session_id).collect();
    assert_eq!(sessions, ["kept"]);
    assert_eq!(every_trace(db.data(), trace_list(q)).await.len(), 1);
    assert_eq!(db.data().delete_traces_between(p, at(0), at(200)).await.unwrap(), 0);
}
