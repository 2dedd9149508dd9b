//! The queue of annotations as a table of the store: durable with the transaction that queues a job.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bennu_access::TenantScope;
use bennu_domain::annotation_job::AnnotationJob;
use bennu_domain::time::{Clock, Timestamp};
use bennu_store::{Committed, JobKey, JobRow, NewJobRow, Store};
use tokio::sync::Notify;

use super::at_hand::AtHand;
use super::group_commit::GroupCommit;
use super::payload::{Payload, PayloadError};
use super::{AnnotationJobs, CLAIM_BYTES, ClaimedJob, JobEnd, JobId, JobLimits, JobsError, payload};

/// A worker hears at once of jobs that its own process queues; those of others, and those that become due, it looks for this often.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Cheap to clone; clones wake each other, and write what is queued together.
#[derive(Clone)]
pub struct EmbeddedAnnotationJobs {
    store: Store,
    clock: Arc<dyn Clock>,
    lease: Duration,
    queued: Arc<Notify>,
    at_hand: Arc<AtHand>,
    enqueues: GroupCommit,
    looked: Arc<Mutex<Option<Instant>>>,
}

impl EmbeddedAnnotationJobs {
    pub fn new(store: Store, clock: Arc<dyn Clock>, limits: JobLimits) -> Self {
        let (queued, at_hand) = (Arc::new(Notify::new()), Arc::new(AtHand::default()));
        let enqueues =
            GroupCommit::new(store.clone(), clock.clone(), limits, Arc::clone(&queued), Arc::clone(&at_hand));
        Self { store, clock, lease: limits.lease, queued, at_hand, enqueues, looked: Arc::default() }
    }

    /// What is at hand, unless it is time to look into the table or nothing is.
    async fn claim_now(&self, most: usize) -> Result<Vec<ClaimedJob>, JobsError> {
        if !self.is_time_to_look() {
            let claimed = self.claim_at_hand(most)?;
            if !claimed.is_empty() {
                return Ok(claimed);
            }
        }
        let claimed = self.claim_from_table(most).await?;
        if !claimed.is_empty() {
            return Ok(claimed);
        }
        self.at_hand.open();
        self.claim_at_hand(most)
    }

    fn is_time_to_look(&self) -> bool {
        let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        let is_time = looked.is_none_or(|looked| looked.elapsed() >= LOOK_EVERY);
        if is_time {
            *looked = Some(Instant::now());
        }
        is_time
    }

    fn claim_at_hand(&self, most: usize) -> Result<Vec<ClaimedJob>, JobsError> {
        let claimed = self.at_hand.claim(most, self.clock.now(), self.lease);
        claimed.map_err(|error| JobsError::Unavailable(error.to_string()))
    }

    async fn claim_from_table(&self, most: usize) -> Result<Vec<ClaimedJob>, JobsError> {
        // Looked at first without a transaction: most of the time there is nothing.
        let due = self.store.next_job_due().await?;
        if due.is_none_or(|due| due > self.clock.now()) {
            return Ok(Vec::new());
        }
        let lease_ends = self.clock.now().after(self.lease);
        let rows = self.store.claim_jobs(most, CLAIM_BYTES, lease_ends).await?;
        let mut claimed = Vec::with_capacity(rows.len());
        for (row, job) in read(rows).await? {
            match job {
                Ok(job) => claimed.push(ClaimedJob { id: JobId::Row(row.key), scope: row.scope, job }),
                // It stays where it is, out of the way: an operator may want to look at it.
                Err(error) => {
                    tracing::error!(%error, job = ?row.key, "a job of the annotation queue cannot be read");
                    let row_as_it_is = NewJobRow {
                        receipt: String::new(),
                        items: 0,
                        bytes: row.bytes,
                        payload: row.payload,
                    };
                    let never = Timestamp(i64::MAX);
                    let again = vec![(row.key, row_as_it_is, never)];
                    self.store.settle_jobs(&[], again).await?;
                }
            }
        }
        Ok(claimed)
    }
}

#[async_trait]
impl AnnotationJobs for EmbeddedAnnotationJobs {
    async fn enqueue(&self, scope: &TenantScope, jobs: Vec<AnnotationJob>) -> Result<(), JobsError> {
        if jobs.is_empty() {
            return Ok(());
        }
        self.enqueues.enqueue(*scope, jobs.into_iter().map(Payload::from).collect()).await
    }

    async fn claim(&self, most: usize) -> Result<Vec<ClaimedJob>, JobsError> {
        let notified = self.queued.notified();
        let claimed = self.claim_now(most).await?;
        if !claimed.is_empty() {
            return Ok(claimed);
        }
        // Whether it is woken or not, it looks again.
        let _ = tokio::time::timeout(LOOK_EVERY, notified).await;
        self.claim_now(most).await
    }

    async fn settle(&self, ended: Vec<(ClaimedJob, JobEnd)>, done: Committed) -> Result<(), JobsError> {
        done.durable().await?;
        let (mut done, mut again): (Vec<JobKey>, Vec<(JobKey, NewJobRow, Timestamp)>) = Default::default();
        for (claimed, end) in ended {
            let JobId::Row(key) = claimed.id else { continue };
            match end {
                JobEnd::Done => done.push(key),
                JobEnd::Again(job, due) => again.push((key, Payload::from(job).row(), due)),
            }
        }
        Ok(self.store.settle_jobs(&done, again).await?)
    }

    async fn release(&self) -> Result<(), JobsError> {
        Ok(self.store.release_jobs(&self.at_hand.close()).await?)
    }

    async fn queued_items(&self, scope: &TenantScope, receipt: &str) -> Result<usize, JobsError> {
        Ok(self.store.scoped(scope).queued_items(receipt).await?)
    }

    async fn depth(&self) -> Result<usize, JobsError> {
        Ok(self.store.queued_jobs(usize::MAX).await?)
    }
}

/// On a thread of its own: that of the worker has a transaction under way meanwhile.
async fn read(rows: Vec<JobRow>) -> Result<Vec<(JobRow, Result<AnnotationJob, PayloadError>)>, JobsError> {
    let reading = move || {
        let read = |row: JobRow| {
            let job = payload::read(&row.payload, row.bytes);
            (row, job)
        };
        rows.into_iter().map(read).collect()
    };
    tokio::task::spawn_blocking(reading).await.map_err(|error| JobsError::Unavailable(error.to_string()))
}
