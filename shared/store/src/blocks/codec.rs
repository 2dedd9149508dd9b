//! The bytes of a block: a `TraceBlock` message (see `proto/bennu/v1/trace_block.proto`), compressed with zstd.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use bennu_domain::filter::TextFilterMaker;
use bennu_domain::otlp::{SpanGroup, SpanOrigin as Origin};
use bennu_proto::{BlockSpan, SpanOrigin, TraceBlock};
use bytes::Bytes;
use prost::Message as _;

use crate::entities::trace_block;
use crate::error::StoreError;
use crate::prepared::PreparedSpan;

/// Value of the column `codec`: zstd of a `TraceBlock`.
pub(crate) const CODEC_ZSTD: i16 = 1;

/// Measured on blocks of six LLM spans, bytes and microseconds a span: level 1: 1,020 and 5.0; 2: 993 and 6.0; 3: 988 and 7.2;
/// 6: 957 and 21.
const LEVEL: i32 = 2;

/// A block ready to be stored.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct EncodedBlock {
    pub compressed: Vec<u8>,
    pub raw_bytes: usize,
    pub span_count: usize,
    /// Of its spans.
    pub text_filter: Vec<u8>,
}

thread_local! {
    static ENCODER: RefCell<Option<BlockEncoder>> = const { RefCell::new(None) };
}

/// Encodes many blocks with one compression context, whose tables are costly to set up.
pub(crate) struct BlockEncoder {
    compressor: zstd::bulk::Compressor<'static>,
    filters: TextFilterMaker,
}

impl BlockEncoder {
    fn new() -> Result<Self, StoreError> {
        let compressor = zstd::bulk::Compressor::new(LEVEL).map_err(compression_failed)?;
        Ok(Self { compressor, filters: TextFilterMaker::default() })
    }

    /// Lends the encoder of this thread. One that failed is not used again: it may hold parts of a block.
    pub fn lend<T>(work: impl FnOnce(&mut Self) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let mut encoder = ENCODER.take().map_or_else(Self::new, Ok)?;
        let done = work(&mut encoder)?;
        ENCODER.set(Some(encoder));
        Ok(done)
    }

    /// Spans keep their order: rows refer to them by position.
    pub fn encode<'a>(
        &mut self,
        spans: impl IntoIterator<Item = &'a PreparedSpan>,
    ) -> Result<EncodedBlock, StoreError> {
        let mut block = TraceBlock::default();
        let mut known: HashMap<&'a Arc<Origin>, u32> = HashMap::new();
        for span in spans {
            let origin = *known.entry(&span.origin).or_insert_with(|| {
                block.origins.push(SpanOrigin {
                    resource_spans: span.origin.resource_spans.clone(),
                    scope_spans: span.origin.scope_spans.clone(),
                });
                u32::try_from(block.origins.len() - 1).unwrap_or(u32::MAX)
            });
            block.spans.push(BlockSpan { origin, span: span.bytes.clone() });
        }
        self.compress(&block)
    }

    pub fn compress(&mut self, block: &TraceBlock) -> Result<EncodedBlock, StoreError> {
        let raw = block.encode_to_vec();
        let spans = || block.spans.iter().filter(|span| !span.span.is_empty());
        spans().for_each(|span| self.filters.add(&span.span));
        let mut compressed = self.compressor.compress(&raw).map_err(compression_failed)?;
        // It was given room for what cannot be compressed, and waits for its batch.
        compressed.shrink_to_fit();
        Ok(EncodedBlock {
            compressed,
            raw_bytes: raw.len(),
            span_count: spans().count(),
            text_filter: self.filters.finish(),
        })
    }
}

#[allow(clippy::needless_pass_by_value)] // the shape that map_err wants
fn compression_failed(error: std::io::Error) -> StoreError {
    StoreError::Block { block: 0, reason: format!("cannot be compressed: {error}") }
}

/// Decodes many blocks with one decompression context.
pub(crate) struct BlockDecoder {
    decompressor: zstd::bulk::Decompressor<'static>,
}

