//! The order of lists of spans, and their cursors.

use bennu_domain::page::{Order, SortCursor};
use bennu_domain::span_filter::{AttributeMatch, SpanFilter};
use bennu_store::{SpanPageRequest, SpanSort};
use bennu_testkit::otlp::{request, span};
use serde_json::json;

use crate::support::{TestStore, at, on_both_engines, span_id, span_ids, span_list, walk_spans};

on_both_engines!(
    spans_come_in_order_of_arrival_or_of_start,
    a_page_names_the_span_that_the_next_begins_with,
    the_last_full_page_has_no_next,
    a_cursor_holds_when_its_span_is_deleted,
    spans_that_arrive_later_do_not_shift_the_pages,
    a_rare_match_behind_many_refused_rows_is_found,
);

const BY_ID: SpanSort = SpanSort::Id { from: None };
const BY_START: SpanSort = SpanSort::StartTime { from: None };

async fn spans_come_in_order_of_arrival_or_of_start(db: TestStore) {
    db.write(request().spans([
        span(1, 1).from_to(30, 40),
        span(2, 2).from_to(10, 20),
        span(1, 3).from_to(10, 90),
    ]))
    .await;
    db.write(request().span(span(2, 4).from_to(20, 30))).await;
    let project = db.project("default").await;
    let listed = async |sort, order, limit| {
        let list = SpanPageRequest { sort, order, limit, ..span_list(project, SpanFilter::default()) };
        span_ids(&walk_spans(db.data(), list).await)
    };
    for limit in 1..=5 {
        let ids = |numbers: [u64; 4]| numbers.map(span_id);
        assert_eq!(listed(BY_ID, Order::Ascending, limit).await, ids([1, 2, 3, 4]));
        assert_eq!(listed(BY_ID, Order::Descending, limit).await, ids([4, 3, 2, 1]));
        assert_eq!(listed(BY_START, Order::Ascending, limit).await, ids([2, 3, 4, 1]));
        assert_eq!(listed(BY_START, Order::Descending, limit).await, ids([1, 4, 3, 2]));
    }
}

async fn a_page_names_the_span_that_the_next_begins_with(db: TestStore) {
    db.write(request().spans((1..=3).map(|id| span(1, id)))).await;
    let list = span_list(db.project("default").await, SpanFilter::default());
    let page = db.data().span_page(&SpanPageRequest { limit: 2, ..list.clone() }).await.unwrap();
    assert_eq!(span_ids(&page.items), [span_id(1), span_id(2)]);
    assert_eq!(page.next.unwrap().span.span_id, span_id(3));
}

async fn the_last_full_page_has_no_next(db: TestStore) {
    db.write(request().spans((1..=4).map(|id| span(1, id)))).await;
    let list = span_list(db.project("default").await, SpanFilter::default());
    let page = db.data().span_page(&SpanPageRequest { limit: 4, ..list }).await.unwrap();
    assert_eq!((page.items.len(), page.next), (4, None));
}

async fn a_cursor_holds_when_its_span_is_deleted(db: TestStore) {
    db.write(request().spans((1..=4).map(|id| span(1, id).from_to(7, 9)))).await;
    let list = span_list(db.project("default").await, SpanFilter::default());
    for sort in [BY_ID, BY_START] {
        let page = db.data().span_page(&SpanPageRequest { sort, limit: 1, ..list.clone() }).await.unwrap();
        let next = page.next.unwrap();
        assert!(db.data().delete_span(next.id).await.unwrap());
        let from = match sort {
            SpanSort::Id { .. } => SpanSort::Id { from: Some(next.id) },
            SpanSort::StartTime { .. } => {
                SpanSort::StartTime { from: Some(SortCursor { row: next.id.0, value: at(7) }) }
            }
        };
        let rest = walk_spans(db.data(), SpanPageRequest { sort: from, ..list.clone() }).await;
        assert!(!rest.is_empty() && rest.iter().all(|stored| stored.id > next.id), "{sort:?}");
    }
}

async fn spans_that_arrive_later_do_not_shift_the_pages(db: TestStore) {
    db.write(request().spans((1..=4).map(|id| span(1, id)))).await;
    let newest_first = SpanPageRequest {
        order: Order::Descending,
        limit: 2,
        ..span_list(db.project("default").await, SpanFilter::default())
    };
    let first = db.data().span_page(&newest_first).await.unwrap();
    db.write(request().span(span(1, 5))).await;
    let from = SpanSort::Id { from: Some(first.next.unwrap().id) };
    let rest = walk_spans(db.data(), SpanPageRequest { sort: from, ..newest_first }).await;
    assert_eq!([span_ids(&first.items), span_ids(&rest)].concat(), [4, 3, 2, 1].map(span_id));
}

/// The row holds the first 64 bytes, which are all alike here: only the block tells.
async fn a_rare_match_behind_many_refused_rows_is_found(db: TestStore) {
    let text = |id: u64| format!("{}{id}", "same beginning ".repeat(5));
    let spans = (1..=700).map(|id| span(u128::from(id / 10 + 1), id).attribute("text", text(id)));
    db.write(request().spans(spans)).await;
    let attributes = vec![AttributeMatch { path: "text".to_owned(), value: json!(text(700)) }];
    let list = span_list(db.project("default").await, SpanFilter { attributes, ..SpanFilter::default() });
    let found = walk_spans(db.data(), SpanPageRequest { limit: 1, ..list }).await;
    assert_eq!(span_ids(&found), [span_id(700)]);
}
