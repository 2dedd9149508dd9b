//! Which of some spans are stored.

use std::collections::HashSet;

use bennu_domain::ids::{SpanId, TraceId};
use sea_orm::QueryResult;

use crate::bulk::{ColumnType, RowSet};
use crate::error::StoreError;
use crate::store::ScopedStore;

impl ScopedStore<'_> {
    /// Those of the spans that are stored and will not be replaced by a later version.
    pub async fn finished_spans_among(
        self,
        spans: impl Iterator<Item = (TraceId, SpanId)>,
    ) -> Result<HashSet<(TraceId, SpanId)>, StoreError> {
        const ID: &[(&str, ColumnType)] = &[("trace_id", ColumnType::Bytes), ("span_id", ColumnType::Bytes)];
        let mut rows = RowSet::new(ID, 0);
        spans.for_each(|(trace, span)| rows.push([trace.as_bytes().into(), span.as_bytes().into()]));
        let sql = "SELECT v.trace_id, v.span_id FROM v CROSS JOIN traces t CROSS JOIN spans s \
                   WHERE t.tenant_id = {0} AND t.trace_id = v.trace_id \
                   AND s.tenant_id = {0} AND s.trace_row_id = t.id AND s.span_id = v.span_id AND NOT s.unfinished";
        let read =
            |row: QueryResult| Ok((row.try_get_by_index::<Vec<u8>>(0)?, row.try_get_by_index::<Vec<u8>>(1)?));
        let found = rows.query(&self.reads(), sql, &[self.tenant.into()], read).await?;
        let ids = |(trace, span): (Vec<u8>, Vec<u8>)| {
            Some((TraceId::from_bytes(&trace).ok()?, SpanId::from_bytes(&span).ok()?))
        };
        Ok(found.into_iter().filter_map(ids).collect())
    }
}
