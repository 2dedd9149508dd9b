//! Spans that were stored before their end, and of which a newer version has arrived.
//!
//! The old version is taken out of its trace's sums and of its block; the new one is then written like any other span, but
//! keeps the row id. Only batches with a span that is stored as unfinished come here.

use std::collections::HashSet;

use bennu_domain::ids::SpanId;
use bennu_domain::span_version::SpanVersion;
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _};

use super::SpanWrite;
use super::batch::TraceBatch;
use super::row_set::{ColumnType, RowSet};
use crate::blocks::fetch_block;
use crate::entities::span;
use crate::error::StoreError;

impl SpanWrite<'_> {
    /// Takes out the stored versions of spans that are older than those in the batch; answers the spans whose stored version stays.
    pub(super) async fn retire_older_versions(
        &mut self,
        trace: &mut TraceBatch,
        unfinished: &HashSet<SpanId>,
    ) -> Result<HashSet<SpanId>, StoreError> {
        let ids = unfinished.iter().map(|id| id.as_bytes().to_vec());
        let rows = span::Entity::find()
            .filter(span::Column::TenantId.eq(self.scoped.tenant))
            .filter(span::Column::TraceRowId.eq(trace.row))
            .filter(span::Column::SpanId.is_in(ids))
            .all(&self.transaction)
            .await?;
        let (mut staying, mut retired) = (HashSet::new(), Vec::new());
        for row in rows {
            let Ok(id) = SpanId::from_bytes(&row.span_id) else { continue };
            let arrived = trace.spans.iter().find(|(_, span)| span.span_id == id);
            let Some((_, arrived)) = arrived else { continue };
            if !self.is_newer(&SpanVersion::read(&arrived.bytes)?, &row).await? {
                staying.insert(id);
                continue;
            }
            let (start, end) = arrived.range();
            // What it added so far; see `PreparedSpan::range`.
            trace.shrinks |= start > row.start_time || end < row.end_time.max(row.start_time);
            trace.replaced.insert(id, row.id);
            retired.push(row);
        }
        let cut = self.scoped.take_out_spans(&self.transaction, &retired).await?;
        self.objects.extend(cut.added);
        self.obsolete_objects.extend(cut.obsolete);
        Ok(staying)
    }

    async fn is_newer(&self, arrived: &SpanVersion, row: &span::Model) -> Result<bool, StoreError> {
        let found = fetch_block(self.scoped, &self.transaction, row.block_id).await?;
        let stored = found.and_then(|(_, block)| block.span(row.block_index).cloned());
        // A row without its span is of no use: the new version takes its place.
        let Some(stored) = stored else { return Ok(true) };
        Ok(arrived.replaces(&SpanVersion::read(&stored)?))
    }

    /// Traces of which a span now covers less time, and their sessions, get their times anew.
    pub(super) async fn shrink_ranges(&self, traces: &[TraceBatch]) -> Result<(), StoreError> {
        const ID: &[(&str, ColumnType)] = &[("id", ColumnType::BigInt)];
        let shrinking = || traces.iter().filter(|trace| trace.shrinks);
        let mut rows = RowSet::new(ID, 0);
        shrinking().for_each(|trace| rows.push([trace.row.into()]));
        let sql = "UPDATE traces SET \
                   start_time = (SELECT min(s.start_time) FROM spans s WHERE s.tenant_id = {0} AND s.trace_row_id = traces.id), \
                   end_time = (SELECT max(CASE WHEN s.unfinished AND s.end_time < s.start_time THEN s.start_time \
                   ELSE s.end_time END) FROM spans s WHERE s.tenant_id = {0} AND s.trace_row_id = traces.id) \
                   FROM v WHERE traces.tenant_id = {0} AND traces.id = v.id";
        rows.execute(&self.transaction, sql, &[self.tenant()]).await?;
        let mut sessions: Vec<i64> = shrinking().filter_map(|trace| trace.session_row).collect();
        sessions.sort_unstable(); // all writers lock in the same order
        sessions.dedup();
        let mut rows = RowSet::new(ID, sessions.len());
        sessions.into_iter().for_each(|session| rows.push([session.into()]));
        let sql = "UPDATE sessions SET \
                   start_time = (SELECT min(t.start_time) FROM traces t WHERE t.tenant_id = {0} AND t.session_row_id = sessions.id), \
                   end_time = (SELECT max(t.end_time) FROM traces t WHERE t.tenant_id = {0} AND t.session_row_id = sessions.id) \
                   FROM v WHERE sessions.tenant_id = {0} AND sessions.id = v.id";
        rows.execute(&self.transaction, sql, &[self.tenant()]).await?;
        Ok(())
    }
}
