//! Traces, blocks and spans of a batch, as rows.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use bennu_domain::ids::{SpanId, TraceId};
use bytes::Bytes;
use sea_orm::{ConnectionTrait as _, DbBackend, QueryResult, Value};

use super::SpanWrite;
use super::batch::TraceBatch;
use super::ids::reserve_ids;
use super::roll_up::RollUp;
use super::row_set::{ColumnType, RowSet};
use crate::blocks::object_key;
use crate::error::StoreError;
use crate::prepared::PreparedSpan;

use ColumnType::{BigInt, Bool, Bytes as ByteString, Text};

const TRACE: &[(&str, ColumnType)] = &[
    ("id", BigInt),
    ("project_id", BigInt),
    ("trace_id", ByteString),
    ("session_row_id", BigInt),
    ("start_time", BigInt),
    ("end_time", BigInt),
    ("span_count", BigInt),
    ("error_count", BigInt),
    ("prompt_tokens", BigInt),
    ("completion_tokens", BigInt),
    ("prompt_cost", BigInt),
    ("completion_cost", BigInt),
];

/// A span with its place among all that arrived, its place in the block, and its trace.
type Placed<'a> = (&'a usize, usize, &'a TraceBatch, &'a Arc<PreparedSpan>);

/// Stands for "no session" in row sets, which hold no nulls.
const NO_SESSION: i64 = 0;
/// Likewise for "no price is known"; costs are never negative.
const NO_COST: i64 = -1;

