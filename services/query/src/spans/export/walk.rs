//! All spans that match, a few at a time.

use std::sync::Arc;

use bennu_domain::cost::PriceBook;
use bennu_domain::ids::SpanRowId;
use bennu_domain::page::Order;
use bennu_domain::span_filter::SpanFilter;
use bennu_kit::http::ApiError;
use bennu_store::{SpanPageRequest, SpanSort, StoredSpan};

use crate::caller::Caller;
use crate::responses::store_failed;

/// Spans of the first page, before it is known how large they are; of the largest page. Two pages are in memory at a time, and
/// as decoded spans take ten times their weight, the allocator keeps as much again. Larger pages are not faster.
const FIRST_PAGE: usize = 32;
const LARGEST_PAGE: usize = 128;
/// The weight that the spans of a page are to have, about.
const PAGE_BYTES: usize = 384 << 10;

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
    /// Begins at one end of what is asked for; the size of the pages is its own affair.
    pub async fn new(caller: Caller, request: SpanPageRequest, left: usize) -> Result<Self, ApiError> {
        let request = SpanPageRequest { limit: FIRST_PAGE, ..request };
        let latest = SpanPageRequest {
            filter: SpanFilter::default(),
            condition: None,
            order: Order::Descending,
            limit: 1,
            ..request.clone()
        };
        let latest = caller.store().span_page(&latest).await.map_err(store_failed)?.items;
        Ok(Self { caller, request, left, last: latest.first().map(|stored| stored.id) })
    }

    /// By which the kinds of tokens are priced.
    pub async fn prices(&self) -> Result<Arc<PriceBook>, ApiError> {
        self.caller.store().price_book().await.map_err(store_failed)
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
        let bytes: usize = spans.iter().map(|stored| stored.span.weight()).sum();
        let fitting = PAGE_BYTES / (bytes / spans.len().max(1)).max(1);
        // Twice as many at most, because the next spans may be larger.
        self.request.limit = fitting.clamp(1, LARGEST_PAGE).min(self.request.limit.max(1) * 2);
        Ok(spans)
    }
}
