//! `POST /v1/{span,trace,session}_notes`: annotations under the name `note`, which pile up.

use actix_web::web;
use bennu_access::Write;
use bennu_domain::annotation::{Annotation, AnnotationSource, AnnotatorKind, NOTE_NAME, Target, Verdict};
use bennu_kit::http::{ApiError, FieldError, JsonBody};
use bennu_store::{AnnotationOutcome, AnnotationWrite};
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;

use super::annotate::too_long;
use super::bodies::InsertedAnnotation;
use crate::caller::Caller;
use crate::identifiers::not_found;
use crate::responses::{DataBody, store_failed};

macro_rules! note_data {
    ($name:ident, $field:ident) => {
        #[derive(Deserialize, ToSchema)]
        pub struct $name {
            #[schema(min_length = 1)]
            $field: String,
            #[schema(min_length = 1)]
            note: String,
            /// A note with the same identifier is replaced; without one the note is new
            #[serde(default)]
            identifier: String,
        }
    };
}

note_data!(SpanNoteData, span_id);
note_data!(TraceNoteData, trace_id);
note_data!(SessionNoteData, session_id);

#[derive(Deserialize, ToSchema)]
pub struct NoteBody<T> {
    data: T,
}

type Created = web::Json<DataBody<InsertedAnnotation>>;

/// Adds a note to a span.
#[utoipa::path(
    post, path = "/v1/span_notes", operation_id = "createSpanNote", tag = "annotations",
    request_body = DataBody<SpanNoteData>,
    responses(
        (status = 200, body = DataBody<InsertedAnnotation>),
        (status = 404, body = String, content_type = "text/plain"),
        (status = 422, body = String, content_type = "text/plain"),
    )
)]
pub async fn create_span_note(
    caller: Caller<Write>,
    body: JsonBody<NoteBody<SpanNoteData>>,
) -> Result<Created, ApiError> {
    let SpanNoteData { span_id, note, identifier } = body.0.data;
    create(&caller, Note { id: span_id, text: note, identifier }, Target::Span).await
}

/// Adds a note to a trace.
#[utoipa::path(
    post, path = "/v1/trace_notes", operation_id = "createTraceNote", tag = "annotations",
    request_body = DataBody<TraceNoteData>,
    responses(
        (status = 200, body = DataBody<InsertedAnnotation>),
        (status = 404, body = String, content_type = "text/plain"),
        (status = 422, body = String, content_type = "text/plain"),
    )
)]
pub async fn create_trace_note(
    caller: Caller<Write>,
    body: JsonBody<NoteBody<TraceNoteData>>,
) -> Result<Created, ApiError> {
    let TraceNoteData { trace_id, note, identifier } = body.0.data;
    create(&caller, Note { id: trace_id, text: note, identifier }, Target::Trace).await
}

/// Adds a note to a session.
#[utoipa::path(
    post, path = "/v1/session_notes", operation_id = "createSessionNote", tag = "annotations",
    request_body = DataBody<SessionNoteData>,
    responses(
        (status = 200, body = DataBody<InsertedAnnotation>),
        (status = 404, body = String, content_type = "text/plain"),
        (status = 422, body = String, content_type = "text/plain"),
    )
)]
pub async fn create_session_note(
    caller: Caller<Write>,
    body: JsonBody<NoteBody<SessionNoteData>>,
) -> Result<Created, ApiError> {
    let SessionNoteData { session_id, note, identifier } = body.0.data;
    create(&caller, Note { id: session_id, text: note, identifier }, Target::Session).await
}

struct Note {
    id: String,
    text: String,
    identifier: String,
}

async fn create(
    caller: &Caller<Write>,
    note: Note,
    target: fn(String) -> Target,
) -> Result<Created, ApiError> {
    let (id, text) = (note.id.trim().to_owned(), note.text.trim().to_owned());
    let target = target(id.clone());
    let kind = target.kind();
    let id_field = format!("{}_id", kind.as_str());
    let mut errors = Vec::new();
    for (field, value) in [(id_field.as_str(), &id), ("note", &text)] {
        if value.is_empty() {
            let loc = vec!["body".into(), "data".into(), field.into()];
            let error = FieldError::body(loc, "string_too_short", "must not be empty", &json!(""));
            errors.push(error.with(json!({ "min_length": 1 })));
        }
    }
    errors.extend(too_long(vec!["body".into(), "data".into(), "identifier".into()], &note.identifier));
    if !errors.is_empty() {
        return Err(ApiError::Validation(errors));
    }
    let identifier = match note.identifier {
        none if none.is_empty() => format!("px-{}-note:{}", kind.as_str(), uuid::Uuid::new_v4()),
        given => given,
    };
    let annotation = Annotation {
        target,
        name: NOTE_NAME.to_owned(),
        identifier,
        annotator: AnnotatorKind::Human,
        source: AnnotationSource::Api,
        user: None,
        verdict: Verdict { explanation: Some(text), ..Verdict::default() },
        metadata: "{}".to_owned(),
    };
    let write = AnnotationWrite { annotation, received: caller.store().time() };
    match caller.store().annotate(vec![write]).await.map_err(store_failed)?.first() {
        Some(AnnotationOutcome::Stored(stored)) => {
            Ok(web::Json(DataBody { data: InsertedAnnotation::new(kind, *stored) }))
        }
        _ => Err(not_found(kind.as_str(), &id)),
    }
}
