//! What the queue of annotations needs of the database: applying jobs exactly once, receipts that tell what became of a
//! request, what failed, and the table of the embedded queue.

mod apply;
mod failures;
mod jobs;
mod moving;
mod receipts;

use bennu_domain::annotation::{Annotation, OutOfBounds, Target};
use bennu_domain::time::Timestamp;

pub use apply::GatheredWrites;
pub use failures::{AnnotationFailure, FailureSelection};
pub use jobs::{JobKey, JobRow, NewJobRow};
pub use receipts::{ItemOutcome, Receipt};

/// An annotation of the queue.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct QueuedWrite<'a> {
    pub receipt: &'a str,
    /// Annotations of the request.
    pub total: usize,
    /// Place in the request.
    pub index: usize,
    pub annotation: &'a Annotation,
    /// The time of the request: of two annotations for one key the later one counts.
    pub received: Timestamp,
    /// When waiting for its target began.
    pub waits_since: Timestamp,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueuedEnd {
    /// Applied or failed, now or before.
    Settled,
    /// Its target is not there yet.
    Waiting,
}

fn no_target(target: &Target) -> String {
    format!("the {} {} did not come in time", target.kind().as_str(), target.id())
}

fn out_of_bounds(target: &Target, OutOfBounds { position, last }: OutOfBounds) -> String {
    format!(
        "document_position {position} is out of bounds, the last document of span {} is {last}",
        target.id()
    )
}
