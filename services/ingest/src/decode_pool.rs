//! The threads that decode: one for each processor, shared fairly by tenants, so that a flood waits behind itself.
//!
//! They yield to all other threads. These have little to do, but many wait for it: a writer that is interrupted for the slice
//! of a thread that decodes, and again after each of its system calls, holds every tenant up.
//!
//! One thread more does not yield: it decodes for tenants that wait for the answers to a few requests only. Beside a flood theirs
//! would be interrupted for everything that the flood has others do. While there are such tenants, one of those that yield rests:
//! two processors have so much to do for a flood then that it is taken in faster if one of them is left to whoever writes and answers.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::num::NonZero;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use bennu_domain::ids::TenantId;
use bennu_store::yielding::yield_to_others;
use tokio::sync::oneshot;

use crate::fair_queue::FairQueue;

/// Requests of a tenant that waits for few. Whoever sends one after the other has two for a moment when some are slow.
const FEW: usize = 2;
/// A tenant that waits for few requests counts as there this long after the last one.
const STAY: Duration = Duration::from_secs(1);

/// Cheap to clone; the threads end with the last clone. Those who wait hold a request each, which the budget of the receivers
/// bounds.
#[derive(Debug, Clone)]
pub struct DecodePool(Arc<Handle>);

/// The work was given up: it panicked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a request could not be decoded for now")]
pub struct GivenUp;

#[derive(Debug)]
struct Handle(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    queue: Mutex<Queue>,
    /// There is something for a thread that yields.
    many: Condvar,
    /// There is something for the one of them that rests at times.
    spare: Condvar,
    /// There is something for the one that does not.
    few: Condvar,
}

#[derive(Debug, Default)]
struct Queue {
    /// Of tenants with few requests under way: no more than these of each.
    few: VecDeque<Job>,
    /// Of all others.
    many: FairQueue<Job>,
    /// Requests of each tenant that wait for their answer.
    under_way: HashMap<TenantId, usize>,
    /// Whether the thread for few will take the next one at once.
    few_rests: bool,
    /// When a tenant with few requests last came beside one with many.
    both_at: Option<Instant>,
    ended: bool,
}

type Work = Box<dyn FnOnce() + Send>;

/// What it costs is what it has to decode.
struct Job {
    bytes: usize,
    work: Work,
}

/// A request whose sender waits for the answer, until this is dropped.
#[must_use = "the request counts as long as this is kept"]
pub struct UnderWay {
    shared: Arc<Shared>,
    tenant: TenantId,
}

/// What a thread does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    /// All there is, and yields to all others.
    Many,
    /// The same, unless tenants with few requests and with many are there.
    Spare,
    /// That of tenants with few requests.
    Few,
}

impl DecodePool {
    /// More threads than processors would take turns there, each with memory of its own.
    pub fn of_this_machine() -> std::io::Result<Self> {
        Self::start(thread::available_parallelism().map_or(1, NonZero::get))
    }

