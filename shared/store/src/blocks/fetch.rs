//! Reads blocks, from wherever they are, and the spans that rows refer to.

use std::collections::{HashMap, HashSet};
use std::num::NonZero;
use std::sync::Arc;
use std::thread::available_parallelism;

use bennu_archive::ArchiveError;
use bennu_domain::filter::DemandedText;
use bennu_domain::span::Span;
use bytes::Bytes;
use futures::future::join_all;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use sea_orm::{ColumnTrait as _, ConnectionTrait, EntityTrait as _, QueryFilter as _, QueryOrder as _};

use super::codec::{BlockDecoder, DecodedBlock};
use crate::entities::{span, trace_block};
use crate::error::StoreError;
use crate::store::ScopedStore;

/// Objects fetched at once; object stores answer slowly but in parallel.
const PARALLEL_OBJECTS: usize = 8;

/// Bytes, before compression, that are decoded on the thread that asks for them, in about two milliseconds: what is made
/// and dropped on one thread is cheaper, and the page of a hundred usual spans stays below it. More goes to another thread.
const DECODED_HERE: i64 = 512 << 10;
/// How often spans may be replaced by newer versions, or move to another block, while they are read.
const MOST_MOVES: usize = 5;

/// Decodes the spans of `rows`, in the same order; every block is fetched and decoded once. `None` stands for a
/// span that was deleted since its row was read; of one that was replaced it is the newer version.
pub(crate) async fn load_spans(
    scoped: ScopedStore<'_>,
    rows: &[span::Model],
) -> Result<Vec<Option<Span>>, StoreError> {
    let mut spans = load_from_blocks(scoped, rows).await?;
    // What has moved away from where a replica has it is found only where it was moved.
    let scoped = scoped.current();
    let mut missing: Vec<span::Model> =
        rows.iter().zip(&spans).filter(|(_, span)| span.is_none()).map(|(row, _)| row.clone()).collect();
    for _ in 0..MOST_MOVES {
        missing = moved_rows(scoped, &missing).await?;
        if missing.is_empty() {
            return Ok(spans);
        }
        let found = load_from_blocks(scoped, &missing).await?;
        let places: HashMap<i64, usize> = rows.iter().zip(0..).map(|(row, place)| (row.id, place)).collect();
        let mut still_missing = Vec::new();
        for (row, span) in missing.into_iter().zip(found) {
            match (places.get(&row.id), span) {
                (Some(place), Some(span)) => spans[*place] = Some(span),
                _ => still_missing.push(row),
            }
        }
        missing = still_missing;
    }
    if missing.is_empty() { Ok(spans) } else { Err(StoreError::LostRace) }
}

async fn load_from_blocks(
    scoped: ScopedStore<'_>,
    rows: &[span::Model],
) -> Result<Vec<Option<Span>>, StoreError> {
    let places: Vec<(i64, i64)> = rows.iter().map(|row| (row.block_id, row.block_index)).collect();
    let blocks = blocks_at(scoped, &places).await?;
    if blocks.iter().map(|(model, _)| model.raw_bytes).sum::<i64>() <= DECODED_HERE {
        return decode_spans(blocks, &places);
    }
    let decoding = tokio::task::spawn_blocking(move || decode_spans(blocks, &places));
    decoding.await.map_err(|error| StoreError::Interrupted(error.to_string()))?
}

/// The blocks of some places, each once; those that are gone are missing.
async fn blocks_at(
    scoped: ScopedStore<'_>,
    places: &[(i64, i64)],
) -> Result<Vec<(trace_block::Model, Bytes)>, StoreError> {
    let mut ids: Vec<i64> = places.iter().map(|(block, _)| *block).collect();
    ids.sort_unstable();
    ids.dedup();
    let models = trace_block::Entity::find()
        .filter(trace_block::Column::TenantId.eq(scoped.tenant))
        .filter(trace_block::Column::Id.is_in(ids))
        .all(&scoped.reads())
        .await?;
    let blocks: Vec<Option<(trace_block::Model, Bytes)>> = stream::iter(models)
        .map(|model| with_bytes(scoped, model))
        .buffer_unordered(PARALLEL_OBJECTS)
        .try_collect()
        .await?;
    Ok(blocks.into_iter().flatten().collect())
}

