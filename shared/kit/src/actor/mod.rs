//! Supervision of long-lived actors.

mod guarded;
mod guardian;
mod restart_policy;

pub use guarded::{Guarded, SendFailed};
pub use guardian::Guardian;
pub use restart_policy::RestartPolicy;
