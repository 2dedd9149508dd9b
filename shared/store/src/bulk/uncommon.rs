//! What few rows have: columns that are set after the row is inserted, and a place in the list of the compactor. The others
//! cost nothing.

use bennu_domain::facets::storable_text;
use bennu_domain::text_ids::TextIds;

use super::SpanWrite;
use super::batch::TraceBatch;
use super::row_set::{ColumnType, RowSet};
use crate::error::StoreError;
use crate::prepared::PreparedSpan;

use ColumnType::{BigInt, Bool, Text};

impl SpanWrite<'_> {
    /// The texts that stand for the ids of new traces.
    pub(super) async fn write_trace_texts(&self, traces: &[TraceBatch]) -> Result<(), StoreError> {
        let mut rows = RowSet::new(&[("id", BigInt), ("trace_text", Text)], 0);
        for trace in traces.iter().filter(|trace| trace.stored.is_none()) {
            if let Some(text) = trace.trace_text() {
                rows.push([trace.row.into(), storable_text(text).into()]);
            }
        }
        let sql = "UPDATE traces SET trace_text = v.trace_text FROM v WHERE traces.tenant_id = {0} AND traces.id = v.id";
        rows.execute(&self.transaction, sql, &[self.tenant()]).await?;
        Ok(())
    }

    /// Traces that are in several blocks now.
    pub(super) async fn note_for_compactor(&self, traces: &[TraceBatch]) -> Result<(), StoreError> {
        let mut rows = RowSet::new(&[("trace_row_id", BigInt)], 0);
        traces.iter().filter(|trace| trace.stored.is_some()).for_each(|trace| rows.push([trace.row.into()]));
        let sql = "INSERT INTO compactions (tenant_id, trace_row_id, written_at) SELECT {0}, v.trace_row_id, {1} FROM v \
                   WHERE true ON CONFLICT (tenant_id, trace_row_id) DO UPDATE SET written_at = excluded.written_at";
        rows.execute(&self.transaction, sql, &[self.tenant(), self.scoped.store.now().into()]).await?;
        Ok(())
    }

    /// Spans with their row ids.
    pub(super) async fn write_uncommon_columns(
        &self,
        spans: impl Iterator<Item = (i64, &PreparedSpan)>,
    ) -> Result<(), StoreError> {
        const COLUMNS: &[(&str, ColumnType)] =
            &[("id", BigInt), ("span_text", Text), ("parent_text", Text), ("unfinished", Bool)];
        let none = TextIds::default();
        let mut rows = RowSet::new(COLUMNS, 0);
        for (id, span) in spans {
            let texts = span.text_ids.as_deref().unwrap_or(&none);
            if texts.span.is_some() || texts.parent.is_some() || span.unfinished {
                let text =
                    |text: &Option<String>| text.as_deref().map(storable_text).unwrap_or_default().into();
                rows.push([id.into(), text(&texts.span), text(&texts.parent), span.unfinished.into()]);
            }
        }
        let sql = "UPDATE spans SET span_text = NULLIF(v.span_text, ''), parent_text = NULLIF(v.parent_text, ''), \
                   unfinished = v.unfinished \
                   FROM v WHERE spans.tenant_id = {0} AND spans.id = v.id";
        rows.execute(&self.transaction, sql, &[self.tenant()]).await?;
        Ok(())
    }
}
