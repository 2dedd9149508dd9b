//! The queue of annotations: from the requests that bring them to the workers that apply them.
//!
//! Delivery is at least once; applying a job twice changes nothing (see `apply_queued` of the store).

mod at_hand;
mod embedded;
mod group_commit;
mod payload;
mod redis;
mod replay;

use std::time::Duration;

use async_trait::async_trait;
use bennu_access::TenantScope;
use bennu_domain::annotation_job::AnnotationJob;
use bennu_domain::time::Timestamp;
use bennu_store::{Committed, JobKey, StoreError};

pub use embedded::EmbeddedAnnotationJobs;
pub use redis::{RedisAnnotationJobs, RedisDurability};
pub use replay::{ReplayError, replay};

/// A claim ends with the job with which it reaches this many bytes: bounds the memory of a worker, which takes several times as
/// much. A thousand times that of an annotation with a long explanation.
const CLAIM_BYTES: usize = 2 << 20;

/// What bounds a queue of annotations.
#[derive(Debug, Clone, Copy)]
pub struct JobLimits {
    /// Jobs in the queue; more are refused.
    pub capacity: usize,
    /// How long a worker has for the jobs that it claimed. After that another one claims them.
    pub lease: Duration,
}

/// A job in the hands of a worker.
#[derive(Debug, Clone)]
pub struct ClaimedJob {
    pub id: JobId,
    pub scope: TenantScope,
    pub job: AnnotationJob,
}

/// Which job, in the words of its queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobId {
    Row(JobKey),
    /// Entry of a Redis Stream.
    Entry(String),
}

/// What a worker did with a job.
#[derive(Debug, Clone)]
pub enum JobEnd {
    /// The queue may forget it.
    Done,
    /// This is left of it, and due at this time.
    Again(AnnotationJob, Timestamp),
}

/// Why a queue does not do what it is asked to.
#[derive(Debug, thiserror::Error)]
pub enum JobsError {
    #[error("the queue of annotations is full")]
    Full,
    #[error("the queue of annotations is unavailable: {0}")]
    Unavailable(String),
}

impl From<StoreError> for JobsError {
    fn from(error: StoreError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

#[async_trait]
pub trait AnnotationJobs: Send + Sync {
    /// Queues the jobs of a request, all or none. Returns only when they are as durable as the queue promises.
    async fn enqueue(&self, scope: &TenantScope, jobs: Vec<AnnotationJob>) -> Result<(), JobsError>;

    /// Up to so many jobs that are due, those of dead workers included; fewer if they are large. Waits a moment if there are
    /// none.
    async fn claim(&self, most: usize) -> Result<Vec<ClaimedJob>, JobsError>;

    /// Says what became of claimed jobs, once what was done with them survives a crash: a queue must not forget before. Jobs of
    /// which nothing is said come up again when their lease is over.
    async fn settle(&self, ended: Vec<(ClaimedJob, JobEnd)>, done: Committed) -> Result<(), JobsError>;

    /// The worker of this process claims no more: what was kept ready for it is everybody's again.
    async fn release(&self) -> Result<(), JobsError>;

    /// How many annotations of a request are still queued; an answer may be a moment old.
    async fn queued_items(&self, scope: &TenantScope, receipt: &str) -> Result<usize, JobsError>;

    /// Jobs in the queue, of all tenants.
    async fn depth(&self) -> Result<usize, JobsError>;
}
