//! The compactor's work on the store: the blocks of an idle trace become one, and large or old ones become objects.
//!
//! A block keeps its id and its spans their positions; those of the blocks that join it get positions behind them. So a
//! reader of rows as they were finds the same spans, or none, and then reads the rows again. Blocks are read and compressed
//! before anything is locked; the trace is then locked as writers lock it, and nothing is done if it has changed meanwhile.

mod due;
mod leader;
mod objects;
mod plan;
mod rewrite;
mod walk;

use std::time::Duration;

pub use due::DueTrace;
pub use leader::Leadership;
pub use walk::OldTraceWalk;

use bennu_domain::ids::TraceRowId;

use self::plan::plan;
use crate::error::StoreError;
use crate::store::ScopedStore;

/// What becomes of blocks.
#[derive(Debug, Clone, Copy)]
pub struct CompactionPolicy {
    /// A trace is left alone until it got nothing new for so long.
    pub idle: Duration,
    /// Blocks join as long as they are not larger together, before compression: whoever reads a span reads its block.
    pub most_bytes: usize,
}

/// What was done with a trace.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Compaction {
    /// Blocks that joined another one.
    pub merged: usize,
    /// Blocks that became objects, and their size.
    pub archived: usize,
    pub archived_bytes: usize,
    /// Somebody changed the trace meanwhile: what was left is for another time.
    pub interrupted: bool,
}

impl ScopedStore<'_> {
    /// Merges the blocks of a trace, and moves them to the archive if they are large, were there already, or the trace is `old`.
    /// Its spans and its OTLP export stay as they are, whoever reads or writes meanwhile.
    pub async fn compact_trace(
        self,
        trace: TraceRowId,
        policy: CompactionPolicy,
        old: bool,
    ) -> Result<Compaction, StoreError> {
        let mut blocks = self.blocks_in_short(&self.reads(), trace.0).await?;
        let mut done = Compaction::default();
        let mut left = plan(&blocks, self.store.blocks, policy.most_bytes, old);
        if left.is_empty() {
            done.interrupted = !self.forget_due_trace(trace.0, &blocks).await?;
        }
        // From the last one, so that the places of the others stay.
        while let Some(group) = left.pop() {
            if !self.rewrite(trace.0, &mut blocks, group, old, left.is_empty(), &mut done).await? {
                done.interrupted = true;
                break;
            }
        }
        Ok(done)
    }
}
