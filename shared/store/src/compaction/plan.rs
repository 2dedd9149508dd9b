//! Which blocks of a trace become one, and which become objects.

use std::ops::Range;

use sea_orm::{
    ColumnTrait as _, ConnectionTrait, EntityTrait as _, FromQueryResult, QueryFilter as _, QueryOrder as _,
    QuerySelect as _,
};

use crate::blocks::BlockPolicy;
use crate::entities::trace_block;
use crate::error::StoreError;
use crate::store::ScopedStore;

/// A block without its bytes. Whatever changes a block changes this: a span that is cut out has bytes, a span that joins
/// as well, and no two objects have the same key.
#[derive(Debug, Clone, PartialEq, Eq, FromQueryResult)]
pub(super) struct BlockInShort {
    pub id: i64,
    pub span_count: i64,
    pub raw_bytes: i64,
    pub stored_bytes: i64,
    pub object_key: Option<String>,
}

impl ScopedStore<'_> {
    /// The blocks of a trace, oldest first.
    pub(super) async fn blocks_in_short(
        self,
        connection: &impl ConnectionTrait,
        trace: i64,
    ) -> Result<Vec<BlockInShort>, StoreError> {
        let blocks = trace_block::Entity::find()
            .select_only()
            .columns([
                trace_block::Column::Id,
                trace_block::Column::SpanCount,
                trace_block::Column::RawBytes,
                trace_block::Column::StoredBytes,
                trace_block::Column::ObjectKey,
            ])
            .filter(trace_block::Column::TenantId.eq(self.tenant))
            .filter(trace_block::Column::TraceRowId.eq(trace))
            .order_by_asc(trace_block::Column::Id);
        Ok(blocks.into_model().all(connection).await?)
    }
}

/// The places of blocks that are to become one, each time neighbours, so that the export of the trace keeps its order; a
/// block alone is to become an object.
pub(super) fn plan(
    blocks: &[BlockInShort],
    policy: BlockPolicy,
    most_bytes: usize,
    old: bool,
) -> Vec<Range<usize>> {
    let mut groups: Vec<Range<usize>> = Vec::new();
    let mut bytes = 0;
    for (place, block) in blocks.iter().enumerate() {
        let size = usize::try_from(block.raw_bytes).unwrap_or(usize::MAX);
        match groups.last_mut() {
            Some(group) if size.saturating_add(bytes) <= most_bytes => {
                group.end = place + 1;
                bytes += size;
            }
            _ => {
                groups.push(place..place + 1);
                bytes = size;
            }
        }
    }
    let large = |block: &BlockInShort| {
        usize::try_from(block.stored_bytes).is_ok_and(|bytes| bytes >= policy.large_bytes)
    };
    let to_archive = |block: &BlockInShort| block.object_key.is_none() && (old || large(block));
    groups.retain(|group| group.len() > 1 || blocks[group.clone()].iter().any(to_archive));
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocks(sizes: &[i64]) -> Vec<BlockInShort> {
        let block = |(id, bytes): (i64, &i64)| BlockInShort {
            id,
            span_count: 1,
            raw_bytes: *bytes,
            stored_bytes: *bytes / 2,
            object_key: None,
        };
        (1..).zip(sizes).map(block).collect()
    }

    const POLICY: BlockPolicy = BlockPolicy { large_bytes: 1_000 };

    /// First and last place of each group.
    fn planned(blocks: &[BlockInShort], old: bool) -> Vec<(usize, usize)> {
        plan(blocks, POLICY, 100, old).into_iter().map(|group| (group.start, group.end - 1)).collect()
    }

    #[test]
    fn neighbours_join_up_to_the_bound() {
        assert_eq!(planned(&blocks(&[10, 20, 30]), false), [(0, 2)]);
        assert_eq!(planned(&blocks(&[60, 40, 1, 100, 50, 50]), false), [(0, 1), (4, 5)]);
        assert_eq!(planned(&blocks(&[500, 10, 10, 500]), false), [(1, 2)]);
        assert_eq!(planned(&blocks(&[10]), false), []);
        assert_eq!(planned(&[], false), []);
    }

    #[test]
    fn a_block_alone_goes_to_the_archive_if_it_is_large_or_old_and_not_there() {
        assert_eq!(planned(&blocks(&[1_000]), true), [(0, 0)]);
        assert_eq!(planned(&blocks(&[2_000]), false), [(0, 0)]);
        let mut there = blocks(&[2_000]);
        there[0].object_key = Some("key".to_owned());
        assert_eq!(planned(&there, true), []);
    }
}
