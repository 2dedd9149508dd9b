//! All data of a tenant, in an order of its own and without row ids: two tenants with equal data compare equal.

use bennu_domain::cost::Cost;
use bennu_domain::ids::{SpanId, TraceId};
use bennu_domain::span::{Span, TokenCounts};
use bennu_domain::time::Timestamp;
use bennu_store::{ProjectList, ScopedStore, TraceList};

use super::{every_session, every_span, every_trace, trace_list};

#[derive(Debug, PartialEq)]
pub struct ProjectContent {
    pub name: String,
    pub traces: Vec<TraceContent>,
    pub sessions: Vec<SessionContent>,
    pub spans: Vec<Span>,
}

#[derive(Debug, PartialEq)]
pub struct TraceContent {
    pub trace_id: TraceId,
    pub time: (Timestamp, Timestamp),
    pub tokens: TokenCounts,
    pub cost: Cost,
    pub has_error: bool,
    pub spans: Vec<(SpanId, Option<SpanId>, String)>,
}

#[derive(Debug, PartialEq)]
pub struct SessionContent {
    pub session_id: String,
    pub time: (Timestamp, Timestamp),
    pub tokens: TokenCounts,
    pub cost: Cost,
    pub traces: Vec<TraceId>,
}

/// Read through every list that the store has.
pub async fn everything(data: ScopedStore<'_>) -> Vec<ProjectContent> {
    let list = ProjectList { limit: 100, ..ProjectList::default() };
    let mut projects = Vec::new();
    for project in data.list_projects(&list).await.unwrap().items {
        let mut sessions: Vec<SessionContent> = Vec::new();
        for session in every_session(data, project.id).await {
            let mut traces: Vec<TraceId> = session.traces.iter().map(|trace| trace.trace_id).collect();
            traces.sort();
            let (time, tokens, cost) = ((session.start, session.end), session.tokens, session.cost);
            sessions.push(SessionContent { session_id: session.session_id, time, tokens, cost, traces });
        }
        sessions.sort_by(|one, other| one.session_id.cmp(&other.session_id));
        let mut spans: Vec<Span> =
            every_span(data, project.id).await.into_iter().map(|stored| stored.span).collect();
        spans.sort_by_key(|span| (span.trace_id, span.span_id));
        let traces = traces(data, trace_list(project.id)).await;
        projects.push(ProjectContent { name: project.name, traces, sessions, spans });
    }
    projects.sort_by(|one, other| one.name.cmp(&other.name));
    projects
}

async fn traces(data: ScopedStore<'_>, list: TraceList) -> Vec<TraceContent> {
    let with_errors = every_trace(data, TraceList { error: Some(true), ..list.clone() }).await;
    let with_errors: Vec<TraceId> = with_errors.iter().map(|trace| trace.trace_id).collect();
    let all = every_trace(data, TraceList { include_spans: true, ..list }).await;
    let mut traces: Vec<TraceContent> = all
        .into_iter()
        .map(|trace| {
            let spans = trace.spans.unwrap_or_default().into_iter();
            let mut spans: Vec<_> = spans.map(|span| (span.span_id, span.parent_id, span.name)).collect();
            spans.sort();
            TraceContent {
                trace_id: trace.trace_id,
                time: (trace.start, trace.end),
                tokens: trace.tokens,
                cost: trace.cost,
                has_error: with_errors.contains(&trace.trace_id),
                spans,
            }
        })
        .collect();
    traces.sort_by_key(|trace| trace.trace_id);
    traces
}
