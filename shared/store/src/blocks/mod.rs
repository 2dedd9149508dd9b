//! Trace blocks: the spans of one trace that were written together, compressed.

mod codec;
mod fetch;

pub(crate) use codec::{BlockEncoder, EncodedBlock};
pub(crate) use fetch::{blocks_of_trace, fetch_block, load_spans};

/// Where blocks go.
#[derive(Debug, Clone, Copy)]
pub struct BlockPolicy {
    /// Compressed blocks of at least this size live in the archive instead of the database.
    pub large_bytes: usize,
}

/// Where a block lives in the archive. `revision` counts rewrites: an object is never changed in place, so that
/// readers of the old row find the old object.
pub(crate) fn object_key(tenant: i64, block: i64, revision: u32) -> String {
    format!("tenants/{tenant}/blocks/{block}.{revision}")
}
