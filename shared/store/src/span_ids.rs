//! Spans found by their id alone.
//!
//! Span ids are random: in one large index every new span would touch a page of its own, and each of these pages would be
//! written twice. So the index is cut into parts by the rising row id, each a few hundred pages that stay in the cache
//! while they grow and are then left alone. A look-up asks every part, which takes about a microsecond each: 0.3 ms at five
//! million spans.

use bennu_domain::ids::{SpanId, SpanRowId};
use sea_orm::{DbBackend, QueryResult, Value};

use crate::bulk::{ColumnType, RowSet};
use crate::error::StoreError;
use crate::store::ScopedStore;

/// The parts of `spans` that have rows. Row ids are shared by all tenants on SQLite, where only the ends of the whole
/// table are found at once; 16384 is that of the index. On Postgres the part is a column, as row-level security lets an
/// index serve no expression of the query that might fail.
const SQLITE_PARTS: &str = "(WITH RECURSIVE part (number) AS (SELECT min(id) / 16384 FROM spans UNION ALL \
    SELECT number + 1 FROM part WHERE number < (SELECT max(id) / 16384 FROM spans)) SELECT number FROM part)";
const POSTGRES_PARTS: &str = "(SELECT generate_series(min(id) / 16384, max(id) / 16384) AS number FROM spans \
    WHERE tenant_id = {0})";

impl ScopedStore<'_> {
    /// Rows of the spans with this id, of which there may be one in every trace.
    pub async fn span_rows_with_id(self, span_id: SpanId) -> Result<Vec<SpanRowId>, StoreError> {
        let found = self.span_rows_with_ids(&[span_id]).await?;
        Ok(found.into_iter().map(|(_, row)| row).collect())
    }

    /// The rows of all spans with one of these ids, in no order. More than one trace may have a span with the same id.
    pub async fn span_rows_with_ids(self, ids: &[SpanId]) -> Result<Vec<(SpanId, SpanRowId)>, StoreError> {
        let mut wanted = RowSet::new(&[("span_id", ColumnType::Bytes)], ids.len());
        ids.iter().for_each(|id| wanted.push([id.as_bytes().into()]));
        let (parts, part) = match self.store.backend() {
            DbBackend::Postgres => (POSTGRES_PARTS, "s.id_part"),
            _ => (SQLITE_PARTS, "s.id / 16384"),
        };
        let sql = format!(
            "SELECT s.span_id, s.id FROM {parts} AS part CROSS JOIN v CROSS JOIN spans s \
             WHERE s.tenant_id = {{0}} AND {part} = part.number AND s.span_id = v.span_id"
        );
        let tenant: Value = self.tenant.into();
        let read = |row: QueryResult| Ok((row.try_get_by_index::<Vec<u8>>(0)?, row.try_get_by_index(1)?));
        let found = wanted.query(&self.reads(), &sql, &[tenant], read).await?;
        Ok(found
            .into_iter()
            .filter_map(|(id, row)| SpanId::from_bytes(&id).ok().map(|id| (id, SpanRowId(row))))
            .collect())
    }
}
