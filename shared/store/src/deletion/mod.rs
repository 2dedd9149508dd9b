//! Deletes: rows, blocks and objects, so that no byte of the content remains.
//!
//! Like writers, they lock traces before anything else, and those in order of their trace ids: nobody locks
//! another one out.

mod owners;
mod span;
mod traces;

use bennu_domain::ids::{SpanId, SpanRowId, TraceId, TraceRowId};
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _, QuerySelect as _};

use crate::entities::{span as span_rows, trace};
use crate::error::StoreError;
use crate::store::ScopedStore;

impl ScopedStore<'_> {
    /// Rows of the spans with this id, of which there may be one in every trace.
    pub async fn span_rows_with_id(self, span_id: SpanId) -> Result<Vec<SpanRowId>, StoreError> {
        let rows = span_rows::Entity::find()
            .filter(span_rows::Column::TenantId.eq(self.tenant))
            .filter(span_rows::Column::SpanId.eq(span_id.as_bytes().to_vec()))
            .limit(2)
            .all(&self.store.read)
            .await?;
        Ok(rows.into_iter().map(|row| SpanRowId(row.id)).collect())
    }

    pub async fn trace_row_with_id(self, trace_id: TraceId) -> Result<Option<TraceRowId>, StoreError> {
        let row = trace::Entity::find()
            .filter(trace::Column::TenantId.eq(self.tenant))
            .filter(trace::Column::TraceId.eq(trace_id.as_bytes().to_vec()))
            .one(&self.store.read)
            .await?;
        Ok(row.map(|row| TraceRowId(row.id)))
    }

    /// After the commit: nothing points at the objects any more.
    async fn finish_delete(self, objects: Vec<String>) -> Result<(), StoreError> {
        for key in objects {
            self.store.archive.delete(&key).await?;
        }
        self.store.forget_deleted_pages().await
    }
}
