//! Trace blocks: the spans of one trace that were written together, compressed.

mod codec;
mod fetch;

pub(crate) use codec::{BlockDecoder, BlockEncoder, DecodedBlock, EncodedBlock};
pub(crate) use fetch::{block_bytes, blocks_of_trace, fetch_block, load_spans, may_hold};

/// Where blocks go.
#[derive(Debug, Clone, Copy)]
pub struct BlockPolicy {
    /// Compressed blocks of at least this size live in the archive instead of the database.
    pub large_bytes: usize,
}

/// Where a block of the tenant is put in the archive: a key that was never used before. An object is never changed in place,
/// so that readers of the old row find the old object; and one that no row names can be deleted, as none ever will.
pub(crate) fn object_key(tenant: i64) -> String {
    format!("tenants/{tenant}/blocks/{:032x}", fastrand::u128(..))
}

/// The tenant of a key that is one of a block.
pub(crate) fn tenant_of_object(key: &str) -> Option<i64> {
    let (tenant, rest) = key.strip_prefix("tenants/")?.split_once('/')?;
    rest.starts_with("blocks/").then(|| tenant.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_of_a_block_tells_its_tenant_and_other_keys_do_not() {
        assert_eq!(tenant_of_object(&object_key(77)), Some(77));
        assert_ne!(object_key(77), object_key(77));
        for other in ["tenants/77/envelopes/1", "tenants/x/blocks/1", "blocks/1", "probes/none"] {
            assert_eq!(tenant_of_object(other), None, "{other}");
        }
    }
}
