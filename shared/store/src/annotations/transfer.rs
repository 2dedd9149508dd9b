//! Annotations move with their traces to another project.

use bennu_domain::annotation::TargetKind;
use sea_orm::{QueryResult, Value};

use super::summaries::SummaryChanges;
use crate::bulk::{ColumnType, RowSet};
use crate::error::StoreError;
use crate::store::ScopedStore;
use crate::transaction::WriteTransaction;

const ID: &[(&str, ColumnType)] = &[("id", ColumnType::BigInt)];

impl ScopedStore<'_> {
    /// Moves the annotations of traces and of their spans, after the rows of these: whoever annotates holds them.
    pub(crate) async fn move_annotations(
        self,
        transaction: &WriteTransaction,
        traces: &[i64],
        source: i64,
        destination: i64,
    ) -> Result<(), StoreError> {
        let of_traces = "SELECT a.id FROM v CROSS JOIN annotations a \
                         WHERE a.tenant_id = {0} AND a.target_kind = 2 AND a.target_row_id = v.id";
        let of_spans = "SELECT a.id FROM v CROSS JOIN spans s CROSS JOIN annotations a \
                        WHERE s.tenant_id = {0} AND s.trace_row_id = v.id \
                        AND a.tenant_id = {0} AND a.target_kind IN (1, 4) AND a.target_row_id = s.id";
        let tenant: Value = self.tenant.into();
        let mut moved = Vec::new();
        for sql in [of_traces, of_spans] {
            let read = |row: QueryResult| row.try_get_by_index::<i64>(0);
            moved.extend(ids(traces).query(transaction, sql, std::slice::from_ref(&tenant), read).await?);
        }
        let sql = "UPDATE annotations SET project_id = {1} WHERE tenant_id = {0} AND id IN (SELECT id FROM v) \
                   RETURNING target_kind, name, created_at, label, score";
        let read = |row: QueryResult| {
            let kind: i16 = row.try_get_by_index(0)?;
            let (name, created_at): (String, i64) = (row.try_get_by_index(1)?, row.try_get_by_index(2)?);
            let label: Option<String> = row.try_get_by_index(3)?;
            Ok((kind, name, created_at, label, row.try_get_by_index::<Option<f64>>(4)?))
        };
        let rows = ids(&moved).query(transaction, sql, &[tenant, destination.into()], read).await?;
        let mut changes = SummaryChanges::default();
        for (kind, name, created_at, label, score) in &rows {
            let Some(kind) = TargetKind::from_code(*kind) else { continue };
            changes.remove((source, kind, name), *created_at, label.as_deref(), *score);
            changes.add((destination, kind, name), *created_at, label.as_deref(), *score);
        }
        changes.write(self, transaction).await
    }
}

fn ids(ids: &[i64]) -> RowSet {
    let mut rows = RowSet::new(ID, ids.len());
    ids.iter().for_each(|id| rows.push([(*id).into()]));
    rows
}
