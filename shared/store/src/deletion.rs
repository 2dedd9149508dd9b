//! Deletes: rows, blocks and objects, so that no byte of the content remains.

use bennu_domain::ids::{ProjectId, SessionRowId, SpanId, SpanRowId, TraceId, TraceRowId};
use bytes::Bytes;
use sea_orm::sea_query::{Expr, ExprTrait as _, SimpleExpr};
use sea_orm::{
    ActiveModelTrait as _, ColumnTrait as _, Condition, ConnectionTrait, DatabaseTransaction, EntityTrait as _,
    IntoActiveModel as _, QueryFilter as _, QueryOrder as _, QuerySelect as _, Set,
};

use crate::blocks::{BlockEncoder, fetch_block, object_key};
use crate::entities::{project, session, span, trace, trace_block};
use crate::error::StoreError;
use crate::store::ScopedStore;

/// Traces deleted in one transaction: bounds how long writers wait behind a large delete.
const TRACES_A_TRANSACTION: u64 = 500;

impl ScopedStore<'_> {
    /// Rows of the spans with this id, of which there may be one in every trace.
    pub async fn span_rows_with_id(self, span_id: SpanId) -> Result<Vec<SpanRowId>, StoreError> {
        let rows = span::Entity::find()
            .filter(span::Column::TenantId.eq(self.tenant))
            .filter(span::Column::SpanId.eq(span_id.as_bytes().to_vec()))
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

    /// Deletes one span; its children become orphans, and the last span of a trace takes the trace with it.
    /// `false` if there is no such span.
    pub async fn delete_span(self, id: SpanRowId) -> Result<bool, StoreError> {
        let transaction = self.store.begin().await?;
        let found = span::Entity::find_by_id((self.tenant, id.0)).one(&transaction).await?;
        let Some(row) = found else { return Ok(false) };
        // The trace first: writers lock it before they touch its spans.
        let trace = self.subtract_from_trace(&transaction, &row).await?;
        span::Entity::delete_by_id((self.tenant, row.id)).exec(&transaction).await?;
        let mut objects = self.cut_from_block(&transaction, &row).await?;
        if trace.is_some_and(|trace| trace.span_count <= 0) {
            objects.extend(self.delete_trace_rows(&transaction, &[row.trace_row_id]).await?);
        }
        transaction.commit().await?;
        self.finish_delete(objects).await?;
        Ok(true)
    }

    /// `false` if there is no such trace. Its session stays.
    pub async fn delete_trace(self, id: TraceRowId) -> Result<bool, StoreError> {
        Ok(self.delete_traces(trace::Column::Id.eq(id.0)).await? > 0)
    }

    /// Deletes a session with all its traces, of whatever project. `false` if there is no such session.
    pub async fn delete_session(self, id: SessionRowId) -> Result<bool, StoreError> {
        self.delete_traces(trace::Column::SessionRowId.eq(id.0)).await?;
        let deleted = session::Entity::delete_by_id((self.tenant, id.0)).exec(&self.store.write).await?;
        Ok(deleted.rows_affected > 0)
    }

    /// Deletes a project with its traces and sessions. `false` if there is no such project.
    pub async fn delete_project(self, id: ProjectId) -> Result<bool, StoreError> {
        self.delete_traces(trace::Column::ProjectId.eq(id.0)).await?;
        let transaction = self.store.begin().await?;
        let sessions: Vec<i64> = session::Entity::find()
            .filter(session::Column::TenantId.eq(self.tenant))
            .filter(session::Column::ProjectId.eq(id.0))
            .all(&transaction)
            .await?
            .into_iter()
            .map(|session| session.id)
            .collect();
        // Traces of other projects may have joined a session of this one.
        for some in sessions.chunks(500) {
            trace::Entity::update_many()
                .col_expr(trace::Column::SessionRowId, Expr::value(Option::<i64>::None))
                .filter(trace::Column::TenantId.eq(self.tenant))
                .filter(trace::Column::SessionRowId.is_in(some.iter().copied()))
                .exec(&transaction)
                .await?;
        }
        session::Entity::delete_many()
            .filter(session::Column::TenantId.eq(self.tenant))
            .filter(session::Column::ProjectId.eq(id.0))
            .exec(&transaction)
            .await?;
        let deleted = project::Entity::delete_by_id((self.tenant, id.0)).exec(&transaction).await?;
        transaction.commit().await?;
        Ok(deleted.rows_affected > 0)
    }

    /// Deletes every trace that fits, some at a time; answers how many there were.
    async fn delete_traces(self, which: SimpleExpr) -> Result<usize, StoreError> {
        let mut deleted = 0;
        loop {
            let transaction = self.store.begin().await?;
            let rows = trace::Entity::find()
                .filter(trace::Column::TenantId.eq(self.tenant))
                .filter(which.clone())
                .order_by_asc(trace::Column::TraceId) // the order in which writers lock
                .limit(TRACES_A_TRANSACTION)
                .lock_exclusive()
                .all(&transaction)
                .await?;
            if rows.is_empty() {
                break;
            }
            let ids: Vec<i64> = rows.iter().map(|row| row.id).collect();
            let objects = self.delete_trace_rows(&transaction, &ids).await?;
            transaction.commit().await?;
            self.finish_delete(objects).await?;
            deleted += ids.len();
        }
        Ok(deleted)
    }

    /// Deletes traces with their spans and blocks; answers the keys of their objects.
    async fn delete_trace_rows(self, transaction: &DatabaseTransaction, ids: &[i64]) -> Result<Vec<String>, StoreError> {
        let objects = trace_block::Entity::find()
            .select_only()
            .column(trace_block::Column::ObjectKey)
            .filter(trace_block::Column::TenantId.eq(self.tenant))
            .filter(trace_block::Column::TraceRowId.is_in(ids.iter().copied()))
            .filter(trace_block::Column::ObjectKey.is_not_null())
            .into_tuple()
            .all(transaction)
            .await?;
        let of_tenant = |tenant: SimpleExpr, traces: SimpleExpr| {
            Condition::all().add(tenant.eq(self.tenant)).add(traces.is_in(ids.iter().copied()))
        };
        span::Entity::delete_many()
            .filter(of_tenant(Expr::col(span::Column::TenantId), Expr::col(span::Column::TraceRowId)))
            .exec(transaction)
            .await?;
        trace_block::Entity::delete_many()
            .filter(of_tenant(Expr::col(trace_block::Column::TenantId), Expr::col(trace_block::Column::TraceRowId)))
            .exec(transaction)
            .await?;
        trace::Entity::delete_many()
            .filter(of_tenant(Expr::col(trace::Column::TenantId), Expr::col(trace::Column::Id)))
            .exec(transaction)
            .await?;
        Ok(objects)
    }

    /// Takes the span out of its trace's sums; its times stay as they are.
    async fn subtract_from_trace(
        self,
        transaction: &impl ConnectionTrait,
        row: &span::Model,
    ) -> Result<Option<trace::Model>, StoreError> {
        let less = |column: trace::Column, amount: i64| Expr::col(column).sub(amount);
        let is_error = row.status == bennu_domain::kind::StatusCode::Error.code();
        trace::Entity::update_many()
            .col_expr(trace::Column::SpanCount, less(trace::Column::SpanCount, 1))
            .col_expr(trace::Column::ErrorCount, less(trace::Column::ErrorCount, i64::from(is_error)))
            .col_expr(trace::Column::PromptTokens, less(trace::Column::PromptTokens, row.prompt_tokens))
            .col_expr(trace::Column::CompletionTokens, less(trace::Column::CompletionTokens, row.completion_tokens))
            .filter(trace::Column::TenantId.eq(self.tenant))
            .filter(trace::Column::Id.eq(row.trace_row_id))
            .exec(transaction)
            .await?;
        Ok(trace::Entity::find_by_id((self.tenant, row.trace_row_id)).one(transaction).await?)
    }

    /// Rewrites the span's block without it; answers the object that is no longer needed.
    async fn cut_from_block(
        self,
        transaction: &impl ConnectionTrait,
        row: &span::Model,
    ) -> Result<Vec<String>, StoreError> {
        let Some((model, block)) = fetch_block(self, transaction, row.block_id).await? else { return Ok(Vec::new()) };
        let old_object = model.object_key.clone();
        let mut rewritten = model.clone().into_active_model();
        match block.without(row.block_index) {
            None => {
                rewritten.delete(transaction).await?;
            }
            Some(rest) => {
                let encoded = BlockEncoder::new()?.compress(&rest)?;
                rewritten.span_count = Set(i64::try_from(encoded.span_count).unwrap_or(i64::MAX));
                rewritten.raw_bytes = Set(i64::try_from(encoded.raw_bytes).unwrap_or(i64::MAX));
                rewritten.stored_bytes = Set(i64::try_from(encoded.compressed.len()).unwrap_or(i64::MAX));
                if let Some(old) = &old_object {
                    let key = next_revision(self.tenant, model.id, old);
                    self.store.archive.put(&key, Bytes::from(encoded.compressed)).await?;
                    rewritten.object_key = Set(Some(key));
                } else {
                    rewritten.data = Set(Some(encoded.compressed));
                }
                rewritten.update(transaction).await?;
            }
        }
        Ok(old_object.into_iter().collect())
    }

    async fn finish_delete(self, objects: Vec<String>) -> Result<(), StoreError> {
        for key in objects {
            self.store.archive.delete(&key).await?;
        }
        self.store.forget_deleted_pages().await
    }
}

fn next_revision(tenant: i64, block: i64, key: &str) -> String {
    let revision: u32 = key.rsplit_once('.').and_then(|(_, revision)| revision.parse().ok()).unwrap_or(0);
    object_key(tenant, block, revision.wrapping_add(1))
}
