//! `/v1/projects/{project}/traces` and `/v1/traces/{trace}`

use actix_web::{HttpResponse, web};
use bennu_access::Write;
use bennu_domain::audit::AuditAction;
use bennu_domain::filter::Flavour;
use bennu_domain::global_id::Node as _;
use bennu_domain::ids::SessionRowId;
use bennu_domain::page::{CursorValue, Order, SortCursor};
use bennu_domain::time::Timestamp;
use bennu_kit::http::{ApiError, FieldError, JsonBody, QueryString};
use bennu_store::{AuditEntry, ScopedStore, Trace, TraceList, TraceSort, TraceSpan, Transfer};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use crate::caller::Caller;
use crate::conditions::read_condition;
use crate::identifiers::{find_project, find_trace, not_found};
use crate::responses::{CostBody, DataBody, PageBody, invalid_cursor, no_content, store_failed};

#[derive(utoipa::OpenApi)]
#[openapi(paths(list_traces, delete_traces, transfer_traces, delete_trace, export_trace))]
pub struct ApiDoc;

pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(
            web::resource("/v1/projects/{project_identifier}/traces").get(list_traces).delete(delete_traces),
        )
        // Before the resources below, which would take `transfer` for an identifier.
        .service(web::resource("/v1/traces/transfer").post(transfer_traces))
        .service(web::resource("/v1/traces/{trace_identifier}").delete(delete_trace))
        .service(web::resource("/v1/traces/{trace_identifier}/otlp").get(export_trace));
}

#[derive(Serialize, ToSchema)]
#[schema(as = TraceData)]
struct TraceBody {
    /// GlobalId
    id: String,
    trace_id: String,
    /// GlobalId
    project_id: String,
    #[schema(format = DateTime)]
    start_time: String,
    #[schema(format = DateTime)]
    end_time: String,
    token_count_prompt: i64,
    token_count_completion: i64,
    token_count_total: i64,
    /// Only with `include_cost`
    #[serde(skip_serializing_if = "Option::is_none")]
    cost: Option<CostBody>,
    /// Only with `include_spans`
    spans: Option<Vec<TraceSpanBody>>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = TraceSpanData)]
struct TraceSpanBody {
    /// GlobalId
    id: String,
    span_id: String,
    parent_id: Option<String>,
    name: String,
    span_kind: &'static str,
    status_code: &'static str,
    #[schema(format = DateTime)]
    start_time: String,
    #[schema(format = DateTime)]
    end_time: String,
}

impl From<Trace> for TraceBody {
    fn from(trace: Trace) -> Self {
        Self {
            id: trace.id.global_id(),
            trace_id: trace.trace_id_text(),
            project_id: trace.project.global_id(),
            start_time: trace.start.to_string(),
            end_time: trace.end.to_string(),
            token_count_prompt: trace.tokens.prompt,
            token_count_completion: trace.tokens.completion,
            token_count_total: trace.tokens.prompt.saturating_add(trace.tokens.completion),
            cost: None,
            spans: trace.spans.map(|spans| spans.into_iter().map(TraceSpanBody::from).collect()),
        }
    }
}

impl From<TraceSpan> for TraceSpanBody {
    fn from(span: TraceSpan) -> Self {
        Self {
            id: span.id.global_id(),
            span_id: span.span_text.unwrap_or_else(|| span.span_id.to_string()),
            parent_id: span.parent_text.or_else(|| Some(span.parent_id?.to_string())),
            name: span.name,
            span_kind: span.kind.as_str(),
            status_code: span.status.as_str(),
            start_time: span.start.to_string(),
            end_time: span.end.to_string(),
        }
    }
}

#[derive(Clone, Copy)]
enum Sort {
    StartTime,
    Latency,
}