impl SpanWrite<'_> {
    /// Finds, and on Postgres locks, the traces that are stored already. Another writer that adds to one of them waits
    /// here until this one commits, and then sees its spans.
    pub(super) async fn find_existing(&self, traces: &mut [TraceBatch]) -> Result<(), StoreError> {
        let mut ids: Vec<TraceId> = traces.iter().map(|trace| trace.trace_id).collect();
        ids.sort_unstable(); // all writers lock in the same order
        let mut rows = RowSet::new(&[("trace_id", ByteString)], ids.len());
        ids.iter().for_each(|id| rows.push([id.as_bytes().into()]));
        let lock = match self.transaction.get_database_backend() {
            DbBackend::Postgres => "ORDER BY t.trace_id FOR UPDATE OF t",
            _ => "",
        };
        let sql = format!(
            "SELECT t.trace_id, t.id, t.project_id, t.session_row_id, t.start_time, t.end_time \
             FROM v CROSS JOIN traces t WHERE t.tenant_id = {{0}} AND t.trace_id = v.trace_id {lock}"
        );
        let found = rows.query(&self.transaction, &sql, &[self.tenant()], read_existing).await?;
        let mut found: HashMap<Vec<u8>, Existing> = found.into_iter().collect();
        for trace in traces {
            let Some(existing) = found.remove(trace.trace_id.as_bytes()) else { continue };
            trace.row = existing.row;
            trace.project_row = existing.project_row;
            trace.session_row = existing.session_row;
            trace.stored = Some(existing.range);
        }
        Ok(())
    }

    /// The first span with an id in a trace stays and later ones are dropped, unless it is unfinished and they are newer.
    pub(super) async fn drop_stored_spans(&mut self, traces: &mut [TraceBatch]) -> Result<(), StoreError> {
        let mut rows = RowSet::new(&[("trace_row_id", BigInt), ("span_id", ByteString)], 0);
        for trace in traces.iter().filter(|trace| trace.stored.is_some()) {
            trace
                .spans
                .iter()
                .for_each(|(_, span)| rows.push([trace.row.into(), span.span_id.as_bytes().into()]));
        }
        let sql = "SELECT s.trace_row_id, s.span_id, s.unfinished FROM v CROSS JOIN spans s \
                   WHERE s.tenant_id = {0} AND s.trace_row_id = v.trace_row_id AND s.span_id = v.span_id";
        let read = |row: QueryResult| {
            let span: Vec<u8> = row.try_get_by_index(1)?;
            Ok((row.try_get_by_index::<i64>(0)?, span, row.try_get_by_index::<bool>(2)?))
        };
        let (mut stored, mut unfinished) = (HashMap::new(), HashMap::new());
        for (trace, span, is_unfinished) in rows.query(&self.transaction, sql, &[self.tenant()], read).await?
        {
            let spans: &mut HashMap<i64, HashSet<SpanId>> =
                if is_unfinished { &mut unfinished } else { &mut stored };
            spans.entry(trace).or_default().extend(SpanId::from_bytes(&span));
        }
        for trace in traces.iter_mut().filter(|trace| trace.stored.is_some()) {
            if let Some(spans) = unfinished.get(&trace.row) {
                let staying = self.retire_older_versions(trace, spans).await?;
                stored.entry(trace.row).or_default().extend(staying);
            }
            if let Some(spans) = stored.get(&trace.row) {
                trace.drop_spans(spans)?;
            }
        }
        Ok(())
    }

    /// One query for the ids of all rows to come.
    pub(super) async fn reserve_ids(
        &self,
        traces: &[TraceBatch],
        sessions: usize,
    ) -> Result<FreshIds, StoreError> {
        let new = traces.iter().filter(|trace| trace.stored.is_none()).count();
        let spans = traces.iter().map(|trace| trace.spans.len()).sum();
        let tables =
            [("traces", new), ("trace_blocks", traces.len()), ("spans", spans), ("sessions", sessions)];
        let [traces, blocks, spans, sessions] = reserve_ids(&self.transaction, tables).await?;
        Ok(FreshIds { traces, blocks, spans, sessions })
    }

    pub(super) async fn write_traces(
        &self,
        traces: &mut [TraceBatch],
        ids: Vec<i64>,
    ) -> Result<(), StoreError> {
        let new = ids.len();
        let mut ids = ids.into_iter();
        for trace in traces.iter_mut().filter(|trace| trace.stored.is_none()) {
            trace.row = ids.next().ok_or(StoreError::LostRace)?;
        }
        let mut by_trace_id: Vec<&TraceBatch> = traces.iter().collect();
        by_trace_id.sort_unstable_by_key(|trace| trace.trace_id); // see `find_existing`
        let (mut inserts, mut updates) = (RowSet::new(TRACE, new), RowSet::new(TRACE, traces.len() - new));
        for trace in by_trace_id {
            let target = if trace.stored.is_none() { &mut inserts } else { &mut updates };
            target.push(trace_row(trace));
        }
        let insert = "INSERT INTO traces (tenant_id, id, project_id, trace_id, session_row_id, start_time, end_time, \
                      span_count, error_count, prompt_tokens, completion_tokens, prompt_cost, completion_cost) \
                      SELECT {0}, v.id, v.project_id, v.trace_id, NULLIF(v.session_row_id, 0), v.start_time, v.end_time, \
                      v.span_count, v.error_count, v.prompt_tokens, v.completion_tokens, v.prompt_cost, v.completion_cost \
                      FROM v WHERE true \
                      ON CONFLICT DO NOTHING";
        if inserts.execute(&self.transaction, insert, &[self.tenant()]).await? < new as u64 {
            return Err(StoreError::LostRace);
        }
        let update = "UPDATE traces SET session_row_id = NULLIF(v.session_row_id, 0), \
                      start_time = CASE WHEN v.start_time < traces.start_time THEN v.start_time ELSE traces.start_time END, \
                      end_time = CASE WHEN v.end_time > traces.end_time THEN v.end_time ELSE traces.end_time END, \
                      span_count = traces.span_count + v.span_count, error_count = traces.error_count + v.error_count, \
                      prompt_tokens = traces.prompt_tokens + v.prompt_tokens, \
                      completion_tokens = traces.completion_tokens + v.completion_tokens, \
                      prompt_cost = traces.prompt_cost + v.prompt_cost, \
                      completion_cost = traces.completion_cost + v.completion_cost \
                      FROM v WHERE traces.tenant_id = {0} AND traces.id = v.id";
        updates.execute(&self.transaction, update, &[self.tenant()]).await?;
        Ok(())
    }

    /// Large blocks go to the archive, before any row points at them.
    pub(super) async fn write_blocks(
        &mut self,
        traces: &mut [TraceBatch],
        ids: Vec<i64>,
    ) -> Result<(), StoreError> {
        const BLOCK: &[(&str, ColumnType)] = &[
            ("id", BigInt),
            ("trace_row_id", BigInt),
            ("span_count", BigInt),
            ("raw_bytes", BigInt),
            ("stored_bytes", BigInt),
            ("data", ByteString),
            ("object_key", Text),
        ];
        let mut rows = RowSet::new(BLOCK, traces.len());
        for (id, trace) in ids.into_iter().zip(traces.iter_mut()) {
            trace.block_row = id;
            let mut data = trace.block.compressed.clone();
            let stored_bytes = as_i64(data.len());
            let mut key = String::new();
            if data.len() >= self.scoped.store.blocks.large_bytes {
                key = object_key(self.scoped.tenant);
                self.objects.push(key.clone());
                self.scoped.store.archive.put(&key, Bytes::from(std::mem::take(&mut data))).await?;
            }
            let (spans, raw_bytes) = (as_i64(trace.block.span_count), as_i64(trace.block.raw_bytes));
            self.bytes += data.len() + trace.block.text_filter.len();
            rows.push([
                id.into(),
                trace.row.into(),
                spans.into(),
                raw_bytes.into(),
                stored_bytes.into(),
                data.into(),
                key.into(),
            ]);
        }
        let insert = self.insert_or_fail();
        let sql = format!(
            "{insert} INTO trace_blocks (tenant_id, id, trace_row_id, codec, span_count, raw_bytes, stored_bytes, data, \
                   object_key) SELECT {{0}}, v.id, v.trace_row_id, 1, v.span_count, v.raw_bytes, v.stored_bytes, \
                   CASE WHEN v.object_key = '' THEN v.data END, NULLIF(v.object_key, '') FROM v"
        );
        rows.execute(&self.transaction, &sql, &[self.tenant()]).await?;
        let filters = traces.iter().map(|trace| (trace.block_row, trace.block.text_filter.clone()));
        self.scoped.write_text_filters(&self.transaction, filters).await
    }

    /// A failed insert ends the whole transaction, so SQLite need not be able to undo it alone, which costs it copies of pages.
    fn insert_or_fail(&self) -> &'static str {
        match self.transaction.get_database_backend() {
            DbBackend::Sqlite => "INSERT OR FAIL",
            _ => "INSERT",
        }
    }

    pub(super) async fn write_span_rows(
        &self,
        traces: &[TraceBatch],
        ids: Vec<i64>,
    ) -> Result<usize, StoreError> {
        const SPAN: &[(&str, ColumnType)] = &[
            ("id", BigInt),
            ("project_id", BigInt),
            ("trace_row_id", BigInt),
            ("span_id", ByteString),
            ("parent_id", ByteString),
            ("name", Text),
            ("kind", BigInt),
            ("status", BigInt),
            ("start_time", BigInt),
            ("end_time", BigInt),
            ("prompt_tokens", BigInt),
            ("completion_tokens", BigInt),
            ("prompt_cost", BigInt),
            ("completion_cost", BigInt),
            ("block_id", BigInt),
            ("block_index", BigInt),
            ("facets", Text),
            ("facets_complete", Bool),
        ];
        let mut placed: Vec<Placed> = traces
            .iter()
            .flat_map(|trace| {
                trace
                    .spans
                    .iter()
                    .enumerate()
                    .map(move |(index, (arrival, span))| (arrival, index, trace, span))
            })
            .collect();
        placed.sort_unstable_by_key(|(arrival, ..)| **arrival);
        let mut rows = RowSet::new(SPAN, placed.len());
        // A newer version of a span keeps the row id.
        let kept = |(fresh, (_, _, trace, span)): (i64, &Placed)| {
            trace.replaced.get(&span.span_id).copied().unwrap_or(fresh)
        };
        let ids: Vec<i64> = ids.into_iter().zip(&placed).map(kept).collect();
        for (id, (_, index, trace, span)) in ids.iter().copied().zip(&placed) {
            rows.push([
                id.into(),
                trace.project_row.into(),
                trace.row.into(),
                span.span_id.as_bytes().into(),
                span.parent_id.as_ref().map_or(&[][..], SpanId::as_bytes).into(),
                span.name.as_str().into(),
                i64::from(span.kind.code()).into(),
                i64::from(span.status.code()).into(),
                span.start.0.into(),
                span.end.0.into(),
                span.tokens.prompt.into(),
                span.tokens.completion.into(),
                span.cost.map_or(NO_COST, |cost| cost.prompt).into(),
                span.cost.map_or(NO_COST, |cost| cost.completion).into(),
                trace.block_row.into(),
                as_i64(*index).into(),
                span.facets.json.as_str().into(),
                span.facets.complete.into(),
            ]);
        }
        let json = match self.transaction.get_database_backend() {
            DbBackend::Postgres => "v.facets::jsonb",
            _ => "v.facets",
        };
        let insert = self.insert_or_fail();
        let sql = format!(
            "{insert} INTO spans (tenant_id, id, project_id, trace_row_id, span_id, parent_id, name, kind, status, start_time, \
             end_time, prompt_tokens, completion_tokens, prompt_cost, completion_cost, block_id, block_index, facets, \
             facets_complete) \
             SELECT {{0}}, v.id, v.project_id, v.trace_row_id, v.span_id, \
             CASE WHEN length(v.parent_id) > 0 THEN v.parent_id END, v.name, v.kind, v.status, v.start_time, v.end_time, \
             v.prompt_tokens, v.completion_tokens, NULLIF(v.prompt_cost, {NO_COST}), NULLIF(v.completion_cost, {NO_COST}), \
             v.block_id, v.block_index, {json}, v.facets_complete FROM v"
        );
        rows.execute(&self.transaction, &sql, &[self.tenant()]).await?;
        self.write_uncommon_columns(ids.into_iter().zip(placed.iter().map(|(_, _, _, span)| span.as_ref())))
            .await?;
        Ok(placed.len())
    }
}