/// Which of the spans at some places, blocks and positions in them, may hold the text. Those that are not where they were may.
pub(crate) async fn may_hold(
    scoped: ScopedStore<'_>,
    places: &[(i64, i64)],
    text: &Arc<DemandedText>,
) -> Result<(Vec<bool>, usize), StoreError> {
    let blocks = blocks_at(scoped, places).await?;
    let bytes = blocks.iter().map(|(model, _)| usize::try_from(model.raw_bytes).unwrap_or_default()).sum();
    let threads = available_parallelism().map_or(1, NonZero::get);
    let mut parts: Vec<Vec<_>> = Vec::new();
    parts.resize_with(threads, Vec::new);
    blocks.into_iter().enumerate().for_each(|(number, block)| parts[number % threads].push(block));
    let places: Arc<[(i64, i64)]> = places.into();
    let searches = parts.into_iter().map(|part| {
        let (places, text) = (Arc::clone(&places), Arc::clone(text));
        tokio::task::spawn_blocking(move || search(part, &places, &text))
    });
    let mut without = HashSet::new();
    for found in join_all(searches).await {
        without.extend(found.map_err(|error| StoreError::Interrupted(error.to_string()))??);
    }
    Ok((places.iter().map(|place| !without.contains(place)).collect(), bytes))
}

/// The places of those spans in the blocks that do not hold the text. Block by block, so that the next one is decoded into memory
/// that is still at hand.
fn search(
    blocks: Vec<(trace_block::Model, Bytes)>,
    places: &[(i64, i64)],
    text: &DemandedText,
) -> Result<Vec<(i64, i64)>, StoreError> {
    let mut in_block: HashMap<i64, Vec<i64>> = HashMap::new();
    places.iter().for_each(|(block, index)| in_block.entry(*block).or_default().push(*index));
    let (mut decoder, mut without) = (BlockDecoder::new()?, Vec::new());
    for (model, bytes) in blocks {
        let decoded = DecodedBlock::decode(&mut decoder, &model, &bytes)?;
        let indices = in_block.get(&model.id).map(Vec::as_slice).unwrap_or_default();
        let lacks = |index: &&i64| decoded.span(**index).is_some_and(|span| !text.may_be_in(span));
        without.extend(indices.iter().filter(lacks).map(|index| (model.id, *index)));
    }
    Ok(without)
}

fn decode_spans(
    blocks: Vec<(trace_block::Model, Bytes)>,
    places: &[(i64, i64)],
) -> Result<Vec<Option<Span>>, StoreError> {
    let (mut decoder, mut decoded) = (BlockDecoder::new()?, HashMap::new());
    for (model, bytes) in blocks {
        decoded.insert(model.id, DecodedBlock::decode(&mut decoder, &model, &bytes)?);
    }
    let span_at = |(block, index): &(i64, i64)| {
        let bytes = decoded.get(block).and_then(|block| block.span(*index));
        Ok(bytes.map(Span::decode).transpose()?)
    };
    places.iter().map(span_at).collect()
}

/// Spans that their block does not hold must have been deleted since, rows and all, or replaced by a newer version in
/// another block, or their block has joined another one: answers the rows of these as they are now. A row that is as it was has lost its span.
async fn moved_rows(
    scoped: ScopedStore<'_>,
    missing: &[span::Model],
) -> Result<Vec<span::Model>, StoreError> {
    if missing.is_empty() {
        return Ok(Vec::new());
    }
    let now = span::Entity::find()
        .filter(span::Column::TenantId.eq(scoped.tenant))
        .filter(span::Column::Id.is_in(missing.iter().map(|row| row.id)))
        .all(&scoped.reads())
        .await?;
    let place = |row: &span::Model| (row.id, row.block_id, row.block_index);
    match now.iter().find(|row| missing.iter().any(|old| place(old) == place(row))) {
        None => Ok(now),
        Some(row) => Err(StoreError::Block {
            block: row.block_id,
            reason: format!("holds no span {}", row.block_index),
        }),
    }
}

