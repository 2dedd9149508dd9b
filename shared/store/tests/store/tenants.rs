//! Tenants share a database and see nothing of each other, even where everything has the same name.

use bennu_domain::ids::{ProjectId, SessionRowId, SpanRowId, TraceRowId};
use bennu_domain::page::Order;
use bennu_domain::project::ProjectName;
use bennu_domain::span_filter::SpanFilter;
use bennu_store::{ProjectList, ScopedStore, TraceList};
use bennu_testkit::otlp::{RequestBuilder, request, span};

use crate::support::{
    TestStore, every_session, every_span, every_trace, everything, on_both_engines, span_id, span_list,
    trace_id, trace_list, walk_spans, write,
};

on_both_engines!(
    equal_names_and_ids_are_kept_apart,
    no_read_answers_with_anothers_rows,
    no_delete_reaches_anothers_rows,
    a_tenant_without_data_sees_none,
);

const ONE: i64 = 1;
const TWO: i64 = 2;

fn same_ids(name: &str) -> RequestBuilder {
    let spans =
        [span(1, 1).named(name).session("s").tokens(1, 1), span(1, 2).named(name).child_of(1).error()];
    request().project("p").spans(spans)
}

/// The row ids that one tenant's data got.
struct Rows {
    project: ProjectId,
    trace: TraceRowId,
    session: SessionRowId,
    span: SpanRowId,
}

async fn rows(data: ScopedStore<'_>) -> Rows {
    Rows {
        project: data.project_named("p").await.unwrap().unwrap().id,
        trace: data.trace_row_with_id(trace_id(1)).await.unwrap().unwrap(),
        session: data.session_rows(&["s".to_owned()]).await.unwrap()[0],
        span: data.span_rows_with_id(span_id(1)).await.unwrap()[0],
    }
}

/// Both tenants write the same ids under other names; answers the rows of tenant two.
async fn write_both(db: &TestStore) -> Rows {
    write(db.tenant(ONE), same_ids("of one")).await.unwrap();
    let report = write(db.tenant(TWO), same_ids("of two")).await.unwrap();
    assert_eq!(report.inserted, 2, "another tenant's spans are no duplicates");
    rows(db.tenant(TWO)).await
}

async fn equal_names_and_ids_are_kept_apart(db: TestStore) {
    let two = write_both(&db).await;
    let one = rows(db.tenant(ONE)).await;
    assert_eq!(db.row_counts().await, [2, 2, 2, 2, 4, 2]);
    for (tenant, rows, name) in [(ONE, one, "of one"), (TWO, two, "of two")] {
        let data = db.tenant(tenant);
        let spans = every_span(data, rows.project).await;
        assert_eq!(spans.iter().map(|stored| stored.span.name.as_str()).collect::<Vec<_>>(), [name, name]);
        let traces = every_trace(data, TraceList { include_spans: true, ..trace_list(rows.project) }).await;
        assert_eq!(traces.len(), 1);
        assert_eq!(traces[0].tokens.prompt, 1);
        assert_eq!(traces[0].spans.as_ref().unwrap().len(), 2);
        assert_eq!(every_session(data, rows.project).await[0].traces.len(), 1);
        assert_eq!(data.span_rows_with_id(span_id(1)).await.unwrap(), [rows.span]);
    }
}

async fn no_read_answers_with_anothers_rows(db: TestStore) {
    let foreign = write_both(&db).await;
    let data = db.tenant(ONE);
    assert_eq!(data.project(foreign.project).await.unwrap(), None);
    assert_eq!(data.describe_project(foreign.project, Some("mine".to_owned())).await.unwrap(), None);
    assert_eq!(data.session(foreign.session).await.unwrap(), None);
    assert_eq!(data.export_trace(foreign.trace).await.unwrap(), None);
    assert_eq!(every_span(data, foreign.project).await, []);
    let by_id = SpanFilter {
        trace_ids: Some(vec![trace_id(1)]),
        span_ids: Some(vec![span_id(1)]),
        ..SpanFilter::default()
    };
    assert_eq!(walk_spans(data, span_list(foreign.project, by_id)).await, []);
    assert_eq!(every_trace(data, trace_list(foreign.project)).await, []);
    let own = rows(data).await;
    let of_foreign_session = TraceList { sessions: Some(vec![foreign.session]), ..trace_list(own.project) };
    assert_eq!(every_trace(data, of_foreign_session).await, []);
    let sessions = data.list_sessions(foreign.project, None, Order::Ascending, None, 10).await.unwrap();
    assert_eq!(sessions.items, []);
    let projects = data.list_projects(&ProjectList { limit: 10, ..ProjectList::default() }).await.unwrap();
    assert_eq!(projects.items.iter().map(|project| project.id).collect::<Vec<_>>(), [own.project]);
    let description = db.tenant(TWO).project(foreign.project).await.unwrap().unwrap().description;
    assert_eq!(description, None, "it was not described by tenant one");
}

async fn no_delete_reaches_anothers_rows(db: TestStore) {
    let foreign = write_both(&db).await;
    let (data, before) = (db.tenant(ONE), everything(db.tenant(TWO)).await);
    assert!(!data.delete_span(foreign.span).await.unwrap());
    assert!(!data.delete_trace(foreign.trace).await.unwrap());
    assert!(!data.delete_session(foreign.session).await.unwrap());
    assert!(!data.delete_project(foreign.project).await.unwrap());
    assert_eq!(everything(db.tenant(TWO)).await, before);

    let own = rows(data).await;
    assert!(data.delete_project(own.project).await.unwrap());
    assert_eq!(everything(data).await, []);
    assert_eq!(everything(db.tenant(TWO)).await, before);
}

async fn a_tenant_without_data_sees_none(db: TestStore) {
    write_both(&db).await;
    let data = db.fresh_tenant();
    assert_eq!(everything(data).await, []);
    assert_eq!(data.project_named("p").await.unwrap(), None);
    assert_eq!(data.trace_row_with_id(trace_id(1)).await.unwrap(), None);
    assert_eq!(data.span_rows_with_id(span_id(1)).await.unwrap(), []);
    assert_eq!(data.session_rows(&["s".to_owned()]).await.unwrap(), []);
    let created = data.create_project(&ProjectName::new("p").unwrap(), None).await.unwrap();
    assert!(created.is_some(), "the name is another tenant's, not taken");
}
