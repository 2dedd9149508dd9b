//! All spans that match, a few at a time.

use bennu_domain::ids::{ProjectId, SpanRowId};
use bennu_domain::page::Order;
use bennu_domain::span_filter::SpanFilter;
use bennu_kit::http::ApiError;
use bennu_store::{SpanPageRequest, SpanSort, StoredSpan};

use crate::caller::Caller;
use crate::responses::store_failed;

/// Spans of the first page, before it is known how large they are; of the largest page.
const FIRST_PAGE: usize = 32;
const LARGEST_PAGE: usize = 256;
/// What a page is to take, about: attributes as text, of which the decoded form takes some times more.
const PAGE_BYTES: usize = 1 << 20;

/// Where an export is.
pub(super) struct Walk {
    caller: Caller,
    request: SpanPageRequest,
    /// Spans still to come at most.
    left: usize,
    /// The latest arrival as the export begins: what comes later is not waited for.
    last: Option<SpanRowId>,
}

impl Walk {
    pub async fn new(
        caller: Caller,
        project: ProjectId,
        filter: SpanFilter,
        order: Order,
        left: usize,
    ) -> Result<Self, ApiError> {
        let request =
            SpanPageRequest { project, filter, sort: SpanSort::Id { from: None }, order, limit: FIRST_PAGE };
        let latest = SpanPageRequest {
            filter: SpanFilter::default(),
            order: Order::Descending,
            limit: 1,
            ..request.clone()
        };
        let latest = caller.store().span_page(&latest).await.map_err(store_failed)?.items;
        Ok(Self { caller, request, left, last: latest.first().map(|stored| stored.id) })
    }

    /// The next spans; none at the end.
    pub async fn next(&mut self) -> Result<Vec<StoredSpan>, ApiError> {
        let Some(last) = self.last.filter(|_| self.left > 0) else { return Ok(Vec::new()) };
        self.request.limit = self.request.limit.min(self.left);
        let page = self.caller.store().span_page(&self.request).await.map_err(store_failed)?;
        let mut spans = page.items;
        let read = spans.len();
        spans.retain(|stored| stored.id <= last);
        self.left = match page.next {
            Some(_) if spans.len() == read => self.left - read,
            _ => 0,
        };
        self.request.sort = SpanSort::Id { from: page.next.map(|next| next.id) };
        let bytes: usize = spans.iter().map(size).sum();
        let fitting = PAGE_BYTES / (bytes / spans.len().max(1)).max(1);
        // Twice as many at most, because the next spans may be larger.
        self.request.limit = fitting.clamp(1, LARGEST_PAGE).min(self.request.limit.max(1) * 2);
        Ok(spans)
    }
}

/// About the bytes of a span in memory.
fn size(stored: &StoredSpan) -> usize {
    let events = stored.span.events.iter().map(|event| &event.attributes);
    let members = std::iter::once(&stored.span.attributes).chain(events);
    members.flat_map(serde_json::Map::values).map(value_size).sum::<usize>() + stored.span.name.len()
}

fn value_size(value: &serde_json::Value) -> usize {
    match value {
        serde_json::Value::String(text) => text.len(),
        serde_json::Value::Array(items) => items.iter().map(value_size).sum(),
        serde_json::Value::Object(members) => {
            members.iter().map(|(key, value)| key.len() + value_size(value)).sum()
        }
        _ => 8,
    }
}
