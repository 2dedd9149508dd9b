//! The compactor: an actor that merges the blocks of idle traces, moves large and old ones to the object store, and searches
//! that for what nothing refers to. Every process that writes has one; one of them at a time does the work.

mod compactor;
mod sweep;
mod work;

pub use compactor::Compactor;
pub use work::Work;
