//! One span is deleted.

use std::collections::BTreeMap;

use bennu_domain::annotation::TargetKind;
use bennu_domain::audit::AuditAction;
use bennu_domain::global_id::Node as _;
use bennu_domain::ids::{SpanRowId, encode_hex};
use bennu_domain::kind::StatusCode;
use bytes::Bytes;
use sea_orm::sea_query::{Expr, ExprTrait as _};
use sea_orm::{
    ActiveModelTrait as _, ColumnTrait as _, ConnectionTrait, EntityTrait as _, IntoActiveModel as _,
    QueryFilter as _, QuerySelect as _, Set,
};

use crate::audit::AuditEntry;
use crate::blocks::{BlockEncoder, fetch_block, object_key};
use crate::entities::{span, trace};
use crate::error::StoreError;
use crate::store::ScopedStore;

impl ScopedStore<'_> {
    /// Deletes one span; its children become orphans, and the last span of a trace takes the trace with it.
    /// `false` if there is no such span.
    pub async fn delete_span(self, id: SpanRowId) -> Result<bool, StoreError> {
        let transaction = self.begin().await?;
        let by_id = || span::Entity::find_by_id((self.tenant, id.0));
        let Some(row) = by_id().one(&transaction).await? else { return Ok(false) };
        let trace = trace::Entity::find_by_id((self.tenant, row.trace_row_id))
            .lock_exclusive()
            .one(&transaction)
            .await?;
        let Some(trace) = trace else { return Ok(false) };
        // Once more: while this one waited for the trace, somebody may have deleted the span, or replaced it.
        let Some(row) = by_id().one(&transaction).await? else { return Ok(false) };
        let entry = AuditEntry::new(AuditAction::DeleteSpan, id.global_id())
            .with("span_id", encode_hex(&row.span_id))
            .with("trace_id", encode_hex(&trace.trace_id));
        let objects = if trace.span_count > 1 {
            self.take_out_spans(&transaction, &[row]).await?.obsolete
        } else {
            self.delete_trace_rows(&transaction, &[trace.id]).await?
        };
        let kinds = [TargetKind::Span, TargetKind::Document];
        self.delete_annotations_of(&transaction, &kinds, &[id.0]).await?;
        self.record_in(&transaction, entry).await?;
        transaction.commit().await?;
        self.finish_delete(objects).await?;
        Ok(true)
    }

    /// Deletes spans of traces that the caller has locked: their rows, their part in the sums of the trace, their bytes in
    /// its blocks. The times of the trace stay as they are.
    pub(crate) async fn take_out_spans(
        self,
        transaction: &impl ConnectionTrait,
        rows: &[span::Model],
    ) -> Result<CutObjects, StoreError> {
        let mut cut = CutObjects::default();
        let mut by_block: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
        for row in rows {
            span::Entity::delete_by_id((self.tenant, row.id)).exec(transaction).await?;
            self.subtract_from_trace(transaction, row).await?;
            by_block.entry(row.block_id).or_default().push(row.block_index);
        }
        for (block, indices) in by_block {
            self.cut_from_block(transaction, block, indices, &mut cut).await?;
        }
        Ok(cut)
    }

    /// Takes the span out of its trace's sums; its times stay as they are.
    async fn subtract_from_trace(
        self,
        transaction: &impl ConnectionTrait,
        row: &span::Model,
    ) -> Result<(), StoreError> {
        let less = |column: trace::Column, amount: i64| Expr::col(column).sub(amount);
        let is_error = row.status == StatusCode::Error.code();
        trace::Entity::update_many()
            .col_expr(trace::Column::SpanCount, less(trace::Column::SpanCount, 1))
            .col_expr(trace::Column::ErrorCount, less(trace::Column::ErrorCount, i64::from(is_error)))
            .col_expr(trace::Column::PromptTokens, less(trace::Column::PromptTokens, row.prompt_tokens))
            .col_expr(
                trace::Column::CompletionTokens,
                less(trace::Column::CompletionTokens, row.completion_tokens),
            )
            .col_expr(
                trace::Column::PromptCost,
                less(trace::Column::PromptCost, row.prompt_cost.unwrap_or_default()),
            )
            .col_expr(
                trace::Column::CompletionCost,
                less(trace::Column::CompletionCost, row.completion_cost.unwrap_or_default()),
            )
            .filter(trace::Column::TenantId.eq(self.tenant))
            .filter(trace::Column::Id.eq(row.trace_row_id))
            .exec(transaction)
            .await?;
        Ok(())
    }

    /// Rewrites a block without the spans at these positions.
    async fn cut_from_block(
        self,
        transaction: &impl ConnectionTrait,
        block: i64,
        indices: Vec<i64>,
        cut: &mut CutObjects,
    ) -> Result<(), StoreError> {
        let Some((model, block)) = fetch_block(self, transaction, block).await? else { return Ok(()) };
        let old_object = model.object_key.clone();
        let block_row = model.id;
        let mut rewritten = model.into_active_model();
        match block.without(indices.into_iter()) {
            None => {
                self.drop_text_filters(transaction, [block_row]).await?;
                rewritten.delete(transaction).await?;
            }
            Some(rest) => {
                let encoded = BlockEncoder::lend(|encoder| encoder.compress(&rest))?;
                self.replace_text_filter(transaction, block_row, encoded.text_filter).await?;
                rewritten.span_count = Set(i64::try_from(encoded.span_count).unwrap_or(i64::MAX));
                rewritten.raw_bytes = Set(i64::try_from(encoded.raw_bytes).unwrap_or(i64::MAX));
                rewritten.stored_bytes = Set(i64::try_from(encoded.compressed.len()).unwrap_or(i64::MAX));
                if old_object.is_some() {
                    let key = object_key(self.tenant);
                    self.store.archive.put(&key, Bytes::from(encoded.compressed)).await?;
                    cut.added.push(key.clone());
                    rewritten.object_key = Set(Some(key));
                } else {
                    rewritten.data = Set(Some(encoded.compressed));
                }
                rewritten.update(transaction).await?;
            }
        }
        cut.obsolete.extend(old_object);
        Ok(())
    }
}

/// Objects of blocks that were rewritten.
#[derive(Debug, Default)]
pub(crate) struct CutObjects {
    /// Of no use if the transaction fails.
    pub added: Vec<String>,
    /// Of no use once it is committed.
    pub obsolete: Vec<String>,
}