impl BlockDecoder {
    pub fn new() -> Result<Self, StoreError> {
        Ok(Self { decompressor: zstd::bulk::Decompressor::new().map_err(compression_failed)? })
    }
}

/// A block as read.
#[derive(Debug, Clone)]
pub(crate) struct DecodedBlock {
    id: i64,
    message: TraceBlock,
}

impl DecodedBlock {
    /// Reads the bytes of the block that `row` describes.
    pub fn decode(
        decoder: &mut BlockDecoder,
        row: &trace_block::Model,
        compressed: &[u8],
    ) -> Result<Self, StoreError> {
        let &trace_block::Model { id, codec, raw_bytes, .. } = row;
        let broken = |reason: String| StoreError::Block { block: id, reason };
        if codec != CODEC_ZSTD {
            return Err(broken(format!("codec {codec} is unknown to this version")));
        }
        let capacity = usize::try_from(raw_bytes).map_err(|_| broken(format!("its size is {raw_bytes}")))?;
        let raw = decoder
            .decompressor
            .decompress(compressed, capacity)
            .map_err(|error| broken(error.to_string()))?;
        let message = TraceBlock::decode(Bytes::from(raw)).map_err(|error| broken(error.to_string()))?;
        Ok(Self { id, message })
    }

    /// The OTLP bytes of the span at a position; `None` if it was deleted, or never there.
    pub fn span(&self, index: i64) -> Option<&Bytes> {
        let found = usize::try_from(index).ok().and_then(|index| self.message.spans.get(index));
        found.map(|span| &span.span).filter(|span| !span.is_empty())
    }

    /// All its spans, in their order, with where they came from.
    pub fn groups(&self) -> Result<Vec<SpanGroup>, StoreError> {
        let mut groups: Vec<SpanGroup> = Vec::new();
        let mut last_origin = None;
        for span in self.message.spans.iter().filter(|span| !span.span.is_empty()) {
            if last_origin != Some(span.origin) {
                let missing =
                    || StoreError::Block { block: self.id, reason: format!("has no origin {}", span.origin) };
                let origin = self.message.origins.get(span.origin as usize).ok_or_else(missing)?;
                let origin = Origin {
                    resource_spans: origin.resource_spans.clone(),
                    scope_spans: origin.scope_spans.clone(),
                };
                groups.push(SpanGroup { origin, project: None, spans: Vec::new() });
                last_origin = Some(span.origin);
            }
            if let Some(group) = groups.last_mut() {
                group.spans.push(span.span.clone());
            }
        }
        Ok(groups)
    }

    /// Puts the spans of another block behind its own, in their order; answers the position of the first of them. Origins are
    /// not shared, so that the groups of both stay as they are.
    pub fn append(&mut self, other: Self) -> i64 {
        let (spans, origins) = (self.message.spans.len(), self.message.origins.len());
        let origins = u32::try_from(origins).unwrap_or(u32::MAX);
        let moved = |span: BlockSpan| BlockSpan { origin: span.origin.saturating_add(origins), ..span };
        self.message.origins.extend(other.message.origins);
        self.message.spans.extend(other.message.spans.into_iter().map(moved));
        i64::try_from(spans).unwrap_or(i64::MAX)
    }

    pub fn into_message(self) -> TraceBlock {
        self.message
    }

    /// The block without the spans at some positions; the others keep theirs. `None` when no span is left.
    pub fn without(mut self, indices: impl Iterator<Item = i64>) -> Option<TraceBlock> {
        for index in indices {
            let span = usize::try_from(index).ok().and_then(|index| self.message.spans.get_mut(index));
            if let Some(span) = span {
                span.span = Bytes::new();
            }
        }
        // Origins may hold content of the deleted span's sender: keep only those still in use, in their places.
        for (position, origin) in self.message.origins.iter_mut().enumerate() {
            let used = |span: &BlockSpan| span.origin as usize == position && !span.span.is_empty();
            if !self.message.spans.iter().any(used) {
                *origin = SpanOrigin::default();
            }
        }
        self.message.spans.iter().any(|span| !span.span.is_empty()).then_some(self.message)
    }
}
