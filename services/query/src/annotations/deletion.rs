//! `DELETE /v1/projects/{project}/{span,trace,session}_annotations`

use actix_web::{HttpResponse, web};
use bennu_access::Write;
use bennu_domain::annotation::{AnnotatorKind, TargetKind};
use bennu_domain::time::Timestamp;
use bennu_kit::http::{ApiError, QueryString};
use bennu_store::AnnotationDelete;
use utoipa::IntoParams;

use crate::caller::Caller;
use crate::identifiers::find_project;
use crate::responses::{no_content, store_failed};

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
struct DeleteParameters {
    name: Option<String>,
    identifier: Option<String>,
    /// `LLM`, `CODE` or `HUMAN`
    #[param(value_type = Option<String>)]
    annotator_kind: Option<AnnotatorKind>,
    /// Created at this time or later
    #[param(value_type = Option<String>)]
    start_time: Option<Timestamp>,
    /// Created before this time
    #[param(value_type = Option<String>)]
    end_time: Option<Timestamp>,
    /// Required without both times
    delete_all: Option<bool>,
}

/// A handler for each kind of target.
macro_rules! delete_handlers {
    ($($(#[$doc:meta])+ $name:ident of $kind:ident at $path:tt as $operation:tt)+) => {$(
        $(#[$doc])+
        #[utoipa::path(
            delete, path = $path, operation_id = $operation, tag = "annotations",
            params(("project_identifier" = String, Path, description = "GlobalId or name"), DeleteParameters),
            responses(
                (status = 204),
                (status = 404, body = String, content_type = "text/plain"),
                (status = 422, description = "Neither a range of time nor `delete_all`", body = String, content_type = "text/plain"),
            )
        )]
        pub async fn $name(
            caller: Caller<Write>,
            project: web::Path<String>,
            query: QueryString,
        ) -> Result<HttpResponse, ApiError> {
            delete(&caller, &project, query, TargetKind::$kind).await
        }
    )+};
}

delete_handlers! {
    /// Deletes annotations of spans: those created in a range of time, or all with `delete_all`. Who is no administrator deletes
    /// their own only.
    delete_span_annotations of Span
    at "/v1/projects/{project_identifier}/span_annotations" as "deleteSpanAnnotations"

    /// Deletes annotations of traces: those created in a range of time, or all with `delete_all`. Who is no administrator deletes
    /// their own only.
    delete_trace_annotations of Trace
    at "/v1/projects/{project_identifier}/trace_annotations" as "deleteTraceAnnotations"

    /// Deletes annotations of sessions: those created in a range of time, or all with `delete_all`. Who is no administrator deletes
    /// their own only.
    delete_session_annotations of Session
    at "/v1/projects/{project_identifier}/session_annotations" as "deleteSessionAnnotations"
}

impl DeleteParameters {
    fn read(query: &mut QueryString) -> Self {
        let annotators =
            [AnnotatorKind::Llm, AnnotatorKind::Code, AnnotatorKind::Human].map(|kind| (kind.as_str(), kind));
        Self {
            name: query.filled_text("name"),
            identifier: query.filled_text("identifier"),
            annotator_kind: query.choice("annotator_kind", &annotators),
            start_time: query.date_time("start_time").map(Timestamp),
            end_time: query.date_time("end_time").map(Timestamp),
            delete_all: query.boolean("delete_all"),
        }
    }
}

async fn delete(
    caller: &Caller<Write>,
    project: &str,
    mut query: QueryString,
    kind: TargetKind,
) -> Result<HttpResponse, ApiError> {
    let asked = DeleteParameters::read(&mut query);
    query.finish()?;
    let (start, end) = (asked.start_time, asked.end_time);
    match (start, end) {
        (Some(start), Some(end)) if start >= end => {
            return Err(ApiError::Unprocessable("start_time must be before end_time.".to_owned()));
        }
        (Some(_), Some(_)) => {}
        _ if asked.delete_all.unwrap_or(false) => {}
        _ => {
            let rule = "Give both start_time and end_time, or delete_all=true to delete whatever its age.";
            return Err(ApiError::Unprocessable(rule.to_owned()));
        }
    }
    let project = find_project(caller.store(), project).await?.id;
    let DeleteParameters { name, identifier, annotator_kind: annotator, .. } = asked;
    let Some(whose) = caller.may_delete() else { return Ok(no_content()) };
    let user = whose.account();
    let delete = AnnotationDelete { project, kind, name, identifier, annotator, user, start, end };
    caller.store().delete_annotations(&delete).await.map_err(store_failed)?;
    Ok(no_content())
}
