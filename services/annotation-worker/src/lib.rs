//! Annotations of the queue become rows: an actor claims jobs, applies them in batches, and says what became of them.

mod applier;
mod apply;
mod applying;

pub use applier::{AnnotationApplier, ApplyPolicy};
pub use applying::Applying;
