//! Annotations that failed are queued again.

use bennu_access::TenantScope;
use bennu_domain::annotation_job::AnnotationJob;
use bennu_store::{AnnotationFailure, FailureSelection, ScopedStore, StoreError};

use super::{AnnotationJobs, JobsError};

/// Failures replayed at once; bounds the memory.
const FAILURES_AT_ONCE: usize = 1_000;

#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Queue(#[from] JobsError),
}

/// Queues the annotations of failures again under a receipt of their own, and forgets the failures; answers how many there
/// were. They keep the time of their request, so that they replace nothing that came later. After a crash in between some
/// are both queued and failures, which does no harm.
pub async fn replay(
    store: ScopedStore<'_>,
    scope: &TenantScope,
    jobs: &dyn AnnotationJobs,
    selection: &FailureSelection,
    receipt: &str,
) -> Result<usize, ReplayError> {
    let total = store.count_annotation_failures(selection).await?;
    let (mut replayed, mut from) = (0, None);
    // From the newest to the oldest: those that fail again meanwhile are newer still.
    loop {
        let page = store.annotation_failures(selection, from, FAILURES_AT_ONCE).await?;
        from = page.next;
        let ids = page.items.iter().map(|failure| failure.id).collect();
        let now = store.time();
        let requeued = page.items.into_iter().enumerate().flat_map(|(place, failure)| {
            let AnnotationFailure { received, annotation, .. } = failure;
            // One a job: they come from different requests, at different times.
            let mut jobs = AnnotationJob::of_request(receipt, received, vec![annotation]);
            jobs.iter_mut().for_each(|job| (job.waits_since, job.total) = (now, total));
            jobs.iter_mut().flat_map(|job| &mut job.items).for_each(|item| item.index = replayed + place);
            jobs
        });
        let requeued: Vec<AnnotationJob> = requeued.collect();
        let count = requeued.len();
        jobs.enqueue(scope, requeued).await?;
        store.drop_annotation_failures(&FailureSelection::Ids(ids), None).await?;
        replayed += count;
        if from.is_none() {
            return Ok(replayed);
        }
    }
}
