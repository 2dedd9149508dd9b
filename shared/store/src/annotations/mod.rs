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
use std::ops::Deref;

use bennu_domain::annotation::{Annotation, OutOfBounds};
use bennu_domain::ids::AnnotationId;
use bennu_domain::time::Timestamp;

pub use delete::AnnotationDelete;
pub(crate) use known_spans::KnownSpans;
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
    annotation: StorableAnnotation<'a>,
    received: Timestamp,
}

/// An annotation as databases take it. There are thousands of them at a time, nearly all as they came, so it is no larger than a
/// reference.
#[derive(Debug)]
enum StorableAnnotation<'a> {
    AsItCame(&'a Annotation),
    Changed(Box<Annotation>),
}

impl Deref for StorableAnnotation<'_> {
    type Target = Annotation;

    fn deref(&self) -> &Annotation {
        match self {
            Self::AsItCame(annotation) => annotation,
            Self::Changed(annotation) => annotation,
        }
    }
}

impl<'a> StorableWrite<'a> {
    pub fn new(annotation: &'a Annotation, received: Timestamp) -> Self {
        let annotation = match annotation.storable() {
            Cow::Borrowed(annotation) => StorableAnnotation::AsItCame(annotation),
            Cow::Owned(changed) => StorableAnnotation::Changed(Box::new(changed)),
        };
        Self { annotation, received }
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
