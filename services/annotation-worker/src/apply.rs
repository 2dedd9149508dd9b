//! One claimed set of jobs, applied tenant by tenant.

use std::collections::HashMap;
use std::time::Duration;

use bennu_access::TenantScope;
use bennu_domain::time::Timestamp;
use bennu_queue::{ClaimedJob, JobEnd};
use bennu_store::{Committed, GatheredWrites, QueuedEnd, QueuedWrite, StoreError};

use crate::applier::{ITEMS_A_TRANSACTION, Worker};

/// Pauses before the second and later attempts of a transaction; together less than a lease.
const PAUSES: [Duration; 3] = [Duration::from_millis(50), Duration::from_millis(250), Duration::from_secs(1)];

/// Where an annotation is: number of its job, and of itself in the job.
type Place = (usize, usize);

/// Jobs that were applied, to be settled once that is durable.
pub(crate) struct Applied {
    pub ended: Vec<(ClaimedJob, JobEnd)>,
    pub done: Committed,
}

impl Applied {
    pub fn nothing() -> Self {
        Self { ended: Vec::new(), done: Committed::nothing() }
    }
}

/// Applies the jobs. After an error they come up again.
pub(crate) async fn apply_claimed(worker: &Worker, claimed: Vec<ClaimedJob>) -> Result<Applied, StoreError> {
    let mut by_tenant: HashMap<TenantScope, Vec<usize>> = HashMap::new();
    for (number, claimed) in claimed.iter().enumerate() {
        by_tenant.entry(claimed.scope).or_default().push(number);
    }
    let mut waiting: HashMap<usize, Vec<usize>> = HashMap::new();
    let mut done = Committed::nothing();
    for (scope, jobs) in by_tenant {
        let (places, writes) = writes_of(&claimed, &jobs);
        let (ends, committed) = apply_of_tenant(worker, &scope, &writes).await?;
        done = committed.after(done);
        for ((number, place), end) in places.into_iter().zip(ends) {
            if end == QueuedEnd::Waiting {
                waiting.entry(number).or_default().push(place);
            }
        }
    }
    let now = worker.clock.now();
    let ended = claimed.into_iter().enumerate().map(|(number, claimed)| {
        let end = match waiting.get(&number) {
            None => JobEnd::Done,
            Some(places) => later(&claimed, places, now),
        };
        (claimed, end)
    });
    Ok(Applied { ended: ended.collect(), done })
}

/// The annotations of some of the jobs, in order.
fn writes_of<'j>(claimed: &'j [ClaimedJob], jobs: &[usize]) -> (Vec<Place>, Vec<QueuedWrite<'j>>) {
    let count = jobs.iter().map(|number| claimed[*number].job.items.len()).sum();
    let (mut places, mut writes) = (Vec::with_capacity(count), Vec::with_capacity(count));
    for number in jobs {
        let job = &claimed[*number].job;
        for (place, item) in job.items.iter().enumerate() {
            places.push((*number, place));
            writes.push(QueuedWrite {
                receipt: &job.receipt,
                total: job.total,
                index: item.index,
                annotation: &item.annotation,
                received: job.received,
                waits_since: job.waits_since,
            });
        }
    }
    (places, writes)
}

fn later(claimed: &ClaimedJob, places: &[usize], now: Timestamp) -> JobEnd {
    let indexes: Vec<usize> =
        places.iter().filter_map(|place| claimed.job.items.get(*place).map(|item| item.index)).collect();
    let (job, pause) = claimed.job.clone().again(|index| indexes.contains(&index));
    JobEnd::Again(job, now.after(pause))
}

/// A batch that can never be applied is halved until the annotations at fault stand alone; those fail.
async fn apply_of_tenant(
    worker: &Worker,
    scope: &TenantScope,
    writes: &[QueuedWrite<'_>],
) -> Result<(Vec<QueuedEnd>, Committed), StoreError> {
    let (mut ends, mut done) = (Vec::with_capacity(writes.len()), Committed::nothing());
    let transactions = writes.len().div_ceil(ITEMS_A_TRANSACTION).max(1);
    // The parts that are left, the last one next.
    let mut parts: Vec<&[QueuedWrite<'_>]> =
        writes.chunks(writes.len().div_ceil(transactions).max(1)).rev().collect();
    let store = worker.store.scoped(scope);
    let mut gathered = None;
    while let Some(part) = parts.pop() {
        // What comes next is looked up meanwhile, as the database would wait for that.
        let gathering = async {
            match parts.last() {
                Some(next) => store.gather_queued(next).await.ok(),
                None => None,
            }
        };
        let (applied, next) =
            tokio::join!(apply_with_retries(worker, scope, part, gathered.take()), gathering);
        match applied {
            Ok((applied, committed)) => {
                ends.extend(applied);
                done = committed.after(done);
                gathered = next;
            }
            Err(error) if error.is_transient() => return Err(error),
            Err(error) => {
                if let [item] = part {
                    tracing::error!(%error, "an annotation can never be applied");
                    store.fail_queued(item, &error.to_string()).await?;
                    ends.push(QueuedEnd::Settled);
                } else {
                    let (first, second) = part.split_at(part.len() / 2);
                    parts.extend([second, first]);
                }
            }
        }
    }
    Ok((ends, done))
}

async fn apply_with_retries(
    worker: &Worker,
    scope: &TenantScope,
    part: &[QueuedWrite<'_>],
    mut gathered: Option<GatheredWrites<'_>>,
) -> Result<(Vec<QueuedEnd>, Committed), StoreError> {
    let patience = i64::try_from(worker.policy.patience.as_micros()).unwrap_or(i64::MAX);
    let patience_ends = Timestamp(worker.clock.now().0.saturating_sub(patience));
    let store = worker.store.scoped(scope);
    for pause in PAUSES {
        let applied = match gathered.take() {
            Some(gathered) => store.apply_gathered(gathered, patience_ends).await,
            None => store.apply_queued(part, patience_ends).await,
        };
        match applied {
            Err(error) if error.is_transient() => tracing::warn!(%error, "annotations are tried again"),
            settled => return settled,
        }
        tokio::time::sleep(pause).await;
    }
    store.apply_queued(part, patience_ends).await
}
