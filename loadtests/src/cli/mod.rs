//! The subcommands of `bench`.

mod access;
mod annotations;
mod load;
mod send;
mod stack;

use std::fs;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use serde::Serialize;

pub use access::{BennuAlone, access, neighbour};
pub use annotations::{Annotations, annotations};
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

/// Writes the figures to the file that was asked for, if any.
fn keep(file: Option<&Path>, figures: &impl Serialize) -> Result<()> {
    let Some(file) = file else { return Ok(()) };
    fs::write(file, serde_json::to_vec_pretty(figures)?)
        .with_context(|| format!("could not write {}", file.display()))
}
