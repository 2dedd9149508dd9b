//! Which project and which session a trace belongs to.

use bennu_domain::ids::TraceId;
use bennu_store::Session;
use bennu_testkit::otlp::{request, span};

use crate::support::{
    TestStore, at, every_session, every_span, every_trace, on_both_engines, trace_id, trace_list,
};

on_both_engines!(
    spans_without_a_project_go_to_the_default_one,
    an_existing_trace_keeps_its_project,
    the_first_span_of_a_batch_names_the_project_of_a_new_trace,
    a_span_without_a_session_leaves_the_trace_unbound,
    the_first_span_with_a_session_binds_the_trace,
    a_later_batch_binds_a_trace_that_has_no_session,
    a_session_holds_several_traces_oldest_first,
    a_session_of_two_projects_is_listed_in_its_first,
    a_session_spans_what_came_to_its_trace_before,
);

async fn session(db: &TestStore, project: &str) -> Session {
    let mut sessions = every_session(db.data(), db.project(project).await).await;
    assert_eq!(sessions.len(), 1);
    sessions.remove(0)
}

fn traces_of(session: &Session) -> Vec<TraceId> {
    session.traces.iter().map(|trace| trace.trace_id).collect()
}

async fn spans_without_a_project_go_to_the_default_one(db: TestStore) {
    db.write(request().span(span(1, 1))).await;
    assert_eq!(every_span(db.data(), db.project("default").await).await.len(), 1);
}

async fn an_existing_trace_keeps_its_project(db: TestStore) {
    db.write(request().project("first").span(span(1, 1))).await;
    db.write(request().project("second").spans([span(1, 2), span(2, 1)])).await;
    let (first, second) = (db.project("first").await, db.project("second").await);
    assert_eq!(every_span(db.data(), first).await.len(), 2);
    assert_eq!(every_span(db.data(), second).await.len(), 1);
    assert_eq!(every_trace(db.data(), trace_list(first)).await.len(), 1);
}

async fn the_first_span_of_a_batch_names_the_project_of_a_new_trace(db: TestStore) {
    let mut spans = crate::support::prepared(request().project("first").span(span(1, 1)));
    spans.extend(crate::support::prepared(request().project("second").span(span(1, 2))));
    db.data().write_spans(spans).await.unwrap();
    assert_eq!(every_span(db.data(), db.project("first").await).await.len(), 2);
    assert_eq!(db.data().project_named("second").await.unwrap(), None);
}

async fn a_span_without_a_session_leaves_the_trace_unbound(db: TestStore) {
    db.write(request().project("p").span(span(1, 1).attribute("session.id", "  "))).await;
    assert_eq!(every_session(db.data(), db.project("p").await).await, []);
}

async fn the_first_span_with_a_session_binds_the_trace(db: TestStore) {
    let spans = [span(1, 1), span(1, 2).session("bound"), span(1, 3).session("too late")];
    db.write(request().project("p").spans(spans)).await;
    db.write(request().project("p").span(span(1, 4).session("much too late"))).await;
    assert_eq!(session(&db, "p").await.session_id, "bound");
}

async fn a_later_batch_binds_a_trace_that_has_no_session(db: TestStore) {
    db.write(request().project("p").span(span(1, 1))).await;
    db.write(request().project("p").span(span(1, 2).session("s"))).await;
    let session = session(&db, "p").await;
    assert_eq!((session.session_id.as_str(), traces_of(&session)), ("s", vec![trace_id(1)]));
}

async fn a_session_holds_several_traces_oldest_first(db: TestStore) {
    db.write(request().project("p").span(span(1, 1).from_to(500, 900).session("s").tokens(1, 2))).await;
    let earlier =
        [span(2, 1).from_to(200, 300).session("s"), span(3, 1).from_to(100, 400).session("s").tokens(10, 20)];
    db.write(request().project("p").spans(earlier)).await;
    let session = session(&db, "p").await;
    assert_eq!(traces_of(&session), [trace_id(3), trace_id(2), trace_id(1)]);
    assert_eq!((session.start, session.end), (at(100), at(900)));
    assert_eq!((session.tokens.prompt, session.tokens.completion), (11, 22));
    assert_eq!(db.data().session(session.id).await.unwrap(), Some(session));
}

async fn a_session_of_two_projects_is_listed_in_its_first(db: TestStore) {
    db.write(request().project("first").span(span(1, 1).session("s"))).await;
    db.write(request().project("second").span(span(2, 1).session("s"))).await;
    assert_eq!(traces_of(&session(&db, "first").await), [trace_id(1), trace_id(2)]);
    assert_eq!(every_session(db.data(), db.project("second").await).await, []);
}

async fn a_session_spans_what_came_to_its_trace_before(db: TestStore) {
    db.write(request().project("p").span(span(1, 1).from_to(0, 5_000))).await;
    db.write(request().project("p").span(span(1, 2).from_to(100, 200).session("s"))).await;
    db.write(request().project("p").span(span(1, 3).from_to(100, 9_000))).await;
    let session = session(&db, "p").await;
    assert_eq!((session.start, session.end), (at(0), at(9_000)));
}
