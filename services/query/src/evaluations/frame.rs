//! What a data frame of evaluations is: the metadata by which clients know it, and its columns.

use bennu_domain::annotation::TargetKind;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The key of the metadata in the schema of an Arrow stream.
pub const METADATA_KEY: &str = "arize";

pub const SCORE: &str = "score";
pub const LABEL: &str = "label";
pub const EXPLANATION: &str = "explanation";

#[derive(Serialize, Deserialize)]
pub struct FrameMetadata {
    #[serde(rename = "eval_id")]
    pub id: String,
    #[serde(rename = "eval_name")]
    pub name: String,
    #[serde(rename = "eval_type")]
    pub kind: EvaluationType,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[allow(clippy::enum_variant_names)] // as clients write them
pub enum EvaluationType {
    TraceEvaluations,
    SpanEvaluations,
    DocumentEvaluations,
}

impl FrameMetadata {
    pub fn new(kind: EvaluationType, name: &str) -> Self {
        Self { id: Uuid::new_v4().to_string(), name: name.to_owned(), kind }
    }
}

impl EvaluationType {
    /// `None` for sessions, which no evaluation is about.
    pub fn of(kind: TargetKind) -> Option<Self> {
        match kind {
            TargetKind::Trace => Some(Self::TraceEvaluations),
            TargetKind::Span => Some(Self::SpanEvaluations),
            TargetKind::Document => Some(Self::DocumentEvaluations),
            TargetKind::Session => None,
        }
    }

    /// The names under which the id of the subject may stand; clients write the first.
    pub fn id_columns(self) -> [&'static str; 2] {
        match self {
            Self::TraceEvaluations => ["context.trace_id", "trace_id"],
            Self::SpanEvaluations | Self::DocumentEvaluations => ["context.span_id", "span_id"],
        }
    }

    /// The same for the position of a document.
    pub fn position_columns(self) -> Option<[&'static str; 2]> {
        (self == Self::DocumentEvaluations).then_some(["document_position", "position"])
    }
}
