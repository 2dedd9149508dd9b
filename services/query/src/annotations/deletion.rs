//! `DELETE /v1/projects/{project}/{span,trace,session}_annotations`

use actix_web::{HttpResponse, web};
use bennu_access::Write;
use bennu_domain::annotation::{AnnotatorKind, TargetKind};
use bennu_domain::time::Timestamp;
use bennu_kit::http::{ApiError, QueryString};
use bennu_store::AnnotationDelete;

use crate::caller::Caller;
use crate::identifiers::find_project;
use crate::responses::{no_content, store_failed};

/// Deletes annotations of spans: those created in a range of time, or all with `delete_all`.
#[utoipa::path(
    delete, path = "/v1/projects/{project_identifier}/span_annotations", operation_id = "deleteSpanAnnotations",
    tag = "annotations",
    params(
        ("project_identifier" = String, Path, description = "GlobalId or name"),
        ("name" = Option<String>, Query),
        ("identifier" = Option<String>, Query),
        ("annotator_kind" = Option<String>, Query, description = "`LLM`, `CODE` or `HUMAN`"),
        ("start_time" = Option<String>, Query, description = "Created at this time or later"),
        ("end_time" = Option<String>, Query, description = "Created before this time"),
        ("delete_all" = Option<bool>, Query, description = "Required without both times"),
    ),
    responses(
        (status = 204),
        (status = 404, body = String, content_type = "text/plain"),
        (status = 422, description = "Neither a range of time nor `delete_all`", body = String, content_type = "text/plain"),
    )
)]
pub async fn delete_span_annotations(
    caller: Caller<Write>,
    project: web::Path<String>,
    query: QueryString,
) -> Result<HttpResponse, ApiError> {
    delete(&caller, &project, query, TargetKind::Span).await
}

/// Deletes annotations of traces: those created in a range of time, or all with `delete_all`.
#[utoipa::path(
    delete, path = "/v1/projects/{project_identifier}/trace_annotations", operation_id = "deleteTraceAnnotations",
    tag = "annotations",
    params(
        ("project_identifier" = String, Path, description = "GlobalId or name"),
        ("name" = Option<String>, Query),
        ("identifier" = Option<String>, Query),
        ("annotator_kind" = Option<String>, Query, description = "`LLM`, `CODE` or `HUMAN`"),
        ("start_time" = Option<String>, Query, description = "Created at this time or later"),
        ("end_time" = Option<String>, Query, description = "Created before this time"),
        ("delete_all" = Option<bool>, Query, description = "Required without both times"),
    ),
    responses(
        (status = 204),
        (status = 404, body = String, content_type = "text/plain"),
        (status = 422, description = "Neither a range of time nor `delete_all`", body = String, content_type = "text/plain"),
    )
)]
pub async fn delete_trace_annotations(
    caller: Caller<Write>,
    project: web::Path<String>,
    query: QueryString,
) -> Result<HttpResponse, ApiError> {
    delete(&caller, &project, query, TargetKind::Trace).await
}

/// Deletes annotations of sessions: those created in a range of time, or all with `delete_all`.
#[utoipa::path(
    delete, path = "/v1/projects/{project_identifier}/session_annotations", operation_id = "deleteSessionAnnotations",
    tag = "annotations",
    params(
        ("project_identifier" = String, Path, description = "GlobalId or name"),
        ("name" = Option<String>, Query),
        ("identifier" = Option<String>, Query),
        ("annotator_kind" = Option<String>, Query, description = "`LLM`, `CODE` or `HUMAN`"),
        ("start_time" = Option<String>, Query, description = "Created at this time or later"),
        ("end_time" = Option<String>, Query, description = "Created before this time"),
        ("delete_all" = Option<bool>, Query, description = "Required without both times"),
    ),
    responses(
        (status = 204),
        (status = 404, body = String, content_type = "text/plain"),
        (status = 422, description = "Neither a range of time nor `delete_all`", body = String, content_type = "text/plain"),
    )
)]
pub async fn delete_session_annotations(
    caller: Caller<Write>,
    project: web::Path<String>,
    query: QueryString,
) -> Result<HttpResponse, ApiError> {
    delete(&caller, &project, query, TargetKind::Session).await
}

async fn delete(
    caller: &Caller<Write>,
    project: &str,
    mut query: QueryString,
    kind: TargetKind,
) -> Result<HttpResponse, ApiError> {
    let annotators =
        [AnnotatorKind::Llm, AnnotatorKind::Code, AnnotatorKind::Human].map(|kind| (kind.as_str(), kind));
    let (name, identifier) = (query.filled_text("name"), query.filled_text("identifier"));
    let annotator = query.choice("annotator_kind", &annotators);
    let start = query.date_time("start_time").map(Timestamp);
    let end = query.date_time("end_time").map(Timestamp);
    let all = query.boolean("delete_all").unwrap_or(false);
    query.finish()?;
    match (start, end) {
        (Some(start), Some(end)) if start >= end => {
            return Err(ApiError::Unprocessable("start_time must be before end_time.".to_owned()));
        }
        (Some(_), Some(_)) => {}
        _ if all => {}
        _ => {
            let rule = "Give both start_time and end_time, or delete_all=true to delete whatever its age.";
            return Err(ApiError::Unprocessable(rule.to_owned()));
        }
    }
    let project = find_project(caller.store(), project).await?.id;
    let delete = AnnotationDelete { project, kind, name, identifier, annotator, start, end };
    caller.store().delete_annotations(&delete).await.map_err(store_failed)?;
    Ok(no_content())
}
