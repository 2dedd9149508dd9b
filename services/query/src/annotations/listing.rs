//! `GET /v1/projects/{project}/{span,trace,session}_annotations`

use std::collections::HashSet;

use actix_web::web;
use bennu_domain::annotation::TargetKind;
use bennu_domain::global_id;
use bennu_domain::ids::AnnotationId;
use bennu_kit::http::{ApiError, QueryString};
use bennu_store::{AnnotationList, StoredAnnotation};

use super::bodies::{SessionAnnotationBody, SpanAnnotationBody, TraceAnnotationBody};
use crate::caller::Caller;
use crate::identifiers::find_project;
use crate::responses::{PageBody, invalid_cursor, store_failed};

/// Distinct ids and identifiers of one request.
const MOST_VALUES: usize = 1_000;

/// Lists annotations of spans, newest first. `span_ids`, `identifier` or both are required.
#[utoipa::path(
    get, path = "/v1/projects/{project_identifier}/span_annotations", operation_id = "listSpanAnnotationsBySpanIds",
    tag = "annotations",
    params(
        ("project_identifier" = String, Path, description = "GlobalId or name"),
        ("span_ids" = Option<Vec<String>>, Query, description = "OpenTelemetry span ids, at most 1000"),
        ("identifier" = Option<Vec<String>>, Query, description = "Identifiers, at most 1000"),
        ("include_annotation_names" = Option<Vec<String>>, Query),
        ("exclude_annotation_names" = Option<Vec<String>>, Query),
        ("cursor" = Option<String>, Query, description = "Where the page begins, from `next_cursor`"),
        ("limit" = Option<u32>, Query, description = "Items a page, 10 if not given, at most 10000"),
    ),
    responses(
        (status = 200, body = PageBody<SpanAnnotationBody>),
        (status = 404, description = "No such project, or none of the spans is in it", body = String, content_type = "text/plain"),
        (status = 422, body = String, content_type = "text/plain"),
    )
)]
pub async fn list_span_annotations(
    caller: Caller,
    project: web::Path<String>,
    query: QueryString,
) -> Result<web::Json<PageBody<SpanAnnotationBody>>, ApiError> {
    list(&caller, &project, query, TargetKind::Span).await
}

/// Lists annotations of traces, newest first. `trace_ids`, `identifier` or both are required.
#[utoipa::path(
    get, path = "/v1/projects/{project_identifier}/trace_annotations", operation_id = "listTraceAnnotationsByTraceIds",
    tag = "annotations",
    params(
        ("project_identifier" = String, Path, description = "GlobalId or name"),
        ("trace_ids" = Option<Vec<String>>, Query, description = "OpenTelemetry trace ids, at most 1000"),
        ("identifier" = Option<Vec<String>>, Query, description = "Identifiers, at most 1000"),
        ("include_annotation_names" = Option<Vec<String>>, Query),
        ("exclude_annotation_names" = Option<Vec<String>>, Query),
        ("cursor" = Option<String>, Query, description = "Where the page begins, from `next_cursor`"),
        ("limit" = Option<u32>, Query, description = "Items a page, 10 if not given, at most 10000"),
    ),
    responses(
        (status = 200, body = PageBody<TraceAnnotationBody>),
        (status = 404, description = "No such project, or none of the traces is in it", body = String, content_type = "text/plain"),
        (status = 422, body = String, content_type = "text/plain"),
    )
)]
pub async fn list_trace_annotations(
    caller: Caller,
    project: web::Path<String>,
    query: QueryString,
) -> Result<web::Json<PageBody<TraceAnnotationBody>>, ApiError> {
    list(&caller, &project, query, TargetKind::Trace).await
}

/// Lists annotations of sessions, newest first. `session_ids`, `identifier` or both are required.
#[utoipa::path(
    get, path = "/v1/projects/{project_identifier}/session_annotations",
    operation_id = "listSessionAnnotationsBySessionIds", tag = "annotations",
    params(
        ("project_identifier" = String, Path, description = "GlobalId or name"),
        ("session_ids" = Option<Vec<String>>, Query, description = "Session ids, at most 1000"),
        ("identifier" = Option<Vec<String>>, Query, description = "Identifiers, at most 1000"),
        ("include_annotation_names" = Option<Vec<String>>, Query),
        ("exclude_annotation_names" = Option<Vec<String>>, Query),
        ("cursor" = Option<String>, Query, description = "Where the page begins, from `next_cursor`"),
        ("limit" = Option<u32>, Query, description = "Items a page, 10 if not given, at most 10000"),
    ),
    responses(
        (status = 200, body = PageBody<SessionAnnotationBody>),
        (status = 404, description = "No such project, or none of the sessions is in it", body = String, content_type = "text/plain"),
        (status = 422, body = String, content_type = "text/plain"),
    )
)]
pub async fn list_session_annotations(
    caller: Caller,
    project: web::Path<String>,
    query: QueryString,
) -> Result<web::Json<PageBody<SessionAnnotationBody>>, ApiError> {
    list(&caller, &project, query, TargetKind::Session).await
}

async fn list<B: From<StoredAnnotation>>(
    caller: &Caller,
    project: &str,
    mut query: QueryString,
    kind: TargetKind,
) -> Result<web::Json<PageBody<B>>, ApiError> {
    let limit = query.limit(10, 10_000);
    let ids_name = format!("{}_ids", kind.as_str());
    let targets = distinct(query.texts(&ids_name));
    let identifiers = distinct(query.filled_texts("identifier"));
    let include_names = given(distinct(query.texts("include_annotation_names")));
    let exclude_names = distinct(query.texts("exclude_annotation_names"));
    let cursor = query.cursor();
    query.finish()?;
    if targets.is_empty() && identifiers.is_empty() {
        return Err(ApiError::Unprocessable(format!("{ids_name}, identifier or both are required.")));
    }
    let names = include_names.iter().flatten().chain(&exclude_names).count();
    for (name, count) in
        [(ids_name.as_str(), targets.len()), ("identifier", identifiers.len()), ("annotation names", names)]
    {
        if count > MOST_VALUES {
            let rule = format!("{name}: {count} values are too many, at most {MOST_VALUES} are taken.");
            return Err(ApiError::Unprocessable(rule));
        }
    }
    let project = find_project(caller.store(), project).await?.id;
    let read_cursor = |cursor: String| {
        let row = global_id::read(&cursor, &[kind.type_name()]);
        row.map(AnnotationId).ok_or_else(|| invalid_cursor(&cursor))
    };
    let from = cursor.map(read_cursor).transpose()?;
    let (targets, identifiers) = (given(targets), given(identifiers));
    let only_targets = identifiers.is_none();
    let list = AnnotationList {
        project,
        kind,
        targets,
        identifiers,
        include_names,
        exclude_names,
        annotator: None,
        from,
        limit,
    };
    let Some(page) = caller.store().list_annotations(&list).await.map_err(store_failed)? else {
        return if only_targets {
            Err(ApiError::NotFound(format!("None of the {ids_name} is in this project.")))
        } else {
            Ok(web::Json(PageBody { data: Vec::new(), next_cursor: None }))
        };
    };
    let data = page.items.into_iter().map(B::from).collect();
    let next_cursor = page.next.map(|next| global_id::write(kind.type_name(), next.0));
    Ok(web::Json(PageBody { data, next_cursor }))
}

fn distinct(texts: Vec<String>) -> Vec<String> {
    let mut seen = HashSet::new();
    texts.into_iter().filter(|text| seen.insert(text.clone())).collect()
}

fn given(texts: Vec<String>) -> Option<Vec<String>> {
    (!texts.is_empty()).then_some(texts)
}
