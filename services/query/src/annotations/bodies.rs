//! Annotations as they stand in bodies.

use bennu_domain::annotation::{Annotation, AnnotationSource, AnnotatorKind, Target, TargetKind, Verdict};
use bennu_domain::global_id::{self, Node as _};
use bennu_domain::ids::{AnnotationId, UserId};
use bennu_kit::http::{LaxInteger, LaxNumber, ObjectText};
use bennu_store::StoredAnnotation;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

/// An annotation of a request.
pub trait AnnotationData {
    const KIND: TargetKind;
    fn into_annotation(self) -> Annotation;
}

/// None of the three is required.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct AnnotationResult {
    pub label: Option<String>,
    #[serde(default, deserialize_with = "lax_score")]
    pub score: Option<f64>,
    pub explanation: Option<String>,
}

fn lax_score<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    Ok(Option::<LaxNumber>::deserialize(deserializer)?.map(|number| number.0))
}

impl From<AnnotationResult> for Verdict {
    fn from(AnnotationResult { label, score, explanation }: AnnotationResult) -> Self {
        Self { label, score, explanation }
    }
}

macro_rules! annotation_data {
    ($name:ident, $kind:ident, { $($field:ident: $type:ty as $schema:ty),+ }, $target:expr) => {
        #[derive(Deserialize, ToSchema)]
        pub struct $name {
            $(#[schema(value_type = $schema)] $field: $type,)+
            name: String,
            #[schema(value_type = String)]
            annotator_kind: AnnotatorKind,
            result: Option<AnnotationResult>,
            #[schema(value_type = Option<serde_json::Map<String, serde_json::Value>>)]
            metadata: Option<ObjectText>,
            /// Part of the key: another identifier is another annotation
            #[serde(default)]
            identifier: String,
        }

        impl AnnotationData for $name {
            const KIND: TargetKind = TargetKind::$kind;

            fn into_annotation(self) -> Annotation {
                let Self { $($field,)+ name, annotator_kind, result, metadata, identifier } = self;
                Annotation {
                    target: $target,
                    name,
                    identifier,
                    annotator: annotator_kind,
                    source: AnnotationSource::Api,
                    user: None,
                    verdict: result.unwrap_or_default().into(),
                    metadata: metadata.unwrap_or_default().into(),
                }
            }
        }
    };
}

annotation_data!(SpanAnnotationData, Span, { span_id: String as String }, Target::Span(span_id));
annotation_data!(TraceAnnotationData, Trace, { trace_id: String as String }, Target::Trace(trace_id));
annotation_data!(SessionAnnotationData, Session, { session_id: String as String }, Target::Session(session_id));
annotation_data!(
    SpanDocumentAnnotationData,
    Document,
    { span_id: String as String, document_position: LaxInteger as i64 },
    Target::Document(span_id, document_position.0)
);

#[derive(Serialize, ToSchema)]
pub struct InsertedAnnotation {
    /// GlobalId
    id: String,
}

impl InsertedAnnotation {
    pub fn new(kind: TargetKind, id: AnnotationId) -> Self {
        Self { id: global_id::write(kind.type_name(), id.0) }
    }
}

/// What listed annotations have in common.
#[derive(Serialize, ToSchema)]
pub struct AnnotationBody {
    /// GlobalId
    id: String,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    updated_at: String,
    /// `API` or `APP`
    source: &'static str,
    /// GlobalId of the account in whose name it came; null where authentication is off
    user_id: Option<String>,
    name: String,
    /// `LLM`, `CODE` or `HUMAN`
    annotator_kind: &'static str,
    result: AnnotationResult,
    #[schema(value_type = Object)]
    metadata: Box<RawValue>,
    identifier: String,
}

/// The body, and the id of the target.
fn split(stored: StoredAnnotation) -> (AnnotationBody, String) {
    let StoredAnnotation { id, annotation, created_at, updated_at } = stored;
    let Verdict { label, score, explanation } = annotation.verdict;
    let target = annotation.target.id().to_owned();
    let body = AnnotationBody {
        id: global_id::write(annotation.target.kind().type_name(), id.0),
        created_at: created_at.to_string(),
        updated_at: updated_at.to_string(),
        source: annotation.source.as_str(),
        user_id: annotation.user.map(UserId::global_id),
        name: annotation.name,
        annotator_kind: annotation.annotator.as_str(),
        result: AnnotationResult { label, score, explanation },
        // It was written as JSON; an empty object stands for anything that is none.
        metadata: RawValue::from_string(annotation.metadata).unwrap_or_else(|_| empty_object()),
        identifier: annotation.identifier,
    };
    (body, target)
}

fn empty_object() -> Box<RawValue> {
    RawValue::from_string("{}".to_owned()).unwrap_or_default()
}

macro_rules! listed {
    ($name:ident as $schema:ident, $field:ident) => {
        #[derive(Serialize, ToSchema)]
        #[schema(as = $schema)]
        pub struct $name {
            #[serde(flatten)]
            annotation: AnnotationBody,
            $field: String,
        }

        impl From<StoredAnnotation> for $name {
            fn from(stored: StoredAnnotation) -> Self {
                let (annotation, $field) = split(stored);
                Self { annotation, $field }
            }
        }
    };
}

listed!(SpanAnnotationBody as SpanAnnotation, span_id);
listed!(TraceAnnotationBody as TraceAnnotation, trace_id);
listed!(SessionAnnotationBody as SessionAnnotation, session_id);