/// The blocks of a trace as they are at one moment, oldest first.
pub(crate) async fn blocks_of_trace(
    mut scoped: ScopedStore<'_>,
    trace_row: i64,
) -> Result<Vec<DecodedBlock>, StoreError> {
    let mut lost: Option<ArchiveError> = None;
    for _ in 0..MOST_MOVES {
        let models = trace_block::Entity::find()
            .filter(trace_block::Column::TenantId.eq(scoped.tenant))
            .filter(trace_block::Column::TraceRowId.eq(trace_row))
            .order_by_asc(trace_block::Column::Id)
            .all(&scoped.reads())
            .await?;
        let fetching = stream::iter(models).map(move |mut model| async move {
            let bytes = block_bytes(scoped, &mut model).await?;
            DecodedBlock::decode(&mut BlockDecoder::new()?, &model, &bytes)
        });
        match fetching.buffered(PARALLEL_OBJECTS).try_collect().await {
            // Its spans may be in another block by now, which was read as it was before.
            Err(StoreError::Archive(error)) if error.is_missing() => {
                if lost.as_ref().is_some_and(|lost| lost.to_string() == error.to_string()) {
                    return Err(error.into());
                }
                lost = Some(error);
                // The rows of a replica may name it for a while.
                scoped = scoped.current();
            }
            read => return read,
        }
    }
    Err(StoreError::LostRace)
}

/// One block inside a transaction, with its row.
pub(crate) async fn fetch_block(
    scoped: ScopedStore<'_>,
    connection: &impl ConnectionTrait,
    block: i64,
) -> Result<Option<(trace_block::Model, DecodedBlock)>, StoreError> {
    let found = trace_block::Entity::find_by_id((scoped.tenant, block)).one(connection).await?;
    let Some(model) = found else { return Ok(None) };
    let Some((model, bytes)) = with_bytes(scoped, model).await? else { return Ok(None) };
    let decoded = DecodedBlock::decode(&mut BlockDecoder::new()?, &model, &bytes)?;
    Ok(Some((model, decoded)))
}

/// The bytes of the block that a row describes. A missing object means that the block was rewritten or deleted since.
pub(crate) async fn block_bytes(
    scoped: ScopedStore<'_>,
    model: &mut trace_block::Model,
) -> Result<Bytes, StoreError> {
    if let Some(key) = &model.object_key {
        return Ok(scoped.store.archive.get(key).await?);
    }
    let no_content = || StoreError::Block { block: model.id, reason: "has no content".to_owned() };
    model.data.take().map(Bytes::from).ok_or_else(no_content)
}

/// A block with its bytes; `None` if it was deleted since its row was read.
///
/// An object is gone as soon as its block is rewritten or deleted, so a missing one sends us back to the row. That
/// ends: a block is rewritten once for each of its spans at most, and when others join it.
async fn with_bytes(
    scoped: ScopedStore<'_>,
    mut model: trace_block::Model,
) -> Result<Option<(trace_block::Model, Bytes)>, StoreError> {
    loop {
        let missing = match block_bytes(scoped, &mut model).await {
            Ok(bytes) => return Ok(Some((model, bytes))),
            Err(StoreError::Archive(error)) if error.is_missing() => error,
            Err(error) => return Err(error),
        };
        let rows = scoped.current().reads();
        let now = trace_block::Entity::find_by_id((scoped.tenant, model.id)).one(&rows).await?;
        match now {
            None => return Ok(None),
            Some(now) if now.object_key == model.object_key => return Err(missing.into()),
            Some(now) => model = now,
        }
    }
}
