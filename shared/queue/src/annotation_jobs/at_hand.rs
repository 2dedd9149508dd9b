//! Jobs that a process has queued and that its own worker takes up, without reading back what was written a moment ago. They stand in
//! the table as claimed, so that nobody else does; should the worker not come to them, they come up there when their lease is over.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bennu_access::TenantScope;
use bennu_domain::time::Timestamp;
use bennu_store::JobKey;

use super::payload::{Payload, PayloadError};
use super::{CLAIM_BYTES, ClaimedJob, JobId};

/// Bytes of payload, which take several times as much in memory: about half a second of work.
const MOST_BYTES: usize = 2 * CLAIM_BYTES;

/// A job that is kept for the worker.
pub(super) struct ReadyJob {
    pub key: JobKey,
    pub scope: TenantScope,
    pub payload: Payload,
    /// Of the payload.
    pub bytes: usize,
    pub lease_ends: Timestamp,
}

/// Open while a worker of this process has no jobs to claim from the table. So it begins closed, and closes when it is full: what is
/// queued then has its turn in the table before anything is kept here again.
#[derive(Default)]
pub(super) struct AtHand(Mutex<Hand>);

#[derive(Default)]
struct Hand {
    open: bool,
    jobs: VecDeque<ReadyJob>,
    bytes: usize,
}

impl AtHand {
    pub fn open(&self) {
        self.hand().open = true;
    }

    /// Whether jobs of so many bytes will be taken; if not, none are from now on.
    pub fn takes(&self, bytes: usize) -> bool {
        let mut hand = self.hand();
        hand.open &= hand.bytes + bytes <= MOST_BYTES;
        hand.open
    }

    pub fn keep(&self, jobs: impl IntoIterator<Item = ReadyJob>) {
        let mut hand = self.hand();
        for job in jobs {
            hand.bytes += job.bytes;
            hand.jobs.push_back(job);
        }
    }

    /// Up to so many jobs, those first that were queued first. One of which more than half of the lease is over is left to the table.
    pub fn claim(
        &self,
        most: usize,
        now: Timestamp,
        lease: Duration,
    ) -> Result<Vec<ClaimedJob>, PayloadError> {
        let claimed = self.take(most, now.after(lease / 2));
        let job = |ReadyJob { key, scope, payload, .. }| {
            Ok(ClaimedJob { id: JobId::Row(key), scope, job: payload.job()? })
        };
        claimed.into_iter().map(job).collect()
    }

    fn take(&self, most: usize, with_lease_at: Timestamp) -> Vec<ReadyJob> {
        let mut hand = self.hand();
        let (mut taken, mut bytes) = (Vec::new(), 0);
        while taken.len() < most && bytes < CLAIM_BYTES {
            let Some(job) = hand.jobs.pop_front() else { break };
            hand.bytes -= job.bytes;
            if job.lease_ends >= with_lease_at {
                bytes += job.bytes;
                taken.push(job);
            }
        }
        taken
    }

    /// Nothing is kept any more. Answers what nobody has claimed.
    pub fn close(&self) -> Vec<JobKey> {
        let mut hand = self.hand();
        let left = std::mem::take(&mut *hand);
        left.jobs.into_iter().map(|job| job.key).collect()
    }

    fn hand(&self) -> MutexGuard<'_, Hand> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
