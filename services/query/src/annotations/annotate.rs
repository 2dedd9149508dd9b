//! `POST /v1/{span,trace,session,document}_annotations`

use actix_web::{HttpResponse, web};
use bennu_access::Write;
use bennu_domain::annotation::{Annotation, MAX_KEY_BYTES, NOTE_NAME, TargetKind};
use bennu_kit::http::{ApiError, DataItems, FieldError, Loc, QueryString};
use bennu_queue::AnnotationJobs;
use bennu_store::{AnnotationOutcome, AnnotationWrite};
use serde_json::{Value, json};
use utoipa::IntoParams;

use super::bodies::{
    AnnotationData, InsertedAnnotation, SessionAnnotationData, SpanAnnotationData,
    SpanDocumentAnnotationData, TraceAnnotationData,
};
use super::queued::{RECEIPT_HEADER, queue};
use crate::caller::Caller;
use crate::responses::{DataBody, store_failed};

/// Ids named in one message.
const MOST_NAMED: usize = 20;

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
struct SyncParameter {
    /// Answer when the annotations are stored, with their ids
    sync: Option<bool>,
}

/// A handler for each kind of target.
macro_rules! annotate_handlers {
    ($($(#[$doc:meta])+ $name:ident takes $data:ident at $path:tt as $operation:tt)+) => {$(
        $(#[$doc])+
        #[utoipa::path(
            post, path = $path, operation_id = $operation, tag = "annotations",
            params(SyncParameter),
            request_body = DataBody<Vec<$data>>,
            responses(
                (
                    status = 200, body = DataBody<Vec<InsertedAnnotation>>,
                    description = "With `sync` the ids, in order; else an empty list, and a receipt in the header",
                    headers(("x-bennu-receipt" = String, description = "For `GET /v1/receipts/{receipt}`")),
                ),
                (status = 400, description = "The name `note`, but of documents", body = String, content_type = "text/plain"),
                (status = 404, description = "With `sync`: a target does not exist", body = String, content_type = "text/plain"),
                (status = 422, body = String, content_type = "text/plain"),
            )
        )]
        pub async fn $name(
            caller: Caller<Write>,
            jobs: web::Data<dyn AnnotationJobs>,
            query: QueryString,
            items: DataItems<$data>,
        ) -> Result<HttpResponse, ApiError> {
            annotate(&caller, &jobs, query, items).await
        }
    )+};
}

annotate_handlers! {
    /// Annotates spans. An annotation of the same span, name and identifier is replaced.
    annotate_spans takes SpanAnnotationData at "/v1/span_annotations" as "annotateSpans"

    /// Annotates traces. An annotation of the same trace, name and identifier is replaced.
    annotate_traces takes TraceAnnotationData at "/v1/trace_annotations" as "annotateTraces"

    /// Annotates sessions. An annotation of the same session, name and identifier is replaced.
    annotate_sessions takes SessionAnnotationData at "/v1/session_annotations" as "annotateSessions"

    /// Annotates documents that spans retrieved. An annotation of the same document and name is replaced; identifiers are
    /// refused, and so are, with `sync`, positions beyond the documents.
    annotate_documents takes SpanDocumentAnnotationData at "/v1/document_annotations" as "annotateSpanDocuments"
}

async fn annotate<D: AnnotationData>(
    caller: &Caller<Write>,
    jobs: &web::Data<dyn AnnotationJobs>,
    mut query: QueryString,
    DataItems(items): DataItems<D>,
) -> Result<HttpResponse, ApiError> {
    let SyncParameter { sync } = SyncParameter { sync: query.boolean("sync") };
    query.finish()?;
    let annotations: Vec<Annotation> =
        items.into_iter().map(|item| Annotation { user: caller.user(), ..item.into_annotation() }).collect();
    check(D::KIND, &annotations)?;
    if sync.unwrap_or(false) {
        let data = annotate_now(caller, D::KIND, annotations).await?;
        return Ok(HttpResponse::Ok().json(DataBody { data }));
    }
    let mut response = HttpResponse::Ok();
    if !annotations.is_empty() {
        response.insert_header((RECEIPT_HEADER, queue(caller, &***jobs, annotations).await?));
    }
    Ok(response.json(DataBody { data: Vec::<InsertedAnnotation>::new() }))
}

