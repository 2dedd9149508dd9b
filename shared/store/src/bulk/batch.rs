//! A batch before the database sees it: spans grouped by trace, repeated ones dropped, blocks compressed.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use bennu_domain::ids::{SpanId, TraceId};
use bennu_domain::kind::StatusCode;
use bennu_domain::project::ProjectName;
use bennu_domain::span_version::SpanVersion;

use super::roll_up::RollUp;
use crate::blocks::{BlockEncoder, EncodedBlock};
use crate::error::StoreError;
use crate::prepared::PreparedSpan;

/// The spans of one trace in a batch, and what the database says about it as the write goes on.
pub(super) struct TraceBatch {
    pub trace_id: TraceId,
    /// Project it goes to if it is new.
    pub project: ProjectName,
    /// Each with its place among all spans of the batch; ids follow the order of arrival.
    pub spans: Vec<(usize, Arc<PreparedSpan>)>,
    pub block: Arc<EncodedBlock>,
    /// Roll-up of the trace as it is stored, if it is.
    pub stored: Option<RollUp>,
    /// Row ids, known once the trace, its project, its session and its block have them.
    pub row: i64,
    pub project_row: i64,
    pub session_row: Option<i64>,
    pub block_row: i64,
    /// Row ids of stored spans that these take the place of.
    pub replaced: HashMap<SpanId, i64>,
    /// Whether the trace may cover less time than before.
    pub shrinks: bool,
}

impl TraceBatch {
    /// The session that the first span with one names.
    pub fn session_id(&self) -> Option<&str> {
        self.spans.iter().find_map(|(_, span)| span.session_id.as_deref())
    }

    /// The text that stands for the trace id, if one does.
    pub fn trace_text(&self) -> Option<&str> {
        self.spans.iter().find_map(|(_, span)| span.text_ids.as_ref()?.trace.as_deref())
    }

    /// What these spans add to the trace.
    pub fn added(&self) -> RollUp {
        let mut added = RollUp::default();
        for (_, span) in &self.spans {
            let (start, end) = span.range();
            added.include(start, end);
            added.spans += 1;
            added.errors += i64::from(span.status == StatusCode::Error);
            added.prompt_tokens = added.prompt_tokens.saturating_add(span.tokens.prompt);
            added.completion_tokens = added.completion_tokens.saturating_add(span.tokens.completion);
            added.cost = added.cost.plus(span.cost.unwrap_or_default());
        }
        added
    }

    /// The trace with these spans.
    pub fn whole_range(&self) -> RollUp {
        self.stored.unwrap_or_default().merged(&self.added())
    }

    /// Drops spans that are stored already; the block is made anew without them.
    pub fn drop_spans(&mut self, stored: &HashSet<SpanId>) -> Result<(), StoreError> {
        let before = self.spans.len();
        self.spans.retain(|(_, span)| !stored.contains(&span.span_id));
        if self.spans.len() < before {
            self.block = encode(&self.spans)?;
        }
        Ok(())
    }
}

/// Groups spans by trace, in order of arrival. Of a span that comes twice the first stays, unless it is unfinished and the
/// second is newer.
pub(super) fn group_by_trace(spans: Vec<Arc<PreparedSpan>>) -> Result<Vec<TraceBatch>, StoreError> {
    let mut places: HashMap<TraceId, usize> = HashMap::new();
    let mut seen: HashSet<(TraceId, SpanId)> = HashSet::with_capacity(spans.len());
    let mut groups: Vec<Vec<(usize, Arc<PreparedSpan>)>> = Vec::new();
    for (arrival, span) in spans.into_iter().enumerate() {
        if !seen.insert((span.trace_id, span.span_id)) {
            keep_newer(&mut groups[places[&span.trace_id]], span)?;
            continue;
        }
        let place = *places.entry(span.trace_id).or_insert_with(|| {
            groups.push(Vec::new());
            groups.len() - 1
        });
        groups[place].push((arrival, span));
    }
    groups.into_iter().map(trace_batch).collect()
}

fn keep_newer(group: &mut [(usize, Arc<PreparedSpan>)], again: Arc<PreparedSpan>) -> Result<(), StoreError> {
    let first = group.iter_mut().find(|(_, span)| span.span_id == again.span_id && span.unfinished);
    if let Some((_, first)) = first
        && SpanVersion::read(&again.bytes)?.replaces(&SpanVersion::read(&first.bytes)?)
    {
        *first = again;
    }
    Ok(())
}

fn encode(spans: &[(usize, Arc<PreparedSpan>)]) -> Result<Arc<EncodedBlock>, StoreError> {
    let spans = spans.iter().map(|(_, span)| span.as_ref());
    Ok(Arc::new(BlockEncoder::lend(|encoder| encoder.encode(spans))?))
}

fn trace_batch(spans: Vec<(usize, Arc<PreparedSpan>)>) -> Result<TraceBatch, StoreError> {
    let (_, first) = &spans[0];
    // The block that the request brought serves if it holds just these spans: no other request has added to the trace.
    let block = Arc::clone(&first.block);
    let as_prepared =
        spans.len() == block.span_count && spans.iter().all(|(_, span)| Arc::ptr_eq(&span.block, &block));
    Ok(TraceBatch {
        trace_id: first.trace_id,
        project: first.project.clone(),
        block: if as_prepared { block } else { encode(&spans)? },
        spans,
        stored: None,
        row: 0,
        project_row: 0,
        session_row: None,
        block_row: 0,
        replaced: HashMap::new(),
        shrinks: false,
    })
}
