//! What the programs have in common: they open what the configuration names, run until a signal, and end in order.

mod backends;
mod process;

pub use backends::{connect_broker, open_annotation_jobs, open_archive, open_store};
pub use process::{Process, run};
