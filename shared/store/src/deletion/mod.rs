//! Deletes: rows, blocks and objects, so that no byte of the content remains. The audit log keeps row ids, the ids of traces
//! and spans, and names of projects; no text of theirs.
//!
//! Like writers, they lock traces before anything else, and those in order of their trace ids: nobody locks
//! another one out.

mod owners;
mod span;
mod traces;

use bennu_domain::ids::{TraceId, TraceRowId};
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _};

use crate::entities::trace;
use crate::error::StoreError;
use crate::store::ScopedStore;

impl ScopedStore<'_> {
    pub async fn trace_row_with_id(self, trace_id: TraceId) -> Result<Option<TraceRowId>, StoreError> {
        let row = trace::Entity::find()
            .filter(trace::Column::TenantId.eq(self.tenant))
            .filter(trace::Column::TraceId.eq(trace_id.as_bytes().to_vec()))
            .one(&self.reads())
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
