//! Lists read to their end, page by page.

use bennu_domain::ids::{ProjectId, SpanId};
use bennu_domain::page::{Order, SortCursor};
use bennu_domain::span_filter::SpanFilter;
use bennu_store::{ScopedStore, Session, SpanPageRequest, SpanSort, StoredSpan, Trace, TraceList, TraceSort};

use super::TestStore;

/// More pages than any test has: ends a walk whose cursor does not move on.
const MOST_PAGES: usize = 2_000;

/// Every span in order of arrival.
pub fn span_list(project: ProjectId, filter: SpanFilter) -> SpanPageRequest {
    let sort = SpanSort::Id { from: None };
    SpanPageRequest { project, filter, condition: None, sort, order: Order::Ascending, limit: 100 }
}

/// Every trace by its start.
pub fn trace_list(project: ProjectId) -> TraceList {
    TraceList {
        project,
        sort: TraceSort::StartTime { after: None },
        order: Order::Ascending,
        limit: 100,
        include_spans: false,
        start: None,
        end: None,
        sessions: None,
        error: None,
        min_latency_ms: None,
        max_latency_ms: None,
        condition: None,
    }
}

/// All pages of a list of spans, from its beginning.
pub async fn walk_spans(data: ScopedStore<'_>, mut request: SpanPageRequest) -> Vec<StoredSpan> {
    let mut spans = Vec::new();
    for _ in 0..MOST_PAGES {
        let page = data.span_page(&request).await.unwrap();
        assert!(page.items.len() <= request.limit);
        assert!(page.next.is_none() || page.items.len() == request.limit, "a short page before the end");
        spans.extend(page.items);
        let Some(next) = page.next else { return spans };
        request.sort = match request.sort {
            SpanSort::Id { .. } => SpanSort::Id { from: Some(next.id) },
            SpanSort::StartTime { .. } => {
                SpanSort::StartTime { from: Some(SortCursor { row: next.id.0, value: next.span.start }) }
            }
        };
    }
    panic!("the list of spans has no end");
}

pub async fn every_span(data: ScopedStore<'_>, project: ProjectId) -> Vec<StoredSpan> {
    walk_spans(data, span_list(project, SpanFilter::default())).await
}

/// Numbers of the spans of the default project that match, in order of arrival.
pub async fn matching(db: &TestStore, filter: SpanFilter) -> Vec<u8> {
    let spans = walk_spans(db.data(), span_list(db.project("default").await, filter)).await;
    spans.iter().filter_map(|stored| stored.span.span_id.as_bytes().last().copied()).collect()
}

/// What [`matching`] answers when nothing does.
pub const NO_SPANS: [u8; 0] = [];

pub fn span_ids(spans: &[StoredSpan]) -> Vec<SpanId> {
    spans.iter().map(|stored| stored.span.span_id).collect()
}

/// All pages of a list of traces, from its beginning.
pub async fn every_trace(data: ScopedStore<'_>, mut list: TraceList) -> Vec<Trace> {
    let mut traces: Vec<Trace> = Vec::new();
    for _ in 0..MOST_PAGES {
        let page = data.list_traces(&list).await.unwrap();
        assert!(page.items.len() <= list.limit);
        traces.extend(page.items);
        let (Some(()), Some(last)) = (page.next, traces.last()) else { return traces };
        list.sort = match list.sort {
            TraceSort::StartTime { .. } => {
                TraceSort::StartTime { after: Some(SortCursor { row: last.id.0, value: last.start }) }
            }
            TraceSort::Latency { .. } => {
                TraceSort::Latency { after: Some(SortCursor { row: last.id.0, value: last.latency_ms() }) }
            }
        };
    }
    panic!("the list of traces has no end");
}

/// All sessions of a project, oldest first, read two at a time.
pub async fn every_session(data: ScopedStore<'_>, project: ProjectId) -> Vec<Session> {
    let mut sessions = Vec::new();
    let mut from = None;
    for _ in 0..MOST_PAGES {
        let page = data.list_sessions(project, None, Order::Ascending, from, 2).await.unwrap();
        sessions.extend(page.items);
        from = page.next;
        if from.is_none() {
            return sessions;
        }
    }
    panic!("the list of sessions has no end");
}
