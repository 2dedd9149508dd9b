//! The bulk span writer: one transaction for a batch of spans, whatever mix of traces it holds.
//!
//! Order of the work: group by trace (no database yet; blocks come compressed with their requests) → lock the traces that exist → drop the spans
//! they already have (or take out the versions that are older, see `running`) → projects → traces → blocks → spans → sessions. Roll-ups grow by newly inserted spans only, so a batch that is delivered twice changes nothing the second time.
//!
//! Several batches are written at once, by this process and others. All lock rows in the order above, and those of a table by one
//! key, so none waits in a circle. What many batches have in common is locked last: sessions, the new ones among them. One that makes the
//! same session waits for the commit of the other, and would do so with all its work still before it.

mod batch;
mod ids;
mod owners;
mod roll_up;
mod row_set;
mod rows;
mod running;
mod uncommon;

pub(crate) use self::ids::reserve_ids;
pub(crate) use self::row_set::{ColumnType, Insert, LARGEST_CHUNK, RowSet};

use std::sync::Arc;

use bennu_archive::Archive;
use sea_orm::Value;

use self::batch::{TraceBatch, group_by_trace};
use self::owners::give_rows;
use crate::error::StoreError;
use crate::journal::Durable;
use crate::prepared::PreparedSpan;
use crate::store::ScopedStore;
use crate::transaction::WriteTransaction;

/// What the row of a span takes in the write-ahead log, with its share of index pages; an estimate.
const ROW_BYTES: usize = 1024;

/// What a write did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WriteReport {
    pub inserted: usize,
    /// Spans that were there already, or twice in the batch.
    pub duplicates: usize,
    /// Spans that nobody wants any more, as their tenant was erased.
    pub dropped: usize,
}

/// Spans that readers see, and that the next write may build upon.
pub struct CommittedSpans {
    pub report: WriteReport,
    durable: Durable,
    archive: Archive,
    /// Objects that no row points at any more, once the commit is sure to last.
    obsolete_objects: Vec<String>,
}

impl CommittedSpans {
    /// Returns when the spans survive a crash; nobody may be told of them before.
    pub async fn durable(self) -> Result<(), StoreError> {
        self.durable.wait().await?;
        for key in self.obsolete_objects {
            if let Err(error) = self.archive.delete(&key).await {
                tracing::warn!(%error, "an object of replaced spans stays for now");
            }
        }
        Ok(())
    }
}

impl ScopedStore<'_> {
    /// Writes spans so that they survive a crash once this returns. All or nothing; safe to repeat. Those of an erased tenant
    /// are dropped: nobody is left who could read or delete them.
    pub async fn write_spans(self, spans: Vec<Arc<PreparedSpan>>) -> Result<WriteReport, StoreError> {
        let committed = self.commit_spans(spans).await?;
        let report = committed.report;
        committed.durable().await?;
        Ok(report)
    }

    /// Like [`Self::write_spans`], but the disk may still be busy with the commit when this returns.
    pub async fn commit_spans(self, spans: Vec<Arc<PreparedSpan>>) -> Result<CommittedSpans, StoreError> {
        let received = spans.len();
        // On this thread, which is the writer's own: hashing a batch takes less time than a way to another thread and back.
        let traces = group_by_trace(spans)?;
        let archive = self.store.archive.clone();
        let transaction = match self.begin_batch().await {
            Ok(transaction) => transaction,
            Err(StoreError::TenantErased) => {
                let report = WriteReport { dropped: received, ..WriteReport::default() };
                return Ok(CommittedSpans {
                    report,
                    durable: Durable::nothing(),
                    archive,
                    obsolete_objects: Vec::new(),
                });
            }
            Err(error) => return Err(error),
        };
        let mut write = SpanWrite {
            scoped: self,
            transaction,
            objects: Vec::new(),
            obsolete_objects: Vec::new(),
            bytes: 0,
        };
        match write.run(traces).await {
            Ok(inserted) => {
                let durable = write.transaction.commit_early().await?;
                self.store.written(write.bytes + inserted * ROW_BYTES);
                let report = WriteReport { inserted, duplicates: received - inserted, dropped: 0 };
                let obsolete_objects = write.obsolete_objects;
                Ok(CommittedSpans { report, durable, archive, obsolete_objects })
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
    transaction: WriteTransaction,
    /// Objects put so far; no row points at them before the commit.
    objects: Vec<String>,
    /// Objects that no row points at after the commit.
    obsolete_objects: Vec<String>,
    /// Of blocks written into rows.
    bytes: usize,
}

impl SpanWrite<'_> {
    async fn run(&mut self, mut traces: Vec<TraceBatch>) -> Result<usize, StoreError> {
        self.find_existing(&mut traces).await?;
        self.drop_stored_spans(&mut traces).await?;
        traces.retain(|trace| !trace.spans.is_empty());
        self.assign_projects(&mut traces).await?;
        let mut new_sessions = self.find_sessions(&mut traces).await?;
        let ids = self.reserve_ids(&traces, new_sessions.len()).await?;
        give_rows(&mut new_sessions, ids.sessions, &mut traces);
        self.write_traces(&mut traces, ids.traces).await?;
        self.write_trace_texts(&traces).await?;
        self.write_blocks(&mut traces, ids.blocks).await?;
        self.note_for_compactor(&traces).await?;
        let written = self.write_span_rows(&traces, ids.spans).await?;
        let made = self.insert_sessions(&mut traces, new_sessions).await?;
        self.extend_sessions(&traces, &made).await?;
        self.shrink_ranges(&traces).await?;
        Ok(written)
    }

    async fn undo(self) {
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