    fn start(threads: usize) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        shared.queue().few_rests = true; // as it will once it has started
        let pool = Self(Arc::new(Handle(Arc::clone(&shared))));
        let spawn = |name: String, role| {
            let shared = Arc::clone(&shared);
            thread::Builder::new().name(name).spawn(move || shared.work(role)).map(drop)
        };
        let role = |number| if number == 1 { Role::Spare } else { Role::Many };
        (0..threads).try_for_each(|number| spawn(format!("decode-{number}"), role(number)))?;
        spawn("decode-few".to_owned(), Role::Few)?;
        Ok(pool)
    }

    /// Counts a request of the tenant. Of requests that are not counted nobody waits for the answer.
    pub fn under_way(&self, tenant: TenantId) -> UnderWay {
        let Self(handle) = self;
        *handle.0.queue().under_way.entry(tenant).or_default() += 1;
        UnderWay { shared: Arc::clone(&handle.0), tenant }
    }

    /// Does work that decodes so many bytes, when it is the turn of the tenant. Nobody does what nobody waits for any more.
    pub async fn run<R: Send + 'static>(
        &self,
        tenant: TenantId,
        bytes: usize,
        work: impl FnOnce() -> R + Send + 'static,
    ) -> Result<R, GivenUp> {
        let (sender, receiver) = oneshot::channel();
        let work = Box::new(move || {
            if !sender.is_closed() {
                let _ = sender.send(work());
            }
        });
        self.0.0.push(tenant, Job { bytes, work });
        receiver.await.map_err(|_| GivenUp)
    }
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, tenant: TenantId, job: Job) {
        let mut queue = self.queue();
        let waits_for_few = queue.under_way.get(&tenant).is_some_and(|requests| *requests <= FEW);
        let now = Instant::now();
        if waits_for_few {
            queue.few.push_back(job);
            if queue.under_way.values().any(|requests| *requests > FEW) {
                queue.both_at = Some(now);
            }
        } else {
            queue.many.push(tenant, job);
        }
        if waits_for_few && !queue.has_few_to_spare() {
            self.few.notify_one();
            return;
        }
        self.many.notify_one();
        if !queue.are_both_there(now) {
            self.spare.notify_one();
        }
    }

    /// Works until the pool ends.
    fn work(&self, role: Role) {
        if role != Role::Few {
            yield_to_others();
        }
        while let Some(work) = self.next(role) {
            // Whoever waits for it hears of a panic; the thread goes on with others.
            let _ = catch_unwind(AssertUnwindSafe(work));
        }
    }

    fn next(&self, role: Role) -> Option<Work> {
        let mut queue = self.queue();
        loop {
            let (next, changed) = match role {
                Role::Many => (queue.next(), &self.many),
                Role::Spare => (queue.next_of_spare(Instant::now()), &self.spare),
                Role::Few => (queue.next_of_few(), &self.few),
            };
            if let Some(job) = next {
                if queue.has_few_to_spare() {
                    self.many.notify_one();
                }
                return Some(job.work);
            }
            if queue.ended {
                return None;
            }
            queue = changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Queue {
    /// Whether more of them wait than the thread for them takes at once.
    fn has_few_to_spare(&self) -> bool {
        self.few.len() > usize::from(self.few_rests)
    }

    fn next(&mut self) -> Option<Job> {
        let spare = if self.has_few_to_spare() { self.few.pop_front() } else { None };
        spare.or_else(|| self.many.turn(first).flatten())
    }

    /// What waits when the thread rests is done by the others; it is woken by what comes later.
    fn next_of_spare(&mut self, now: Instant) -> Option<Job> {
        if self.are_both_there(now) { None } else { self.next() }
    }

    /// A tenant with few requests and one with many.
    fn are_both_there(&self, now: Instant) -> bool {
        self.both_at.is_some_and(|at| now.duration_since(at) < STAY)
    }

    fn next_of_few(&mut self) -> Option<Job> {
        let next = self.few.pop_front();
        self.few_rests = next.is_none();
        next
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        if let Entry::Occupied(mut under_way) = self.shared.queue().under_way.entry(self.tenant) {
            *under_way.get_mut() -= 1;
            if *under_way.get() == 0 {
                under_way.remove();
            }
        }
    }
}

fn first(jobs: &mut VecDeque<Job>) -> (Option<Job>, usize) {
    let job = jobs.pop_front();
    let bytes = job.as_ref().map_or(0, |job| job.bytes);
    (job, bytes)
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.queue().ended = true;
        self.0.many.notify_all();
        self.0.spare.notify_all();
        self.0.few.notify_all();
    }
}

impl fmt::Debug for Job {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Job").field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    #[cfg(target_os = "linux")]
    use bennu_store::yielding::NICENESS;
    use futures::FutureExt as _;
    use futures::future::{BoxFuture, join_all};

    use super::*;

    const NOISY: TenantId = TenantId(1);
    const QUIET: TenantId = TenantId(2);
    const OTHER: TenantId = TenantId(3);

    /// A pool with one thread that yields; the noisy tenant keeps it busy, and the one that does not too, until each is released.
    struct BusyPool {
        pool: DecodePool,
        yielding: mpsc::Sender<()>,
        few: mpsc::Sender<()>,
        _waiting: [BoxFuture<'static, Result<bool, GivenUp>>; 2],
    }

    fn busy_pool() -> BusyPool {
        let pool = DecodePool::start(1).unwrap();
        let (started, starts) = mpsc::channel();
        let busy = || {
            let (release, released) = mpsc::channel();
            let (pool, started) = (pool.clone(), started.clone());
            let work = move || started.send(()).is_ok() && released.recv().is_ok();
            let mut waiting = async move { pool.run(NOISY, 1, work).await }.boxed();
            assert!((&mut waiting).now_or_never().is_none());
            starts.recv().unwrap();
            (release, waiting)
        };
        let one = pool.under_way(NOISY);
        let (few, first) = busy();
        drop(one);
        let (yielding, second) = busy();
        BusyPool { pool, yielding, few, _waiting: [first, second] }
    }

    /// Starts work of tenants, and tells who was served when all is done. All but the noisy one wait for one request.
    async fn served(pool: &DecodePool, tenants: &[TenantId], release: &mpsc::Sender<()>) -> Vec<TenantId> {
        let (done, order) = mpsc::channel();
        let waiting = tenants.iter().map(|tenant| {
            let (done, tenant) = (done.clone(), *tenant);
            let under_way = (tenant != NOISY).then(|| pool.under_way(tenant));
            pool.run(tenant, 1_000, move || done.send(tenant)).inspect(move |_| drop(under_way))
        });
        let mut all = Box::pin(join_all(waiting));
        assert!((&mut all).now_or_never().is_none());
        release.send(()).unwrap();
        all.await;
        drop(done);
        order.iter().collect()
    }

    /// The priority of the thread that works for a tenant with so many requests under way.
    #[cfg(target_os = "linux")]
    async fn priority_of(pool: &DecodePool, requests: usize) -> i32 {
        let _under_way: Vec<UnderWay> = (0..requests).map(|_| pool.under_way(QUIET)).collect();
        pool.run(QUIET, 1, || rustix::process::getpriority_process(None).unwrap()).await.unwrap()
    }

    #[tokio::test]
    async fn a_tenant_that_waits_for_few_requests_passes_another_that_waits_for_many() {
        let BusyPool { pool, yielding, few: _few, _waiting } = busy_pool();
        let order = served(&pool, &[NOISY, NOISY, NOISY, QUIET], &yielding).await;
        assert_eq!(order, [QUIET, NOISY, NOISY, NOISY]);
    }

    #[tokio::test]
    async fn few_requests_do_not_wait_for_threads_that_a_flood_keeps_busy() {
        let BusyPool { pool, yielding: _yielding, few, _waiting } = busy_pool();
        assert_eq!(served(&pool, &[QUIET, OTHER], &few).await, [QUIET, OTHER]);
        assert!(pool.0.0.queue().under_way.is_empty());
    }

    #[test]
    fn one_thread_rests_while_a_tenant_with_few_requests_is_beside_one_with_many() {
        let shared = Shared::default();
        let many = || shared.push(NOISY, Job { bytes: 1, work: Box::new(|| {}) });
        let few = || shared.push(QUIET, Job { bytes: 1, work: Box::new(|| {}) });
        shared.queue().under_way.insert(QUIET, 1);
        let next_of_spare = |after| shared.queue().next_of_spare(Instant::now() + after).is_some();
        few();
        many();
        assert!(next_of_spare(Duration::ZERO), "nobody has many requests");
        shared.queue().under_way.insert(NOISY, FEW + 1);
        many();
        assert!(next_of_spare(Duration::ZERO), "the other one may have gone");
        few();
        many();
        assert!(!next_of_spare(Duration::ZERO));
        assert!(shared.queue().next().is_some(), "the other threads go on");
        many();
        assert!(next_of_spare(STAY));
    }

    #[tokio::test]
    async fn work_that_nobody_waits_for_is_not_done() {
        let BusyPool { pool, yielding, few: _few, _waiting } = busy_pool();
        let (done, order) = mpsc::channel();
        let gone = done.clone();
        assert!(pool.run(QUIET, 1, move || gone.send("gone")).now_or_never().is_none());
        yielding.send(()).unwrap();
        pool.run(OTHER, 1, move || done.send("waited for")).await.unwrap().unwrap();
        assert_eq!(order.iter().collect::<Vec<_>>(), ["waited for"]);
    }

    #[tokio::test]
    async fn a_panic_is_told_and_ends_no_thread() {
        let pool = DecodePool::start(1).unwrap();
        for _ in 0..2 {
            assert_eq!(pool.run(NOISY, 1, || -> u8 { panic!("on purpose") }).await, Err(GivenUp));
            assert_eq!(pool.run(NOISY, 1, || 1).await, Ok(1));
        }
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn what_is_not_for_few_requests_is_decoded_nicely() {
        let mine = rustix::process::getpriority_process(None).unwrap();
        let pool = DecodePool::start(1).unwrap();
        while !pool.0.0.queue().few_rests {
            tokio::task::yield_now().await;
        }
        for (requests, niceness) in [(0, NICENESS), (1, 0), (FEW, 0), (FEW + 1, NICENESS)] {
            let found = priority_of(&pool, requests).await;
            assert_eq!(found, (mine + niceness).min(19), "{requests} requests");
            while !pool.0.0.queue().few_rests {
                tokio::task::yield_now().await;
            }
        }
        assert_eq!(rustix::process::getpriority_process(None).unwrap(), mine);
    }
}
