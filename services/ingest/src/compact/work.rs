//! What the compactor does in a round.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bennu_archive::Archive;
use bennu_domain::time::{Clock, Timestamp};
use bennu_kit::config::CompactionSettings;
use bennu_kit::telemetry::CompactorMetrics;
use bennu_queue::RabbitMq;
use bennu_store::{CompactionPolicy, DueTrace, OldTraceWalk, Store, StoreError};

use super::sweep::Sweep;

/// When there is nothing to do, or somebody else does it.
const IDLE_PAUSE: Duration = Duration::from_secs(2);
/// After a fault of the database or the object store.
const PAUSE_AFTER_FAULT: Duration = Duration::from_secs(5);
/// Traces become old by the day; a walk over all of them need not be made more often.
const WALK_EVERY: Duration = Duration::from_hours(1);

/// Everything that the work needs, and how far it has come.
pub struct Work {
    store: Store,
    clock: Arc<dyn Clock>,
    settings: CompactionSettings,
    metrics: CompactorMetrics,
    /// `None` between two walks.
    walk: Option<OldTraceWalk>,
    next_walk: Timestamp,
    sweep: Sweep,
}

impl Work {
    /// `broker` is the one whose large bodies are in the archive too.
    pub fn new(
        store: Store,
        archive: Archive,
        broker: Option<RabbitMq>,
        clock: Arc<dyn Clock>,
        settings: CompactionSettings,
        metrics: CompactorMetrics,
    ) -> Self {
        let sweep = Sweep::new(store.clone(), archive, broker, metrics.clone(), &settings);
        let next_walk = clock.now();
        Self { store, clock, settings, metrics, walk: None, next_walk, sweep }
    }

    /// Compacts some traces and sweeps some objects, unless another process leads. Answers how long to wait then.
    pub(super) async fn round(&mut self) -> Duration {
        let began = Instant::now();
        match self.do_some().await {
            Ok(0) => IDLE_PAUSE,
            Ok(done) => {
                let traces = u32::try_from(done).unwrap_or(u32::MAX);
                let paced = Duration::from_secs(1).saturating_mul(traces) / self.settings.traces_a_second;
                paced.saturating_sub(began.elapsed())
            }
            Err(error) => {
                tracing::warn!(%error, "nothing is compacted for now");
                PAUSE_AFTER_FAULT
            }
        }
    }

    /// Answers how many traces, and pages of objects, were looked at.
    async fn do_some(&mut self) -> Result<usize, StoreError> {
        let leadership = self.store.try_to_lead().await?;
        self.metrics.leads(leadership.is_some());
        if leadership.is_none() {
            self.sweep.give_up();
            return Ok(0);
        }
        let now = self.clock.now();
        let due = self.store.due_traces(before(now, self.settings.idle), self.settings.batch).await?;
        let mut done = due.len();
        for trace in due {
            self.compact(trace, false).await;
        }
        if done < self.settings.batch
            && let Some(old) = self.next_old_traces(now).await?
        {
            done += old.len().max(1);
            for trace in old {
                self.compact(trace, true).await;
            }
        }
        match self.sweep.some(now).await {
            Ok(swept) => done += usize::from(swept),
            Err(error) => tracing::warn!(%error, "the object store is not swept for now"),
        }
        Ok(done)
    }

    /// Further traces of the walk over old ones; `None` when none is due.
    async fn next_old_traces(&mut self, now: Timestamp) -> Result<Option<Vec<DueTrace>>, StoreError> {
        let Some(after) = self.settings.archive_after else { return Ok(None) };
        if self.walk.is_none() && now < self.next_walk {
            return Ok(None);
        }
        let walk = self.walk.get_or_insert_default();
        let found = self.store.next_old_traces(walk, before(now, after), self.settings.batch).await?;
        if found.is_none() {
            self.walk = None;
            self.next_walk = now.after(WALK_EVERY);
        }
        Ok(found)
    }

    async fn compact(&self, due: DueTrace, old: bool) {
        let store = self.store.scoped(&due.scope);
        let policy = CompactionPolicy { idle: self.settings.idle, most_bytes: self.settings.block_bytes };
        match store.compact_trace(due.trace, policy, old).await {
            Ok(done) => self.metrics.compacted(done.merged, done.archived, done.archived_bytes),
            // It goes with everything else of its tenant.
            Err(StoreError::TenantErased) => {}
            Err(error) => {
                self.metrics.failed();
                tracing::warn!(%error, trace = due.trace.0, "a trace could not be compacted for now");
                // So that it does not keep others from their turn.
                if let Err(error) = store.postpone_compaction(due.trace).await {
                    tracing::warn!(%error, "its turn comes again at once");
                }
            }
        }
    }
}

pub(super) fn before(now: Timestamp, by: Duration) -> Timestamp {
    Timestamp(now.0.saturating_sub(i64::try_from(by.as_micros()).unwrap_or(i64::MAX)))
}
