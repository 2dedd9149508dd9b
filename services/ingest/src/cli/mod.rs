//! The commands of the program.

mod dead_letters;
mod serve;

pub use dead_letters::{DeadLettersAction, dead_letters};
pub use serve::serve;
