//! Queues to which something happens while a worker is at them.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bennu_access::TenantScope;
use bennu_domain::annotation_job::AnnotationJob;
use bennu_kit::lifecycle::Shutdown;
use bennu_queue::{AnnotationJobs, ClaimedJob, EmbeddedAnnotationJobs, JobEnd, JobsError};
use bennu_store::{Committed, Store};
use tokio::sync::watch;

type Queue = EmbeddedAnnotationJobs;

/// What happens.
#[async_trait]
pub trait Disturbance: Send + Sync {
    async fn claim(&self, queue: &Queue, most: usize) -> Result<Vec<ClaimedJob>, JobsError> {
        queue.claim(most).await
    }

    async fn settle(
        &self,
        queue: &Queue,
        ended: Vec<(ClaimedJob, JobEnd)>,
        applied: Committed,
    ) -> Result<(), JobsError> {
        queue.settle(ended, applied).await
    }
}

pub struct Disturbed<D> {
    pub queue: Queue,
    pub disturbance: D,
}

#[async_trait]
impl<D: Disturbance> AnnotationJobs for Disturbed<D> {
    async fn enqueue(&self, scope: &TenantScope, jobs: Vec<AnnotationJob>) -> Result<(), JobsError> {
        self.queue.enqueue(scope, jobs).await
    }

    async fn claim(&self, most: usize) -> Result<Vec<ClaimedJob>, JobsError> {
        self.disturbance.claim(&self.queue, most).await
    }

    async fn settle(&self, ended: Vec<(ClaimedJob, JobEnd)>, applied: Committed) -> Result<(), JobsError> {
        self.disturbance.settle(&self.queue, ended, applied).await
    }

    async fn release(&self) -> Result<(), JobsError> {
        self.queue.release().await
    }

    async fn queued_items(&self, scope: &TenantScope, receipt: &str) -> Result<usize, JobsError> {
        self.queue.queued_items(scope, receipt).await
    }

    async fn depth(&self) -> Result<usize, JobsError> {
        self.queue.depth().await
    }
}

/// The first claim is one from before.
pub struct ClaimedBefore {
    pub claimed: Mutex<Vec<ClaimedJob>>,
    /// Jobs that are done.
    pub done: Arc<AtomicUsize>,
}

#[async_trait]
impl Disturbance for ClaimedBefore {
    async fn claim(&self, queue: &Queue, most: usize) -> Result<Vec<ClaimedJob>, JobsError> {
        let claimed = std::mem::take(&mut *self.claimed.lock().unwrap());
        if claimed.is_empty() { queue.claim(most).await } else { Ok(claimed) }
    }

    async fn settle(
        &self,
        queue: &Queue,
        ended: Vec<(ClaimedJob, JobEnd)>,
        applied: Committed,
    ) -> Result<(), JobsError> {
        let done = ended.iter().filter(|(_, end)| matches!(end, JobEnd::Done)).count();
        self.done.fetch_add(done, Ordering::SeqCst);
        queue.settle(ended, applied).await
    }
}

/// The shutdown comes as soon as a worker wants to settle a set and has the next one claimed.
pub struct Ending {
    pub shutdown: Shutdown,
    /// Sets of jobs.
    pub claimed: watch::Sender<usize>,
    pub settled: Arc<AtomicUsize>,
}

#[async_trait]
impl Disturbance for Ending {
    async fn claim(&self, queue: &Queue, most: usize) -> Result<Vec<ClaimedJob>, JobsError> {
        let claimed = queue.claim(most).await?;
        self.claimed.send_modify(|sets| *sets += usize::from(!claimed.is_empty()));
        Ok(claimed)
    }

    async fn settle(
        &self,
        queue: &Queue,
        ended: Vec<(ClaimedJob, JobEnd)>,
        applied: Committed,
    ) -> Result<(), JobsError> {
        self.claimed.subscribe().wait_for(|sets| *sets >= 2).await.unwrap();
        self.shutdown.fire(0);
        queue.settle(ended, applied).await?;
        self.settled.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}

/// The shutdown comes when a worker has found nothing and something was queued meanwhile, which is kept for it.
pub struct EndingTooSoon {
    pub shutdown: Shutdown,
    pub scope: TenantScope,
    pub queued: Vec<AnnotationJob>,
}

#[async_trait]
impl Disturbance for EndingTooSoon {
    async fn claim(&self, queue: &Queue, most: usize) -> Result<Vec<ClaimedJob>, JobsError> {
        let claimed = queue.claim(most).await?;
        queue.enqueue(&self.scope, self.queued.clone()).await?;
        self.shutdown.fire(0);
        Ok(claimed)
    }
}

/// A job is settled only when what comes after it is applied.
pub struct Slow {
    pub store: Store,
    pub scope: TenantScope,
    /// Until there is this receipt.
    pub until: String,
}

#[async_trait]
impl Disturbance for Slow {
    async fn settle(
        &self,
        queue: &Queue,
        ended: Vec<(ClaimedJob, JobEnd)>,
        applied: Committed,
    ) -> Result<(), JobsError> {
        while self.store.scoped(&self.scope).receipt(&self.until).await.unwrap().is_none() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        queue.settle(ended, applied).await
    }
}

/// The second claim finds a single job. Each set is settled only when a claim was begun after it was claimed.
#[derive(Default)]
pub struct FewBesideMany {
    pub claims: watch::Sender<usize>,
    pub settled: AtomicUsize,
}

#[async_trait]
impl Disturbance for FewBesideMany {
    async fn claim(&self, queue: &Queue, _: usize) -> Result<Vec<ClaimedJob>, JobsError> {
        self.claims.send_modify(|claims| *claims += 1);
        let most = if *self.claims.borrow() == 2 { 1 } else { 20 };
        queue.claim(most).await
    }

    async fn settle(
        &self,
        queue: &Queue,
        ended: Vec<(ClaimedJob, JobEnd)>,
        applied: Committed,
    ) -> Result<(), JobsError> {
        let sets = self.settled.fetch_add(1, Ordering::SeqCst) + 1;
        self.claims.subscribe().wait_for(|claims| *claims > sets).await.unwrap();
        queue.settle(ended, applied).await
    }
}

/// Workers die after they applied a batch and before they say so.
pub struct Deadly {
    pub deaths: AtomicUsize,
}

#[async_trait]
impl Disturbance for Deadly {
    async fn settle(
        &self,
        queue: &Queue,
        ended: Vec<(ClaimedJob, JobEnd)>,
        applied: Committed,
    ) -> Result<(), JobsError> {
        let alive = self.deaths.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        assert!(alive.is_err(), "the worker dies here");
        queue.settle(ended, applied).await
    }
}
