//! From start to stop: whether the process can serve, and when it shall end.

mod readiness;
mod shutdown;

pub use readiness::{Check, Missing, Readiness};
pub use shutdown::Shutdown;