/// Lists traces of a project.
#[utoipa::path(
    get, path = "/v1/projects/{project_identifier}/traces", operation_id = "listProjectTraces", tag = "traces",
    params(
        ("project_identifier" = String, Path, description = "GlobalId or name"),
        ("cursor" = Option<String>, Query, description = "Behind which trace the page begins, from `next_cursor`"),
        ("limit" = Option<u32>, Query, description = "1 to 1000, 100 if not given"),
        ("sort" = Option<String>, Query, description = "`start_time` or `latency_ms`"),
        ("order" = Option<String>, Query, description = "`desc` or `asc`"),
        ("start_time" = Option<String>, Query, description = "Traces that start at or after it"),
        ("end_time" = Option<String>, Query, description = "Traces that start before it"),
        ("include_spans" = Option<bool>, Query, description = "Whether to list the spans of each trace"),
        ("include_cost" = Option<bool>, Query, description = "Whether to tell what each trace cost"),
        ("session_identifier" = Option<Vec<String>>, Query, description = "Traces of any of these sessions: GlobalIds or session ids"),
        ("error" = Option<bool>, Query, description = "Traces with, or without, a span of status ERROR"),
        ("min_latency_ms" = Option<f64>, Query),
        ("max_latency_ms" = Option<f64>, Query),
        ("filter" = Option<String>, Query, description = "Condition on traces, such as `num_spans > 1 and any(s.status_code == 'ERROR' for s in spans)`"),
    ),
    responses(
        (status = 200, body = PageBody<TraceBody>),
        (status = 400, description = "The filter cannot be read", body = String, content_type = "text/plain"),
        (status = 404, body = String, content_type = "text/plain"),
        (status = 422, body = String, content_type = "text/plain"),
    )
)]
async fn list_traces(
    caller: Caller,
    project: web::Path<String>,
    mut query: QueryString,
) -> Result<web::Json<PageBody<TraceBody>>, ApiError> {
    let sort = query.choice("sort", &[("start_time", Sort::StartTime), ("latency_ms", Sort::Latency)]);
    let sort = sort.unwrap_or(Sort::StartTime);
    let cursor = query.cursor();
    let sessions = query.texts("session_identifier");
    let order =
        query.choice("order", &[("asc", Order::Ascending), ("desc", Order::Descending)]).unwrap_or_default();
    let limit = query.limit(100, 1_000);
    let include_spans = query.boolean("include_spans").unwrap_or(false);
    let include_cost = query.boolean("include_cost").unwrap_or(false);
    let (start, end) = (query.date_time("start_time"), query.date_time("end_time"));
    let error = query.boolean("error");
    let (min_latency_ms, max_latency_ms) =
        (query.number("min_latency_ms", 0.0), query.number("max_latency_ms", 0.0));
    let filter = query.text("filter");
    query.finish()?;
    let condition = read_condition(Flavour::Trace, filter)?;
    let project = find_project(caller.store(), &project).await?.id;
    let request = TraceList {
        project,
        sort: match sort {
            Sort::StartTime => TraceSort::StartTime { after: read_cursor(cursor)? },
            Sort::Latency => TraceSort::Latency { after: read_cursor(cursor)? },
        },
        order,
        limit,
        include_spans,
        start: start.map(Timestamp),
        end: end.map(Timestamp),
        sessions: find_sessions(caller.store(), sessions).await?,
        error,
        min_latency_ms,
        max_latency_ms,
        condition,
    };
    let page = caller.store().list_traces(&request).await.map_err(store_failed)?;
    let last = page.items.last().filter(|_| page.next.is_some());
    let next_cursor = last.map(|last| match sort {
        Sort::StartTime => SortCursor { row: last.id.0, value: last.start }.encode(),
        Sort::Latency => SortCursor { row: last.id.0, value: last.latency_ms() }.encode(),
    });
    let with_cost = |trace: Trace| {
        let cost = include_cost.then(|| trace.cost.into());
        TraceBody { cost, ..trace.into() }
    };
    Ok(web::Json(PageBody { data: page.items.into_iter().map(with_cost).collect(), next_cursor }))
}

fn read_cursor<V: CursorValue>(cursor: Option<String>) -> Result<Option<SortCursor<V>>, ApiError> {
    cursor.map(|cursor| SortCursor::decode(&cursor).ok_or_else(|| invalid_cursor(&cursor))).transpose()
}

/// Sessions by GlobalId or `session.id`; unknown ones match no trace.
async fn find_sessions(
    store: ScopedStore<'_>,
    identifiers: Vec<String>,
) -> Result<Option<Vec<SessionRowId>>, ApiError> {
    if identifiers.is_empty() {
        return Ok(None);
    }
    let mut rows: Vec<SessionRowId> =
        identifiers.iter().filter_map(|text| SessionRowId::from_global_id(text)).collect();
    rows.extend(store.session_rows(&identifiers).await.map_err(store_failed)?);
    Ok(Some(rows))
}

/// Deletes a trace with its spans. Its session stays.
#[utoipa::path(
    delete, path = "/v1/traces/{trace_identifier}", operation_id = "deleteTrace", tag = "traces",
    params(("trace_identifier" = String, Path, description = "GlobalId or OpenTelemetry trace id")),
    responses((status = 204), (status = 404, body = String, content_type = "text/plain"))
)]
async fn delete_trace(
    caller: Caller<Write>,
    identifier: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let row = find_trace(caller.store(), &identifier).await?;
    let deleted = caller.store().delete_trace(row).await.map_err(store_failed)?;
    if deleted { Ok(no_content()) } else { Err(not_found("trace", &identifier)) }
}

