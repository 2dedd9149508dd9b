//! Requests that are queued at the same time share a transaction: those that arrive while one is under way wait for the next.
//! Its cost, and that of the sync behind it, is then divided among them.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bennu_access::TenantScope;
use bennu_domain::time::Clock;
use bennu_store::{Committed, NewJobRow, Store, StoreError};
use tokio::sync::{Notify, oneshot};

use super::at_hand::{AtHand, ReadyJob};
use super::payload::Payload;
use super::{JobLimits, JobsError};

/// Requests that wait for their transaction; more are refused.
const MOST_WAITING: usize = 1_024;
/// A transaction ends with the request with which it reaches this many bytes: others wait who write.
const A_TRANSACTION: usize = 4 << 20;
/// Other processes may queue too: their jobs are counted this often at least.
const COUNT_EVERY: Duration = Duration::from_secs(1);

/// Cheap to clone.
#[derive(Clone)]
pub(super) struct GroupCommit(Arc<Shared>);

struct Shared {
    store: Store,
    clock: Arc<dyn Clock>,
    /// The capacity give or take what other processes queue within a second.
    limits: JobLimits,
    queued: Arc<Notify>,
    at_hand: Arc<AtHand>,
    waiting: Mutex<Vec<Request>>,
    /// Held by who writes.
    room: tokio::sync::Mutex<Room>,
}

struct Request {
    scope: TenantScope,
    jobs: Vec<NewJob>,
    answer: oneshot::Sender<Result<(), JobsError>>,
}

struct NewJob {
    row: NewJobRow,
    payload: Payload,
}

impl NewJob {
    /// Of the message, which is what the job takes in memory.
    fn bytes(&self) -> usize {
        self.row.bytes.max(self.row.payload.len())
    }
}

/// Jobs that find room without being counted again: the queue only gets shorter meanwhile.
#[derive(Default)]
struct Room {
    jobs: usize,
    counted: Option<Instant>,
}

impl GroupCommit {
    /// Tells `queued` when there are new jobs.
    pub fn new(
        store: Store,
        clock: Arc<dyn Clock>,
        limits: JobLimits,
        queued: Arc<Notify>,
        at_hand: Arc<AtHand>,
    ) -> Self {
        let (waiting, room) = (Mutex::default(), tokio::sync::Mutex::default());
        Self(Arc::new(Shared { store, clock, limits, queued, at_hand, waiting, room }))
    }

    /// Returns when the jobs, all or none, are on the disk.
    pub async fn enqueue(&self, scope: TenantScope, jobs: Vec<Payload>) -> Result<(), JobsError> {
        let new_job = |payload: Payload| NewJob { row: payload.row(), payload };
        let jobs = jobs.into_iter().map(new_job).collect();
        let (answer, answered) = oneshot::channel();
        {
            let mut waiting = self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            if waiting.len() >= MOST_WAITING {
                return Err(JobsError::Full);
            }
            waiting.push(Request { scope, jobs, answer });
        }
        // On its own: the transaction is that of others too, who stay when this request is given up.
        tokio::spawn(Arc::clone(&self.0).write_waiting());
        answered.await.map_err(|_| JobsError::Unavailable("the queue was interrupted".to_owned()))?
    }
}

impl Shared {
    /// Writes what waits, unless somebody else has done it meanwhile.
    async fn write_waiting(self: Arc<Self>) {
        let mut room = self.room.lock().await;
        let group = self.take_group();
        let Some(scope) = group.first().map(|request| request.scope) else { return };
        let (mut written, mut answers) = (Vec::new(), Vec::with_capacity(group.len()));
        for Request { jobs, answer, .. } in group {
            match self.take_room(&mut room, jobs.len(), written.len()).await {
                Ok(()) => {
                    written.extend(jobs);
                    answers.push(answer);
                }
                Err(refused) => drop(answer.send(Err(refused))), // nobody may listen any more
            }
        }
        if written.is_empty() {
            return;
        }
        let committed = self.write(scope, written).await;
        drop(room);
        let durable = match committed {
            Ok(committed) => {
                self.queued.notify_one();
                committed.durable().await
            }
            Err(error) => Err(error),
        };
        let failed = durable.err().map(|error| error.to_string());
        for answer in answers {
            let queued = failed.clone().map_or(Ok(()), |reason| Err(JobsError::Unavailable(reason)));
            let _ = answer.send(queued); // nobody may listen any more
        }
    }

    async fn write(&self, scope: TenantScope, jobs: Vec<NewJob>) -> Result<Committed, StoreError> {
        let bytes = jobs.iter().map(NewJob::bytes);
        let is_kept = self.at_hand.takes(bytes.sum());
        let now = self.clock.now();
        let due = if is_kept { now.after(self.limits.lease) } else { now };
        let (mut rows, mut kept) = (Vec::with_capacity(jobs.len()), Vec::with_capacity(jobs.len()));
        for job in jobs {
            kept.push((job.bytes(), job.payload));
            rows.push(job.row);
        }
        let (keys, committed) = self.store.scoped(&scope).queue_jobs(rows, due).await?;
        if is_kept {
            let ready = |(key, (bytes, payload))| ReadyJob { key, scope, payload, bytes, lease_ends: due };
            self.at_hand.keep(keys.into_iter().zip(kept).map(ready));
        }
        Ok(committed)
    }

    /// Requests of one tenant, those that wait longest first.
    fn take_group(&self) -> Vec<Request> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(scope) = waiting.first().map(|request| request.scope) else { return Vec::new() };
        let mut bytes = 0;
        let fits = |request: &mut Request| {
            let taken = request.scope == scope && bytes < A_TRANSACTION;
            if taken {
                bytes += request.jobs.iter().map(NewJob::bytes).sum::<usize>();
            }
            taken
        };
        waiting.extract_if(.., fits).collect()
    }

    /// Of what is counted, `unwritten` jobs are missing.
    async fn take_room(&self, room: &mut Room, jobs: usize, unwritten: usize) -> Result<(), JobsError> {
        let recent = room.counted.is_some_and(|counted| counted.elapsed() < COUNT_EVERY);
        if !recent || room.jobs < jobs {
            let queued = self.store.queued_jobs(self.limits.capacity).await?;
            let left = self.limits.capacity.saturating_sub(queued + unwritten);
            *room = Room { jobs: left, counted: Some(Instant::now()) };
        }
        room.jobs = room.jobs.checked_sub(jobs).ok_or(JobsError::Full)?;
        Ok(())
    }
}
