//! `GET /v1/projects/{project}/spans/otlpv1`: spans in a JSON form near to OTLP.

use actix_web::web;
use bennu_domain::attributes::{Attributes, otlp_attributes};
use bennu_domain::global_id::Node as _;
use bennu_domain::ids::SpanRowId;
use bennu_domain::kind::StatusCode;
use bennu_domain::page::Order;
use bennu_domain::span::{Span, SpanEvent};
use bennu_kit::http::{ApiError, QueryString};
use bennu_store::{SpanPageRequest, SpanSort};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::parameters::{FilterParameters, KindParameter};
use crate::caller::Caller;
use crate::identifiers::find_project;
use crate::responses::{PageBody, invalid_cursor, store_failed};

/// Ids are hexadecimal. What the API does not show is null, as clients expect every field.
#[derive(Serialize, ToSchema)]
#[schema(as = OtlpSpan)]
pub struct OtlpSpanBody {
    #[schema(value_type = Vec<Object>)]
    attributes: Vec<Value>,
    dropped_attributes_count: Option<u32>,
    dropped_events_count: Option<u32>,
    dropped_links_count: Option<u32>,
    end_time_unix_nano: u64,
    /// null if there are none
    events: Option<Vec<OtlpEventBody>>,
    flags: Option<u32>,
    /// The kind that OTLP itself knows is not shown: always the one of SDKs by default.
    kind: &'static str,
    #[schema(value_type = Option<Vec<Object>>)]
    links: Option<Vec<Value>>,
    name: String,
    parent_span_id: Option<String>,
    span_id: String,
    start_time_unix_nano: u64,
    status: OtlpStatusBody,
    trace_id: String,
    trace_state: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = OtlpEvent)]
struct OtlpEventBody {
    #[schema(value_type = Vec<Object>)]
    attributes: Vec<Value>,
    dropped_attributes_count: Option<u32>,
    name: String,
    time_unix_nano: u64,
}

#[derive(Serialize, ToSchema)]
#[schema(as = OtlpStatus)]
struct OtlpStatusBody {
    code: i16,
    message: Option<String>,
}

impl From<Span> for OtlpSpanBody {
    fn from(span: Span) -> Self {
        let (trace_id, span_id) = (span.trace_id_text(), span.span_id_text());
        Self {
            attributes: otlp_attributes(&span.attributes),
            dropped_attributes_count: None,
            dropped_events_count: None,
            dropped_links_count: None,
            end_time_unix_nano: span.end.unix_nano(),
            parent_span_id: span.parent_id_text(),
            events: (!span.events.is_empty())
                .then(|| span.events.into_iter().map(OtlpEventBody::from).collect()),
            flags: None,
            kind: "SPAN_KIND_INTERNAL",
            links: None,
            span_id,
            start_time_unix_nano: span.start.unix_nano(),
            status: status(span.status, span.status_message),
            trace_id,
            trace_state: None,
            name: span.name,
        }
    }
}

impl From<SpanEvent> for OtlpEventBody {
    fn from(event: SpanEvent) -> Self {
        let attributes: &Attributes = &event.attributes;
        Self {
            attributes: otlp_attributes(attributes),
            dropped_attributes_count: None,
            time_unix_nano: event.time.unix_nano(),
            name: event.name,
        }
    }
}

fn status(code: StatusCode, message: String) -> OtlpStatusBody {
    OtlpStatusBody { code: code.code(), message: Some(message).filter(|message| !message.is_empty()) }
}

/// Lists spans of a project in a form near to OTLP, latest arrival first.
#[utoipa::path(
    get, path = "/v1/projects/{project_identifier}/spans/otlpv1", operation_id = "spanSearch", tag = "spans",
    params(
        ("project_identifier" = String, Path, description = "GlobalId or name"),
        ("cursor" = Option<String>, Query, description = "Where the page begins, from `next_cursor`"),
        ("limit" = Option<u32>, Query, description = "1 to 1000, 100 if not given"),
        FilterParameters,
    ),
    responses(
        (status = 200, body = PageBody<OtlpSpanBody>),
        (status = 404, body = String, content_type = "text/plain"),
        (status = 422, body = String, content_type = "text/plain"),
    )
)]
pub async fn list_otlp_spans(
    caller: Caller,
    project: web::Path<String>,
    mut query: QueryString,
) -> Result<web::Json<PageBody<OtlpSpanBody>>, ApiError> {
    let limit = query.limit(100, 1_000);
    let cursor = query.cursor();
    let filter = FilterParameters::read(&mut query);
    query.finish()?;
    let project = find_project(caller.store(), &project).await?.id;
    let read_cursor =
        |cursor: String| SpanRowId::from_global_id(&cursor).ok_or_else(|| invalid_cursor(&cursor));
    let sort = SpanSort::Id { from: cursor.map(read_cursor).transpose()? };
    let filter = filter.filter(&KindParameter::default())?;
    let request = SpanPageRequest { project, filter, condition: None, sort, order: Order::Descending, limit };
    let page = caller.store().span_page(&request).await.map_err(store_failed)?;
    let data = page.items.into_iter().map(|stored| OtlpSpanBody::from(stored.span)).collect();
    Ok(web::Json(PageBody { data, next_cursor: page.next.map(|next| next.id.global_id()) }))
}
