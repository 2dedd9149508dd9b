//! Some blocks of a trace become one, in one transaction.

use std::ops::Range;

use bytes::Bytes;
use sea_orm::{
    ActiveModelTrait as _, ColumnTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _, Set,
};

use super::Compaction;
use super::plan::BlockInShort;
use crate::blocks::{BlockDecoder, BlockEncoder, DecodedBlock, EncodedBlock, block_bytes, object_key};
use crate::bulk::{ColumnType, RowSet};
use crate::entities::trace_block;
use crate::error::StoreError;
use crate::store::ScopedStore;
use crate::transaction::WriteTransaction;

/// The block that takes the place of several, the first of which it continues.
struct Merged {
    block: EncodedBlock,
    /// Blocks that join it, each with what is added to the positions of its spans.
    joining: Vec<(i64, i64)>,
    object_key: Option<String>,
}

impl ScopedStore<'_> {
    /// Makes one of the blocks at the places of `group`, and brings `blocks`, which are all of the trace, up to date. `false` if they
    /// are not as they were any more; then nothing is done.
    pub(super) async fn rewrite(
        self,
        trace: i64,
        blocks: &mut Vec<BlockInShort>,
        group: Range<usize>,
        old: bool,
        last: bool,
        done: &mut Compaction,
    ) -> Result<bool, StoreError> {
        let Some(mut merged) = self.merge(&blocks[group.clone()]).await? else { return Ok(false) };
        let was_object = blocks[group.clone()].iter().any(|block| block.object_key.is_some());
        let size = merged.block.compressed.len();
        let object = if old || was_object || size >= self.store.blocks.large_bytes {
            let key = object_key(self.tenant);
            merged.object_key = Some(key.clone());
            let bytes = Bytes::from(std::mem::take(&mut merged.block.compressed));
            self.store.archive.put(&key, bytes).await?;
            Some(key)
        } else {
            None
        };
        let transaction = match self.begin().await {
            Ok(transaction) => transaction,
            Err(error) => {
                self.delete_objects(object.into_iter().collect()).await;
                return Err(error);
            }
        };
        let replaced = self.replace(&transaction, trace, blocks, group.clone(), &merged, size, last).await;
        let Ok(Some(now)) = replaced else {
            // Rolled back; nothing points at the object.
            drop(transaction);
            self.delete_objects(object.into_iter().collect()).await;
            return replaced.map(|_| false);
        };
        // If this fails nobody knows which objects are in use: the sweep finds out.
        transaction.commit().await?;
        self.store.written(merged.block.compressed.len());
        done.merged += group.len() - 1;
        if object.is_some() {
            done.archived += 1;
            done.archived_bytes += size;
        }
        let before = blocks.splice(group, [now]);
        let obsolete = before.filter_map(|block| block.object_key).collect();
        self.delete_objects(obsolete).await;
        Ok(true)
    }

    /// Reads the blocks, without locking anything. `None` if they are not as they were any more.
    async fn merge(self, blocks: &[BlockInShort]) -> Result<Option<Merged>, StoreError> {
        let rows = trace_block::Entity::find()
            .filter(trace_block::Column::TenantId.eq(self.tenant))
            .filter(trace_block::Column::Id.is_in(blocks.iter().map(|block| block.id)))
            .order_by_asc(trace_block::Column::Id)
            .all(&self.reads())
            .await?;
        let unchanged = rows.len() == blocks.len()
            && rows.iter().zip(blocks).all(|(row, block)| {
                (row.id, row.raw_bytes, &row.object_key) == (block.id, block.raw_bytes, &block.object_key)
            });
        if !unchanged {
            return Ok(None);
        }
        let mut with_bytes = Vec::with_capacity(rows.len());
        for mut row in rows {
            match block_bytes(self, &mut row).await {
                Ok(bytes) => with_bytes.push((row, bytes)),
                Err(StoreError::Archive(error)) if error.is_missing() => return Ok(None),
                Err(error) => return Err(error),
            }
        }
        let merging = tokio::task::spawn_blocking(move || join(with_bytes));
        merging.await.map_err(|error| StoreError::Interrupted(error.to_string()))?.map(Some)
    }

    /// Answers the block as it is afterwards; `None`, and nothing to be committed, if the trace has changed.
    #[expect(clippy::too_many_arguments, reason = "one step of the function above")]
    async fn replace(
        self,
        transaction: &WriteTransaction,
        trace: i64,
        blocks: &[BlockInShort],
        group: Range<usize>,
        merged: &Merged,
        size: usize,
        last: bool,
    ) -> Result<Option<BlockInShort>, StoreError> {
        let locked = self.lock_trace(transaction, trace).await?;
        if !locked || self.blocks_in_short(transaction, trace).await? != blocks {
            return Ok(None);
        }
        let as_i64 = |size: usize| i64::try_from(size).unwrap_or(i64::MAX);
        let now = BlockInShort {
            id: blocks[group.start].id,
            span_count: as_i64(merged.block.span_count),
            raw_bytes: as_i64(merged.block.raw_bytes),
            stored_bytes: as_i64(size),
            object_key: merged.object_key.clone(),
        };
        let row = trace_block::ActiveModel {
            tenant_id: Set(self.tenant),
            id: Set(now.id),
            span_count: Set(now.span_count),
            raw_bytes: Set(now.raw_bytes),
            stored_bytes: Set(now.stored_bytes),
            data: Set(merged.object_key.is_none().then(|| merged.block.compressed.clone())),
            object_key: Set(now.object_key.clone()),
            ..Default::default()
        };
        row.update(transaction).await?;
        self.replace_text_filter(transaction, now.id, merged.block.text_filter.clone()).await?;
        self.move_spans(transaction, trace, &blocks[group], merged).await?;
        if last {
            self.drop_due_trace(transaction, trace).await?;
        }
        Ok(Some(now))
    }

    /// Points the rows of spans to where they are now, and deletes the blocks where they were.
    async fn move_spans(
        self,
        transaction: &WriteTransaction,
        trace: i64,
        group: &[BlockInShort],
        merged: &Merged,
    ) -> Result<(), StoreError> {
        const MOVE: &[(&str, ColumnType)] =
            &[("block_id", ColumnType::BigInt), ("shift", ColumnType::BigInt)];
        let Some((first, others)) = group.split_first() else { return Ok(()) };
        let mut rows = RowSet::new(MOVE, merged.joining.len());
        merged.joining.iter().for_each(|(block, shift)| rows.push([(*block).into(), (*shift).into()]));
        let sql = "UPDATE spans SET block_id = {2}, block_index = spans.block_index + v.shift FROM v \
                   WHERE spans.tenant_id = {0} AND spans.trace_row_id = {1} AND spans.block_id = v.block_id";
        let parameters = [self.tenant.into(), trace.into(), first.id.into()];
        let moved = rows.execute(transaction, sql, &parameters).await?;
        let held: i64 = others.iter().map(|block| block.span_count).sum();
        if i64::try_from(moved) != Ok(held) {
            let reason = format!("{held} spans are in the blocks behind it, but {moved} rows are");
            return Err(StoreError::Block { block: first.id, reason });
        }
        self.drop_text_filters(transaction, others.iter().map(|block| block.id)).await?;
        trace_block::Entity::delete_many()
            .filter(trace_block::Column::TenantId.eq(self.tenant))
            .filter(trace_block::Column::Id.is_in(others.iter().map(|block| block.id)))
            .exec(transaction)
            .await?;
        Ok(())
    }

    /// Objects that no row names; the sweep takes those that stay.
    async fn delete_objects(self, keys: Vec<String>) {
        for key in keys {
            if let Err(error) = self.store.archive.delete(&key).await {
                tracing::warn!(%error, "an object of a compacted trace stays for now");
            }
        }
    }
}

fn join(blocks: Vec<(trace_block::Model, Bytes)>) -> Result<Merged, StoreError> {
    let mut decoder = BlockDecoder::new()?;
    let mut joined: Option<DecodedBlock> = None;
    let mut joining = Vec::with_capacity(blocks.len());
    for (row, bytes) in blocks {
        let block = DecodedBlock::decode(&mut decoder, &row, &bytes)?;
        match &mut joined {
            None => joined = Some(block),
            Some(joined) => joining.push((row.id, joined.append(block))),
        }
    }
    let joined = joined.map(DecodedBlock::into_message).unwrap_or_default();
    Ok(Merged { block: BlockEncoder::lend(|encoder| encoder.compress(&joined))?, joining, object_key: None })
}
