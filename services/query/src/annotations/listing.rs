//! `GET /v1/projects/{project}/{span,trace,session}_annotations`

use std::collections::HashSet;

use actix_web::web;
use bennu_domain::annotation::TargetKind;
use bennu_domain::global_id;
use bennu_domain::ids::AnnotationId;
use bennu_kit::http::{ApiError, QueryString};
use bennu_store::{AnnotationList, StoredAnnotation};
use utoipa::IntoParams;

use super::bodies::{SessionAnnotationBody, SpanAnnotationBody, TraceAnnotationBody};
use crate::caller::Caller;
use crate::identifiers::find_project;
use crate::responses::{PageBody, invalid_cursor, store_failed};

/// Distinct ids and identifiers of one request.
const MOST_VALUES: usize = 1_000;

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
struct ListParameters {
    /// Identifiers, at most 1000
    #[param(value_type = Option<Vec<String>>)]
    identifier: Vec<String>,
    #[param(value_type = Option<Vec<String>>)]
    include_annotation_names: Vec<String>,
    #[param(value_type = Option<Vec<String>>)]
    exclude_annotation_names: Vec<String>,
    /// Where the page begins, from `next_cursor`
    cursor: Option<String>,
    /// Items a page, 10 if not given, at most 10000
    #[param(value_type = Option<u32>)]
    limit: usize,
}

/// A handler for each kind of target.
macro_rules! list_handlers {
    ($($(#[$doc:meta])+ $name:ident of $kind:ident by $ids:tt $ids_doc:tt gives $body:ident at $path:tt as $operation:tt)+) => {$(
        $(#[$doc])+
        #[utoipa::path(
            get, path = $path, operation_id = $operation, tag = "annotations",
            params(
                ("project_identifier" = String, Path, description = "GlobalId or name"),
                ($ids = Option<Vec<String>>, Query, description = $ids_doc),
                ListParameters,
            ),
            responses(
                (status = 200, body = PageBody<$body>),
                (status = 404, description = "No such project, or none of the targets is in it", body = String, content_type = "text/plain"),
                (status = 422, body = String, content_type = "text/plain"),
            )
        )]
        pub async fn $name(
            caller: Caller,
            project: web::Path<String>,
            query: QueryString,
        ) -> Result<web::Json<PageBody<$body>>, ApiError> {
            list(&caller, &project, query, TargetKind::$kind).await
        }
    )+};
}

list_handlers! {
    /// Lists annotations of spans, newest first. `span_ids`, `identifier` or both are required.
    list_span_annotations of Span by "span_ids" "OpenTelemetry span ids, at most 1000" gives SpanAnnotationBody
    at "/v1/projects/{project_identifier}/span_annotations" as "listSpanAnnotationsBySpanIds"

    /// Lists annotations of traces, newest first. `trace_ids`, `identifier` or both are required.
    list_trace_annotations of Trace by "trace_ids" "OpenTelemetry trace ids, at most 1000" gives TraceAnnotationBody
    at "/v1/projects/{project_identifier}/trace_annotations" as "listTraceAnnotationsByTraceIds"

    /// Lists annotations of sessions, newest first. `session_ids`, `identifier` or both are required.
    list_session_annotations of Session by "session_ids" "Session ids, at most 1000" gives SessionAnnotationBody
    at "/v1/projects/{project_identifier}/session_annotations" as "listSessionAnnotationsBySessionIds"
}

impl ListParameters {
    fn read(query: &mut QueryString) -> Self {
        // In the order in which mistakes are told.
        Self {
            limit: query.limit(10, 10_000),
            identifier: distinct(query.filled_texts("identifier")),
            include_annotation_names: distinct(query.texts("include_annotation_names")),
            exclude_annotation_names: distinct(query.texts("exclude_annotation_names")),
            cursor: query.cursor(),
        }
    }
}

async fn list<B: From<StoredAnnotation>>(
    caller: &Caller,
    project: &str,
    mut query: QueryString,
    kind: TargetKind,
) -> Result<web::Json<PageBody<B>>, ApiError> {
    let ids_name = format!("{}_ids", kind.as_str());
    let targets = distinct(query.texts(&ids_name));
    let asked = ListParameters::read(&mut query);
    query.finish()?;
    if targets.is_empty() && asked.identifier.is_empty() {
        return Err(ApiError::Unprocessable(format!("{ids_name}, identifier or both are required.")));
    }
    let names = asked.include_annotation_names.len() + asked.exclude_annotation_names.len();
    for (name, count) in [
        (ids_name.as_str(), targets.len()),
        ("identifier", asked.identifier.len()),
        ("annotation names", names),
    ] {
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
    let (targets, identifiers) = (given(targets), given(asked.identifier));
    let only_targets = identifiers.is_none();
    let list = AnnotationList {
        project,
        kind,
        targets,
        identifiers,
        include_names: given(asked.include_annotation_names),
        exclude_names: asked.exclude_annotation_names,
        annotator: None,
        from: asked.cursor.map(read_cursor).transpose()?,
        limit: asked.limit,
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
