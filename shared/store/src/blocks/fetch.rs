//! Reads blocks, from wherever they are, and the spans that rows refer to.

use std::collections::HashMap;

use bennu_domain::span::Span;
use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use sea_orm::{ColumnTrait as _, ConnectionTrait, EntityTrait as _, QueryFilter as _, QueryOrder as _};

use super::codec::DecodedBlock;
use crate::entities::{span, trace_block};
use crate::error::StoreError;
use crate::store::ScopedStore;

/// Objects fetched at once; object stores answer slowly but in parallel.
const PARALLEL_OBJECTS: usize = 8;

/// Decodes the spans of `rows`, in the same order; every block is fetched and decoded once.
pub(crate) async fn load_spans(scoped: ScopedStore<'_>, rows: &[span::Model]) -> Result<Vec<Span>, StoreError> {
    let mut ids: Vec<i64> = rows.iter().map(|row| row.block_id).collect();
    ids.sort_unstable();
    ids.dedup();
    let models = trace_block::Entity::find()
        .filter(trace_block::Column::TenantId.eq(scoped.tenant))
        .filter(trace_block::Column::Id.is_in(ids))
        .all(&scoped.store.read)
        .await?;
    let blocks: Vec<(trace_block::Model, Bytes)> = stream::iter(models)
        .map(|model| with_bytes(scoped, model))
        .buffer_unordered(PARALLEL_OBJECTS)
        .try_collect()
        .await?;
    let places: Vec<(i64, i64)> = rows.iter().map(|row| (row.block_id, row.block_index)).collect();
    let decoding = tokio::task::spawn_blocking(move || decode_spans(blocks, &places));
    decoding.await.map_err(|error| StoreError::Interrupted(error.to_string()))?
}

fn decode_spans(blocks: Vec<(trace_block::Model, Bytes)>, places: &[(i64, i64)]) -> Result<Vec<Span>, StoreError> {
    let mut decoded = HashMap::with_capacity(blocks.len());
    for (model, bytes) in blocks {
        decoded.insert(model.id, DecodedBlock::decode(model.id, model.codec, model.raw_bytes, &bytes)?);
    }
    let span_at = |&(block, index): &(i64, i64)| {
        let missing = || StoreError::Block { block, reason: "is missing".to_owned() };
        let bytes = decoded.get(&block).ok_or_else(missing)?.span(index)?;
        Ok(Span::decode(bytes)?)
    };
    places.iter().map(span_at).collect()
}

/// The blocks of a trace, oldest first.
pub(crate) async fn blocks_of_trace(scoped: ScopedStore<'_>, trace_row: i64) -> Result<Vec<DecodedBlock>, StoreError> {
    let models = trace_block::Entity::find()
        .filter(trace_block::Column::TenantId.eq(scoped.tenant))
        .filter(trace_block::Column::TraceRowId.eq(trace_row))
        .order_by_asc(trace_block::Column::Id)
        .all(&scoped.store.read)
        .await?;
    let mut decoded = Vec::with_capacity(models.len());
    for model in models {
        let (model, bytes) = with_bytes(scoped, model).await?;
        decoded.push(DecodedBlock::decode(model.id, model.codec, model.raw_bytes, &bytes)?);
    }
    Ok(decoded)
}

/// One block inside a transaction, with its row.
pub(crate) async fn fetch_block(
    scoped: ScopedStore<'_>,
    connection: &impl ConnectionTrait,
    block: i64,
) -> Result<Option<(trace_block::Model, DecodedBlock)>, StoreError> {
    let found = trace_block::Entity::find_by_id((scoped.tenant, block)).one(connection).await?;
    let Some(model) = found else { return Ok(None) };
    let (model, bytes) = with_bytes(scoped, model).await?;
    let decoded = DecodedBlock::decode(model.id, model.codec, model.raw_bytes, &bytes)?;
    Ok(Some((model, decoded)))
}

async fn with_bytes(
    scoped: ScopedStore<'_>,
    mut model: trace_block::Model,
) -> Result<(trace_block::Model, Bytes), StoreError> {
    let bytes = match (model.data.take(), model.object_key.as_deref()) {
        (Some(data), _) => Bytes::from(data),
        (None, Some(key)) => scoped.store.archive.get(key).await?,
        (None, None) => return Err(StoreError::Block { block: model.id, reason: "has no content".to_owned() }),
    };
    Ok((model, bytes))
}
