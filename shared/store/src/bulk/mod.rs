//! The bulk span writer: one transaction for a batch of spans, whatever mix of traces it holds.
//!
//! Order of the work: group by trace (no database yet; blocks come compressed with their requests) → lock the traces that exist → drop the spans
//! they already have → projects and sessions → traces → blocks → spans. Roll-ups grow by newly inserted spans only, so a
//! batch that is delivered twice changes nothing the second time.

mod batch;
mod ids;
mod owners;
mod roll_up;
mod row_set;
mod rows;

use std::sync::Arc;

use sea_orm::{DatabaseTransaction, Value};

use self::batch::{TraceBatch, group_by_trace};
use crate::error::StoreError;
use crate::prepared::PreparedSpan;
use crate::store::ScopedStore;

/// What a write did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WriteReport {
    pub inserted: usize,
    /// Spans that were there already, or twice in the batch.
    pub duplicates: usize,
}

impl ScopedStore<'_> {
    /// Writes spans so that they survive a crash once this returns. All or nothing; safe to repeat.
    pub async fn write_spans(self, spans: Vec<Arc<PreparedSpan>>) -> Result<WriteReport, StoreError> {
        let received = spans.len();
        let grouping = tokio::task::spawn_blocking(move || group_by_trace(spans));
        let traces = grouping.await.map_err(|error| StoreError::Interrupted(error.to_string()))??;
        let mut write =
            SpanWrite { scoped: self, transaction: self.store.begin().await?, objects: Vec::new() };
        match write.run(traces).await {
            Ok(inserted) => {
                write.transaction.commit().await?;
                Ok(WriteReport { inserted, duplicates: received - inserted })
            }
            Err(error) => {
                write.undo().await;
                Err(error)
            }
        }
    }
}

/// A batch on its way into the database.
struct SpanWrite<'a> {
    scoped: ScopedStore<'a>,
    transaction: DatabaseTransaction,
    /// Objects put so far; no row points at them before the commit.
    objects: Vec<String>,
}

impl SpanWrite<'_> {
    async fn run(&mut self, mut traces: Vec<TraceBatch>) -> Result<usize, StoreError> {
        self.find_existing(&mut traces).await?;
        self.drop_stored_spans(&mut traces).await?;
        traces.retain(|trace| !trace.spans.is_empty());
        self.assign_projects(&mut traces).await?;
        self.assign_sessions(&mut traces).await?;
        self.write_traces(&mut traces).await?;
        self.write_blocks(&mut traces).await?;
        self.write_span_rows(&traces).await
    }

    async fn undo(self) {
        // Objects first: on SQLite the next batch gets the same block ids, and with them the same keys.
        for key in self.objects {
            if let Err(error) = self.scoped.store.archive.delete(&key).await {
                tracing::warn!(%error, "an object of a failed batch stays behind");
            }
        }
        // The first error is the one to report; SQLite and Postgres roll back a lost transaction by themselves.
        if let Err(error) = self.transaction.rollback().await {
            tracing::warn!(%error, "a failed batch could not be rolled back");
        }
    }

    fn tenant(&self) -> Value {
        self.scoped.tenant.into()
    }
}
