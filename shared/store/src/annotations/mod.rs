//! Annotations of spans, traces, sessions and documents: one table, one way in, whatever the target.
//!
//! Locks are taken in the order of deletes and span writers: traces, sessions, spans, annotations, and last the summaries.

mod apply;
mod delete;
mod insertion;
mod known_spans;
mod list;
mod span_rows;
mod summaries;
mod targets;
mod transfer;
mod upsert;

use std::borrow::Cow;

use bennu_domain::annotation::{Annotation, OutOfBounds};
use bennu_domain::ids::AnnotationId;
use bennu_domain::time::Timestamp;

pub use delete::AnnotationDelete;
pub use list::{AnnotationList, StoredAnnotation};
pub(crate) use span_rows::SpanRows;
pub use summaries::{AnnotationSummary, LabelCount, SummaryQuery};

/// An annotation with the time at which it was received: of two for one key, the later one counts.
#[derive(Debug, Clone, PartialEq)]
pub struct AnnotationWrite {
    pub annotation: Annotation,
    pub received: Timestamp,
}

/// The same on its way into the database.
#[derive(Debug)]
pub(crate) struct StorableWrite<'a> {
    /// As databases take it.
    annotation: Cow<'a, Annotation>,
    received: Timestamp,
}

impl<'a> StorableWrite<'a> {
    pub fn new(annotation: &'a Annotation, received: Timestamp) -> Self {
        Self { annotation: annotation.storable(), received }
    }
}

/// What became of an annotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnnotationOutcome {
    /// It stands in this row, or a later one does.
    Stored(AnnotationId),
    /// There is no such span, trace or session.
    NoTarget,
    /// The span has no such document.
    OutOfBounds(OutOfBounds),
}

impl AnnotationOutcome {
    pub fn stored(self) -> Option<AnnotationId> {
        match self {
            Self::Stored(id) => Some(id),
            Self::NoTarget | Self::OutOfBounds(_) => None,
        }
    }
}
