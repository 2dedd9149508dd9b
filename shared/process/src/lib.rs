//! What the programs have in common: they open what the configuration names, run until a signal, and end in order.

mod access;
mod backends;
pub mod introspection;
mod memory;
mod process;

pub use access::{access, keep_revoking, remote_access};
pub use backends::{
    EventsConnection, connect_broker, connect_events, open_annotation_jobs, open_archive, open_log_in_counts,
    open_quota, open_store,
};
pub use memory::give_back_soon;
pub use process::{Process, run};