/// Exports a trace as OTLP, with everything that was sent: resources, scopes, links, flags, and fields that the rest
/// of the API does not show.
#[utoipa::path(
    get, path = "/v1/traces/{trace_identifier}/otlp", operation_id = "exportTrace", tag = "traces",
    params(("trace_identifier" = String, Path, description = "GlobalId or OpenTelemetry trace id")),
    responses(
        (status = 200, description = "An OTLP TracesData message", body = Vec<u8>, content_type = "application/x-protobuf"),
        (status = 404, body = String, content_type = "text/plain"),
    )
)]
async fn export_trace(caller: Caller, identifier: web::Path<String>) -> Result<HttpResponse, ApiError> {
    let row = find_trace(caller.store(), &identifier).await?;
    let exported = caller.store().export_trace(row).await.map_err(store_failed)?;
    let body = exported.ok_or_else(|| not_found("trace", &identifier))?;
    let entry = AuditEntry::new(AuditAction::ExportTrace, row.global_id());
    caller.store().record(entry).await.map_err(store_failed)?;
    Ok(HttpResponse::Ok().content_type("application/x-protobuf").body(body))
}

/// Deletes the traces of a project that start in a range of time, and the sessions that this leaves empty.
#[utoipa::path(
    delete, path = "/v1/projects/{project_identifier}/traces", operation_id = "deleteProjectTraces", tag = "traces",
    params(
        ("project_identifier" = String, Path, description = "GlobalId or name"),
        ("start_time" = String, Query, description = "Traces that start at or after it"),
        ("end_time" = String, Query, description = "Traces that start before it"),
    ),
    responses(
        (status = 204),
        (status = 404, body = String, content_type = "text/plain"),
        (status = 422, body = String, content_type = "text/plain"),
    )
)]
async fn delete_traces(
    caller: Caller<Write>,
    project: web::Path<String>,
    mut query: QueryString,
) -> Result<HttpResponse, ApiError> {
    let (start, end) = (query.required_date_time("start_time"), query.required_date_time("end_time"));
    query.finish()?;
    let (start, end) = (start.unwrap_or_default(), end.unwrap_or_default());
    if start >= end {
        return Err(ApiError::Unprocessable("start_time must be before end_time.".to_owned()));
    }
    let project = find_project(caller.store(), &project).await?.id;
    let (start, end) = (Timestamp(start), Timestamp(end));
    caller.store().delete_traces_between(project, start, end).await.map_err(store_failed)?;
    Ok(no_content())
}

#[derive(Deserialize, ToSchema)]
struct TransferTracesRequestBody {
    /// GlobalIds or OpenTelemetry trace ids, all of one project
    #[schema(min_items = 1)]
    trace_identifiers: Vec<String>,
    /// GlobalId or name
    destination_project_identifier: String,
}

#[derive(Serialize, ToSchema)]
struct TransferTracesData {
    transferred_trace_count: usize,
    /// GlobalId
    destination_project_id: String,
}

/// Moves traces of one project to another, all or none. What arrives for them later follows; their sessions stay.
#[utoipa::path(
    post, path = "/v1/traces/transfer", operation_id = "transferTraces", tag = "traces",
    request_body = TransferTracesRequestBody,
    responses(
        (status = 200, body = DataBody<TransferTracesData>),
        (status = 404, description = "A trace or the destination is missing", body = String, content_type = "text/plain"),
        (status = 422, description = "The traces are of several projects", body = String, content_type = "text/plain"),
    )
)]
async fn transfer_traces(
    caller: Caller<Write>,
    body: JsonBody<TransferTracesRequestBody>,
) -> Result<web::Json<DataBody<TransferTracesData>>, ApiError> {
    let TransferTracesRequestBody { trace_identifiers, destination_project_identifier } = body.0;
    if trace_identifiers.is_empty() {
        let place = vec!["body".into(), "trace_identifiers".into()];
        let error = FieldError::body(place, "too_short", "must name at least one trace", &json!([]));
        let rule = json!({ "field_type": "List", "min_length": 1, "actual_length": 0 });
        return Err(ApiError::Validation(vec![error.with(rule)]));
    }
    let destination = find_project(caller.store(), &destination_project_identifier).await?.id;
    let mut traces = Vec::with_capacity(trace_identifiers.len());
    for identifier in &trace_identifiers {
        traces.push(find_trace(caller.store(), identifier).await?);
    }
    match caller.store().transfer_traces(&traces, destination).await.map_err(store_failed)? {
        Transfer::Done(transferred_trace_count) => {
            let destination_project_id = destination.global_id();
            let data = TransferTracesData { transferred_trace_count, destination_project_id };
            Ok(web::Json(DataBody { data }))
        }
        Transfer::Missing => Err(ApiError::NotFound("A trace or the project is not there.".to_owned())),
        Transfer::SeveralSources => {
            Err(ApiError::Unprocessable("The traces must all be of one project.".to_owned()))
        }
    }
}
