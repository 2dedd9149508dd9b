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

/// A note of a request.
trait NoteData {
    fn into_note(self) -> Note;
}

struct Note {
    target: Target,
    text: String,
    identifier: String,
}

macro_rules! note_data {
    ($name:ident of $kind:ident by $field:ident) => {
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

        impl NoteData for $name {
            fn into_note(self) -> Note {
                let target = Target::$kind(self.$field.trim().to_owned());
                Note { target, text: self.note.trim().to_owned(), identifier: self.identifier }
            }
        }
    };
}

note_data!(SpanNoteData of Span by span_id);
note_data!(TraceNoteData of Trace by trace_id);
note_data!(SessionNoteData of Session by session_id);

#[derive(Deserialize, ToSchema)]
pub struct NoteBody<T> {
    data: T,
}

type Created = web::Json<DataBody<InsertedAnnotation>>;

/// A handler for each kind of target.
macro_rules! note_handlers {
    ($($(#[$doc:meta])+ $name:ident takes $data:ident at $path:tt as $operation:tt)+) => {$(
        $(#[$doc])+
        #[utoipa::path(
            post, path = $path, operation_id = $operation, tag = "annotations",
            request_body = DataBody<$data>,
            responses(
                (status = 200, body = DataBody<InsertedAnnotation>),
                (status = 404, body = String, content_type = "text/plain"),
                (status = 422, body = String, content_type = "text/plain"),
            )
        )]
        pub async fn $name(caller: Caller<Write>, body: JsonBody<NoteBody<$data>>) -> Result<Created, ApiError> {
            create(&caller, body.0.data.into_note()).await
        }
    )+};
}

note_handlers! {
    /// Adds a note to a span.
    create_span_note takes SpanNoteData at "/v1/span_notes" as "createSpanNote"

    /// Adds a note to a trace.
    create_trace_note takes TraceNoteData at "/v1/trace_notes" as "createTraceNote"

    /// Adds a note to a session.
    create_session_note takes SessionNoteData at "/v1/session_notes" as "createSessionNote"
}

async fn create(
    caller: &Caller<Write>,
    Note { target, text, identifier }: Note,
) -> Result<Created, ApiError> {
    let (id, kind) = (target.id().to_owned(), target.kind());
    let id_field = format!("{}_id", kind.as_str());
    let mut errors = Vec::new();
    for (field, value) in [(id_field.as_str(), &id), ("note", &text)] {
        if value.is_empty() {
            let loc = vec!["body".into(), "data".into(), field.into()];
            let error = FieldError::body(loc, "string_too_short", "must not be empty", &json!(""));
            errors.push(error.with(json!({ "min_length": 1 })));
        }
    }
    errors.extend(too_long(|| vec!["body".into(), "data".into(), "identifier".into()], &identifier));
    if !errors.is_empty() {
        return Err(ApiError::Validation(errors));
    }
    let identifier = match identifier {
        none if none.is_empty() => format!("px-{}-note:{}", kind.as_str(), uuid::Uuid::new_v4()),
        given => given,
    };
    let annotation = Annotation {
        target,
        name: NOTE_NAME.to_owned(),
        identifier,
        annotator: AnnotatorKind::Human,
        source: AnnotationSource::Api,
        user: caller.user(),
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
