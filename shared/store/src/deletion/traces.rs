//! Whole traces are deleted, many at a time.

use bennu_domain::annotation::TargetKind;
use bennu_domain::audit::AuditAction;
use bennu_domain::global_id::Node as _;
use bennu_domain::ids::{TraceRowId, encode_hex};
use sea_orm::sea_query::SimpleExpr;
use sea_orm::{
    ColumnTrait as _, ConnectionTrait as _, DbBackend, EntityTrait as _, QueryFilter as _, QueryOrder as _,
    QuerySelect as _,
};

use crate::audit::AuditEntry;
use crate::entities::{span, trace, trace_block};
use crate::error::StoreError;
use crate::store::ScopedStore;
use crate::transaction::WriteTransaction;

/// Traces deleted in one transaction: bounds how long writers wait behind a large delete.
const TRACES_A_TRANSACTION: usize = 500;

impl ScopedStore<'_> {
    /// `false` if there is no such trace. Its session stays.
    pub async fn delete_trace(self, id: TraceRowId) -> Result<bool, StoreError> {
        let row = trace::Entity::find_by_id((self.tenant, id.0)).one(&self.reads()).await?;
        let Some(trace::Model { trace_id, .. }) = row else { return Ok(false) };
        let entry = AuditEntry::new(AuditAction::DeleteTrace, id.global_id());
        let entry = entry.with("trace_id", encode_hex(&trace_id));
        Ok(self.delete_traces(trace::Column::Id.eq(id.0), &mut Some(entry)).await? > 0)
    }

    /// Deletes every trace that fits, some at a time; answers how many there were. The first of them go with the entry.
    pub(super) async fn delete_traces(
        self,
        which: SimpleExpr,
        entry: &mut Option<AuditEntry>,
    ) -> Result<usize, StoreError> {
        let mut deleted = 0;
        loop {
            let transaction = self.begin().await?;
            let some = self.some_traces(&transaction, which.clone()).await?;
            let locked = self.lock_traces(&transaction, &some).await?;
            let objects = self.delete_trace_rows(&transaction, &locked).await?;
            if !locked.is_empty() {
                self.record_once(&transaction, entry).await?;
            }
            transaction.commit().await?;
            self.finish_delete(objects).await?;
            deleted += locked.len();
            if some.len() < TRACES_A_TRANSACTION {
                return Ok(deleted);
            }
        }
    }

    /// In no order, so that any index will do.
    async fn some_traces(
        self,
        transaction: &WriteTransaction,
        which: SimpleExpr,
    ) -> Result<Vec<i64>, StoreError> {
        let some = trace::Entity::find()
            .select_only()
            .column(trace::Column::Id)
            .filter(trace::Column::TenantId.eq(self.tenant))
            .filter(which)
            .limit(TRACES_A_TRANSACTION as u64);
        Ok(some.into_tuple().all(transaction).await?)
    }

    /// Answers those that are still there. A writing transaction of SQLite has locked them all already.
    async fn lock_traces(self, transaction: &WriteTransaction, ids: &[i64]) -> Result<Vec<i64>, StoreError> {
        if transaction.get_database_backend() == DbBackend::Sqlite {
            return Ok(ids.to_vec());
        }
        let locked = trace::Entity::find()
            .select_only()
            .column(trace::Column::Id)
            .filter(trace::Column::TenantId.eq(self.tenant))
            .filter(trace::Column::Id.is_in(ids.iter().copied()))
            .order_by_asc(trace::Column::TraceId) // as writers do
            .lock_exclusive();
        Ok(locked.into_tuple().all(transaction).await?)
    }

    /// Deletes traces with their spans, blocks and annotations; answers the keys of their objects.
    pub(super) async fn delete_trace_rows(
        self,
        transaction: &WriteTransaction,
        ids: &[i64],
    ) -> Result<Vec<String>, StoreError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let objects = trace_block::Entity::find()
            .select_only()
            .column(trace_block::Column::ObjectKey)
            .filter(trace_block::Column::TenantId.eq(self.tenant))
            .filter(trace_block::Column::TraceRowId.is_in(ids.iter().copied()))
            .filter(trace_block::Column::ObjectKey.is_not_null())
            .into_tuple()
            .all(transaction)
            .await?;
        let spans: Vec<i64> = span::Entity::find()
            .select_only()
            .column(span::Column::Id)
            .filter(span::Column::TenantId.eq(self.tenant))
            .filter(span::Column::TraceRowId.is_in(ids.iter().copied()))
            .into_tuple()
            .all(transaction)
            .await?;
        span::Entity::delete_many()
            .filter(span::Column::TenantId.eq(self.tenant))
            .filter(span::Column::TraceRowId.is_in(ids.iter().copied()))
            .exec(transaction)
            .await?;
        self.drop_text_filters_of_traces(transaction, ids).await?;
        trace_block::Entity::delete_many()
            .filter(trace_block::Column::TenantId.eq(self.tenant))
            .filter(trace_block::Column::TraceRowId.is_in(ids.iter().copied()))
            .exec(transaction)
            .await?;
        trace::Entity::delete_many()
            .filter(trace::Column::TenantId.eq(self.tenant))
            .filter(trace::Column::Id.is_in(ids.iter().copied()))
            .exec(transaction)
            .await?;
        self.delete_annotations_of(transaction, &[TargetKind::Trace], ids).await?;
        self.delete_annotations_of(transaction, &[TargetKind::Span, TargetKind::Document], &spans).await?;
        Ok(objects)
    }
}
