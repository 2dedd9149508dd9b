//! What waits to be decoded, and who waits for it: tenants with few requests have their turn first.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::time::{Duration, Instant};

use bennu_domain::ids::TenantId;

use crate::fair_queue::FairQueue;

/// Requests of a tenant that waits for few. Whoever sends one after the other has two for a moment when some are slow.
pub(super) const FEW: usize = 2;
/// A tenant that waits for few requests counts as there this long after the last one.
const STAY: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
pub(super) struct Queue {
    /// Of tenants with few requests under way: no more than these of each.
    few: VecDeque<Job>,
    /// Of all others.
    many: FairQueue<Job>,
    /// Requests of each tenant that wait for their answer.
    pub under_way: HashMap<TenantId, usize>,
    /// Whether the thread for few will take the next one at once.
    pub few_rests: bool,
    /// When a tenant with few requests last came beside one with many.
    both_at: Option<Instant>,
    pub ended: bool,
}

pub(super) type Work = Box<dyn FnOnce() + Send>;

/// What it costs is what it has to decode.
pub(super) struct Job {
    pub bytes: usize,
    pub work: Work,
}

impl Queue {
    /// A request of the tenant waits for its answer.
    pub fn begin(&mut self, tenant: TenantId) {
        *self.under_way.entry(tenant).or_default() += 1;
    }

    pub fn end(&mut self, tenant: TenantId) {
        if let Entry::Occupied(mut under_way) = self.under_way.entry(tenant) {
            *under_way.get_mut() -= 1;
            if *under_way.get() == 0 {
                under_way.remove();
            }
        }
    }

    /// Answers whether the tenant waits for few requests.
    pub fn push(&mut self, tenant: TenantId, job: Job, now: Instant) -> bool {
        let waits_for_few = self.under_way.get(&tenant).is_some_and(|requests| *requests <= FEW);
        if !waits_for_few {
            self.many.push(tenant, job);
            return false;
        }
        self.few.push_back(job);
        if self.under_way.values().any(|requests| *requests > FEW) {
            self.both_at = Some(now);
        }
        true
    }

    /// Whether more of them wait than the thread for them takes at once.
    pub fn has_few_to_spare(&self) -> bool {
        self.few.len() > usize::from(self.few_rests)
    }

    /// For a thread that yields.
    pub fn next(&mut self) -> Option<Job> {
        let spare = if self.has_few_to_spare() { self.few.pop_front() } else { None };
        spare.or_else(|| self.many.turn(first).flatten())
    }

    /// What waits when the thread rests is done by the others; it is woken by what comes later.
    pub fn next_of_spare(&mut self, now: Instant) -> Option<Job> {
        if self.are_both_there(now) { None } else { self.next() }
    }

    /// A tenant with few requests and one with many.
    pub fn are_both_there(&self, now: Instant) -> bool {
        self.both_at.is_some_and(|at| now.duration_since(at) < STAY)
    }

    /// For the thread that does not yield.
    pub fn next_of_few(&mut self) -> Option<Job> {
        let next = self.few.pop_front();
        self.few_rests = next.is_none();
        next
    }
}

fn first(jobs: &mut VecDeque<Job>) -> (Option<Job>, usize) {
    let job = jobs.pop_front();
    let bytes = job.as_ref().map_or(0, |job| job.bytes);
    (job, bytes)
}

impl fmt::Debug for Job {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Job").field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_thread_rests_while_a_tenant_with_few_requests_is_beside_one_with_many() {
        const NOISY: TenantId = TenantId(1);
        const QUIET: TenantId = TenantId(2);
        let (mut queue, start) = (Queue::default(), Instant::now());
        let job = || Job { bytes: 1, work: Box::new(|| {}) };
        queue.begin(QUIET);
        queue.push(QUIET, job(), start);
        queue.push(NOISY, job(), start);
        assert!(queue.next_of_spare(start).is_some(), "nobody has many requests");
        (0..=FEW).for_each(|_| queue.begin(NOISY));
        queue.push(NOISY, job(), start);
        assert!(queue.next_of_spare(start).is_some(), "the other one may have gone");
        queue.push(QUIET, job(), start);
        queue.push(NOISY, job(), start);
        assert!(queue.next_of_spare(start).is_none());
        assert!(queue.next().is_some(), "the other threads go on");
        queue.push(NOISY, job(), start);
        assert!(queue.next_of_spare(start + STAY).is_some());
    }
}