/// Ids for the rows of a batch.
pub(super) struct FreshIds {
    pub traces: Vec<i64>,
    pub blocks: Vec<i64>,
    pub spans: Vec<i64>,
    pub sessions: Vec<i64>,
}

/// A stored trace; of its roll-up only the range is read.
struct Existing {
    row: i64,
    project_row: i64,
    session_row: Option<i64>,
    range: RollUp,
}

#[allow(clippy::needless_pass_by_value)] // the shape that row sets ask for
fn read_existing(row: QueryResult) -> Result<(Vec<u8>, Existing), sea_orm::DbErr> {
    let (start, end) = (row.try_get_by_index(4)?, row.try_get_by_index(5)?);
    let existing = Existing {
        row: row.try_get_by_index(1)?,
        project_row: row.try_get_by_index(2)?,
        session_row: row.try_get_by_index(3)?,
        range: RollUp { start, end, ..RollUp::default() },
    };
    Ok((row.try_get_by_index(0)?, existing))
}

fn trace_row(trace: &TraceBatch) -> [Value; TRACE.len()] {
    let added = trace.added();
    [
        trace.row.into(),
        trace.project_row.into(),
        trace.trace_id.as_bytes().into(),
        trace.session_row.unwrap_or(NO_SESSION).into(),
        added.start.into(),
        added.end.into(),
        added.spans.into(),
        added.errors.into(),
        added.prompt_tokens.into(),
        added.completion_tokens.into(),
        added.cost.prompt.into(),
        added.cost.completion.into(),
    ]
}

fn as_i64(size: usize) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}
