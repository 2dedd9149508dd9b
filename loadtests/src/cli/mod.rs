//! The subcommands of `bench`.

mod load;
mod send;
mod stack;

use std::time::{SystemTime, UNIX_EPOCH};

pub use load::{Bodies, Load, bodies, load};
pub use send::{Send, send};
pub use stack::{Bulk, Fill, Stack, bulk, fill, stack};

/// Unix nanoseconds. The traces of a run begin now, as a live application's would.
#[expect(
    clippy::disallowed_methods,
    reason = "this program stands for the clients of a store, not for the store"
)]
pub fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
