//! The queue of annotations as a table of the same database: durable with the transaction that queues a job.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bennu_access::TenantScope;
use bennu_domain::annotation_job::AnnotationJob;
use bennu_domain::time::{Clock, Timestamp};
use bennu_store::{JobKey, NewJobRow, Store, StoreError};
use tokio::sync::Notify;

use super::{AnnotationJobs, CLAIM_BYTES, ClaimedJob, JobEnd, JobId, JobLimits, JobsError};

/// A worker hears at once of jobs that its own process queues; those of others, and those that become due, it looks for this often.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Cheap to clone; clones wake each other.
#[derive(Clone)]
pub struct EmbeddedAnnotationJobs {
    store: Store,
    clock: Arc<dyn Clock>,
    limits: JobLimits,
    queued: Arc<Notify>,
}

impl EmbeddedAnnotationJobs {
    pub fn new(store: Store, clock: Arc<dyn Clock>, limits: JobLimits) -> Self {
        Self { store, clock, limits, queued: Arc::default() }
    }

    async fn claim_now(&self, most: usize) -> Result<Vec<ClaimedJob>, JobsError> {
        // Looked at first without a transaction: most of the time there is nothing.
        let due = self.store.next_job_due().await.map_err(unavailable)?;
        if due.is_none_or(|due| due > self.clock.now()) {
            return Ok(Vec::new());
        }
        let lease_ends = self.clock.now().after(self.limits.lease);
        let rows = self.store.claim_jobs(most, CLAIM_BYTES, lease_ends).await.map_err(unavailable)?;
        let mut claimed = Vec::with_capacity(rows.len());
        for row in rows {
            match serde_json::from_str(&row.payload) {
                Ok(job) => claimed.push(ClaimedJob { id: JobId::Row(row.key), scope: row.scope, job }),
                // It stays where it is, out of the way: an operator may want to look at it.
                Err(error) => {
                    tracing::error!(%error, job = ?row.key, "a job of the annotation queue cannot be read");
                    let row_as_it_is = NewJobRow { receipt: String::new(), items: 0, payload: row.payload };
                    let never = Timestamp(i64::MAX);
                    self.store
                        .settle_jobs(&[], &[(row.key, row_as_it_is, never)])
                        .await
                        .map_err(unavailable)?;
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
        let rows = jobs.iter().map(row).collect::<Result<Vec<_>, _>>()?;
        let queued = self.store.scoped(scope).queue_jobs(&rows, self.limits.capacity).await;
        if !queued.map_err(unavailable)? {
            return Err(JobsError::Full);
        }
        self.queued.notify_one();
        Ok(())
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

    async fn settle(&self, ended: Vec<(ClaimedJob, JobEnd)>) -> Result<(), JobsError> {
        let (mut done, mut again): (Vec<JobKey>, Vec<(JobKey, NewJobRow, Timestamp)>) = Default::default();
        for (claimed, end) in ended {
            let JobId::Row(key) = claimed.id else { continue };
            match end {
                JobEnd::Done => done.push(key),
                JobEnd::Again(job, due) => again.push((key, row(&job)?, due)),
            }
        }
        self.store.settle_jobs(&done, &again).await.map_err(unavailable)
    }

    async fn queued_items(&self, scope: &TenantScope, receipt: &str) -> Result<usize, JobsError> {
        self.store.scoped(scope).queued_items(receipt).await.map_err(unavailable)
    }

    async fn depth(&self) -> Result<usize, JobsError> {
        self.store.queued_jobs().await.map_err(unavailable)
    }
}

fn row(job: &AnnotationJob) -> Result<NewJobRow, JobsError> {
    let payload = serde_json::to_string(job).map_err(|error| JobsError::Unavailable(error.to_string()))?;
    Ok(NewJobRow { receipt: job.receipt.clone(), items: job.items.len(), payload })
}

#[allow(clippy::needless_pass_by_value)] // fits `map_err`
fn unavailable(error: StoreError) -> JobsError {
    JobsError::Unavailable(error.to_string())
}
