//! `GET /v1/projects/{project}/spans`

use actix_web::web;
use bennu_domain::attributes::{Attributes, Flat};
use bennu_domain::global_id::Node as _;
use bennu_domain::ids::SpanRowId;
use bennu_domain::page::{Order, SortCursor};
use bennu_domain::span::SpanEvent;
use bennu_kit::http::{ApiError, QueryString};
use bennu_store::{SpanPageRequest, SpanSort, StoredSpan};
use serde::Serialize;
use utoipa::ToSchema;

use super::parameters::{FilterParameters, KindParameter};
use crate::caller::Caller;
use crate::identifiers::find_project;
use crate::responses::{PageBody, invalid_cursor, store_failed};

/// The attribute that is shown as `span_kind` instead.
pub(super) const KIND_ATTRIBUTE: &str = "openinference.span.kind";

#[derive(Serialize, ToSchema)]
#[schema(as = Span)]
pub struct SpanBody {
    /// GlobalId
    id: String,
    name: String,
    context: SpanContext,
    span_kind: String,
    parent_id: Option<String>,
    #[schema(format = DateTime)]
    start_time: String,
    #[schema(format = DateTime)]
    end_time: String,
    status_code: &'static str,
    status_message: String,
    /// Flat, under dotted keys
    #[schema(value_type = Object)]
    attributes: Flat,
    events: Vec<SpanEventBody>,
}

#[derive(Serialize, ToSchema)]
struct SpanContext {
    trace_id: String,
    span_id: String,
}

#[derive(Serialize, ToSchema)]
#[schema(as = SpanEvent)]
struct SpanEventBody {
    name: String,
    #[schema(format = DateTime)]
    timestamp: String,
    #[schema(value_type = Object)]
    attributes: Attributes,
}

impl From<StoredSpan> for SpanBody {
    fn from(StoredSpan { id, span, .. }: StoredSpan) -> Self {
        Self {
            id: id.global_id(),
            context: SpanContext { trace_id: span.trace_id_text(), span_id: span.span_id_text() },
            span_kind: span.kind_text().to_owned(),
            parent_id: span.parent_id_text(),
            start_time: span.start.to_string(),
            end_time: span.end.to_string(),
            status_code: span.status.as_str(),
            attributes: Flat { nested: span.attributes, except: KIND_ATTRIBUTE },
            events: span.events.into_iter().map(SpanEventBody::from).collect(),
            name: span.name,
            status_message: span.status_message,
        }
    }
}

impl From<SpanEvent> for SpanEventBody {
    fn from(event: SpanEvent) -> Self {
        Self { name: event.name, timestamp: event.time.to_string(), attributes: event.attributes }
    }
}

#[derive(Clone, Copy)]
enum Sort {
    Id,
    StartTime,
}

/// Lists spans of a project. Filters are joined by AND, repeated ones by OR (`attribute` by AND).
#[utoipa::path(
    get, path = "/v1/projects/{project_identifier}/spans", operation_id = "getSpans", tag = "spans",
    params(
        ("project_identifier" = String, Path, description = "GlobalId or name"),
        ("cursor" = Option<String>, Query, description = "Where the page begins, from `next_cursor`"),
        ("limit" = Option<u32>, Query, description = "1 to 1000, 100 if not given"),
        ("sort" = Option<String>, Query, description = "`id` (arrival) or `start_time`"),
        ("order" = Option<String>, Query, description = "`desc` or `asc`"),
        FilterParameters, KindParameter,
    ),
    responses(
        (status = 200, body = PageBody<SpanBody>),
        (status = 404, body = String, content_type = "text/plain"),
        (status = 422, body = String, content_type = "text/plain"),
    )
)]
pub async fn list_spans(
    caller: Caller,
    project: web::Path<String>,
    mut query: QueryString,
) -> Result<web::Json<PageBody<SpanBody>>, ApiError> {
    let limit = query.limit(100, 1_000);
    let cursor = query.cursor();
    let sort = query.choice("sort", &[("id", Sort::Id), ("start_time", Sort::StartTime)]).unwrap_or(Sort::Id);
    let order =
        query.choice("order", &[("asc", Order::Ascending), ("desc", Order::Descending)]).unwrap_or_default();
    let (filter, kind) = (FilterParameters::read(&mut query), KindParameter::read(&mut query));
    query.finish()?;
    let project = find_project(caller.store(), &project).await?.id;
    let (filter, position) = (filter.filter(&kind)?, position(sort, cursor)?);
    let request = SpanPageRequest { project, filter, condition: None, sort: position, order, limit };
    let page = caller.store().span_page(&request).await.map_err(store_failed)?;
    let next_cursor = page.next.map(|next| match sort {
        Sort::Id => next.id.global_id(),
        Sort::StartTime => SortCursor { row: next.id.0, value: next.span.start }.encode(),
    });
    Ok(web::Json(PageBody { data: page.items.into_iter().map(SpanBody::from).collect(), next_cursor }))
}

fn position(sort: Sort, cursor: Option<String>) -> Result<SpanSort, ApiError> {
    Ok(match (sort, cursor) {
        (Sort::Id, None) => SpanSort::Id { from: None },
        (Sort::StartTime, None) => SpanSort::StartTime { from: None },
        (Sort::Id, Some(cursor)) => {
            let from = SpanRowId::from_global_id(&cursor).ok_or_else(|| invalid_cursor(&cursor))?;
            SpanSort::Id { from: Some(from) }
        }
        (Sort::StartTime, Some(cursor)) => {
            let from = SortCursor::decode(&cursor).ok_or_else(|| invalid_cursor(&cursor))?;
            SpanSort::StartTime { from: Some(from) }
        }
    })
}