/// Stores all annotations, or none and says why not.
async fn annotate_now(
    caller: &Caller<Write>,
    kind: TargetKind,
    annotations: Vec<Annotation>,
) -> Result<Vec<InsertedAnnotation>, ApiError> {
    let received = caller.store().time();
    let targets: Vec<String> =
        annotations.iter().map(|annotation| annotation.target.id().to_owned()).collect();
    let writes = annotations.into_iter().map(|annotation| AnnotationWrite { annotation, received }).collect();
    let outcomes = caller.store().annotate(writes).await.map_err(store_failed)?;
    let mut stored = Vec::with_capacity(outcomes.len());
    for (index, outcome) in outcomes.iter().enumerate() {
        match outcome {
            AnnotationOutcome::Stored(id) => stored.push(InsertedAnnotation::new(kind, *id)),
            AnnotationOutcome::NoTarget => return Err(missing(kind, &targets, &outcomes)),
            AnnotationOutcome::OutOfBounds(error) => {
                let (position, span, last) = (error.position, &targets[index], error.last);
                return Err(ApiError::Unprocessable(format!(
                    "data[{index}]: document_position {position} is out of bounds, the last document of span {span} is {last}."
                )));
            }
        }
    }
    Ok(stored)
}

/// Names the targets that do not exist, in order and each once.
fn missing(kind: TargetKind, targets: &[String], outcomes: &[AnnotationOutcome]) -> ApiError {
    let mut named: Vec<&str> = Vec::new();
    let mut more = 0;
    for (target, outcome) in targets.iter().zip(outcomes) {
        if *outcome != AnnotationOutcome::NoTarget || named.contains(&target.as_str()) {
            continue;
        }
        if named.len() < MOST_NAMED { named.push(target) } else { more += 1 }
    }
    let what = match kind {
        TargetKind::Span | TargetKind::Document => "spans",
        TargetKind::Trace => "traces",
        TargetKind::Session => "sessions",
    };
    let more = if more > 0 { format!(", and {more} more") } else { String::new() };
    ApiError::NotFound(format!("There are no {what} {}{more}.", named.join(", ")))
}

/// What no annotation may say, whether its target exists or not.
fn check(kind: TargetKind, annotations: &[Annotation]) -> Result<(), ApiError> {
    let mut errors = Vec::new();
    for (index, annotation) in annotations.iter().enumerate() {
        if kind == TargetKind::Document {
            let identifier = &annotation.identifier;
            if !identifier.trim().is_empty() {
                return Err(ApiError::Unprocessable(format!(
                    "data[{index}]: annotations of documents have no identifier, {identifier:?} is none."
                )));
            }
        } else if annotation.name == NOTE_NAME {
            let notes = format!("/v1/{}_notes", kind.as_str());
            return Err(ApiError::BadRequest(format!(
                "data[{index}]: the name {NOTE_NAME:?} is reserved for notes, which POST {notes} takes."
            )));
        }
        for (field, text) in [("name", &annotation.name), ("identifier", &annotation.identifier)] {
            let loc = || vec!["body".into(), "data".into(), index.into(), field.into()];
            errors.extend(too_long(loc, text));
        }
    }
    if errors.is_empty() { Ok(()) } else { Err(ApiError::Validation(errors)) }
}

/// Names and identifiers are keys, see [`MAX_KEY_BYTES`].
pub(super) fn too_long(loc: impl FnOnce() -> Vec<Loc>, text: &str) -> Option<FieldError> {
    let rule = || format!("must have at most {MAX_KEY_BYTES} bytes");
    let error = || FieldError::body(loc(), "string_too_long", rule(), &Value::from(text));
    (text.len() > MAX_KEY_BYTES).then(|| error().with(json!({ "max_length": MAX_KEY_BYTES })))
}
