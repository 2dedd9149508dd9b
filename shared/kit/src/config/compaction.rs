//! The compactor, and the sweep for objects that nothing refers to.

use std::time::Duration;

use super::byte_size::byte_size;
use super::number;
use super::variables::{ConfigError, Variables};
use super::{GIB, KIB};

const HOUR: u64 = 3_600;
const DAY: u64 = 24 * HOUR;

/// What becomes of stored blocks, and how fast.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompactionSettings {
    /// A trace is left alone until it got nothing new for so long.
    pub idle: Duration,
    /// Traces in a row, between which other processes may take over.
    pub batch: usize,
    pub traces_a_second: u32,
    /// Blocks join up to this size, before compression.
    pub block_bytes: usize,
    /// Older traces go to the object store; none: only large ones do.
    pub archive_after: Option<Duration>,
    pub sweep_every: Duration,
    /// Objects that nothing refers to are kept for so long: something may be about to.
    pub sweep_grace: Duration,
}

pub(super) fn read(vars: &Variables) -> Result<CompactionSettings, ConfigError> {
    let seconds =
        |range, unit| move |value: &str| number::<u64>(value, range).map(|n| Duration::from_secs(n * unit));
    Ok(CompactionSettings {
        idle: vars.read("BENNU_COMPACT_IDLE_SECONDS", seconds(0..=30 * DAY, 1))?,
        batch: vars.read("BENNU_COMPACT_BATCH_TRACES", |v| number(v, 1..=100_000))?,
        traces_a_second: vars.read("BENNU_COMPACT_TRACES_PER_SECOND", |v| number(v, 1..=1_000_000))?,
        block_bytes: vars.read("BENNU_COMPACT_BLOCK_BYTES", |v| byte_size(v, KIB..=GIB))?,
        archive_after: match vars.is_set("BENNU_ARCHIVE_AFTER_DAYS") {
            true => Some(vars.read("BENNU_ARCHIVE_AFTER_DAYS", seconds(0..=36_500, DAY))?),
            false => None,
        },
        sweep_every: vars.read("BENNU_SWEEP_EVERY_MINUTES", seconds(30..=10_080, 60))?,
        sweep_grace: vars.read("BENNU_SWEEP_GRACE_HOURS", seconds(1..=8_760, HOUR))?,
    })
}
