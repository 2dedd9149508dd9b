//! The threads that decode: one for each processor, shared fairly by tenants, so that a flood waits behind itself.
//!
//! They yield to all other threads. These have little to do, but many wait for it: a writer that is interrupted for the slice
//! of a thread that decodes, and again after each of its system calls, holds every tenant up.
//!
//! One thread more does not yield: it decodes for tenants that have a single request under way. Beside a flood theirs would
//! be interrupted for everything that the flood has others do.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::num::NonZero;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use bennu_domain::ids::TenantId;
use tokio::sync::oneshot;

use crate::fair_queue::FairQueue;

/// Against a thread that is never at rest one that is so much nicer gets two fifths of what it would get else, and all that
/// others leave. Much nicer ones would be starved by other programs of the machine.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 4;

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
    /// There is something for the one that does not.
    single: Condvar,
}

#[derive(Debug, Default)]
struct Queue {
    /// Of tenants that had nothing else under way when they came: no more than one of each.
    singles: VecDeque<Job>,
    /// What tenants have beside that.
    many: FairQueue<Job>,
    /// Jobs of each tenant that wait or are being done.
    under_way: HashMap<TenantId, usize>,
    /// Whether the thread for singles will take the next one at once.
    single_rests: bool,
    ended: bool,
}

type Work = Box<dyn FnOnce() + Send>;

/// What it costs is what it has to decode.
struct Job {
    bytes: usize,
    work: Work,
}

/// Of a job, until it is done or given up.
struct UnderWay {
    shared: Arc<Shared>,
    tenant: TenantId,
    /// Whether the tenant had nothing else under way when it came.
    single: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Priority {
    /// Of threads that yield to all others.
    Low,
    Normal,
}

impl DecodePool {
    /// More threads than processors would take turns there, each with memory of its own.
    pub fn of_this_machine() -> std::io::Result<Self> {
        Self::start(thread::available_parallelism().map_or(1, NonZero::get))
    }

    fn start(threads: usize) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        shared.queue().single_rests = true; // as it will once it has started
        let pool = Self(Arc::new(Handle(Arc::clone(&shared))));
        let spawn = |name: String, priority| {
            let shared = Arc::clone(&shared);
            thread::Builder::new().name(name).spawn(move || shared.work(priority)).map(drop)
        };
        (0..threads).try_for_each(|number| spawn(format!("decode-{number}"), Priority::Low))?;
        spawn("decode-single".to_owned(), Priority::Normal)?;
        Ok(pool)
    }

    /// Does work that decodes so many bytes, when it is the turn of the tenant. Nobody does what nobody waits for any more.
    pub async fn run<R: Send + 'static>(
        &self,
        tenant: TenantId,
        bytes: usize,
        work: impl FnOnce() -> R + Send + 'static,
    ) -> Result<R, GivenUp> {
        let (sender, receiver) = oneshot::channel();
        let Self(handle) = self;
        let under_way = UnderWay::new(&handle.0, tenant);
        let single = under_way.single;
        let work = Box::new(move || {
            if !sender.is_closed() {
                let result = work();
                drop(under_way); // before the one who waits asks for more
                let _ = sender.send(result);
            }
        });
        handle.0.push(tenant, Job { bytes, work }, single);
        receiver.await.map_err(|_| GivenUp)
    }
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, tenant: TenantId, job: Job, single: bool) {
        let mut queue = self.queue();
        if single {
            queue.singles.push_back(job);
        } else {
            queue.many.push(tenant, job);
        }
        if single && !queue.has_singles_to_spare() {
            self.single.notify_one();
        } else {
            self.many.notify_one();
        }
    }

    /// Works until the pool ends.
    fn work(&self, priority: Priority) {
        if priority == Priority::Low {
            yield_to_others();
        }
        while let Some(work) = self.next(priority) {
            // Whoever waits for it hears of a panic; the thread goes on with others.
            let _ = catch_unwind(AssertUnwindSafe(work));
        }
    }

    fn next(&self, priority: Priority) -> Option<Work> {
        let mut queue = self.queue();
        loop {
            let (next, changed) = match priority {
                Priority::Low => (queue.next(), &self.many),
                Priority::Normal => (queue.next_single(), &self.single),
            };
            if let Some(job) = next {
                if queue.has_singles_to_spare() {
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
    /// Whether more tenants wait for their one request than the thread for these takes at once.
    fn has_singles_to_spare(&self) -> bool {
        self.singles.len() > usize::from(self.single_rests)
    }

    fn next(&mut self) -> Option<Job> {
        let single = if self.has_singles_to_spare() { self.singles.pop_front() } else { None };
        single.or_else(|| self.many.turn(first).flatten())
    }

    fn next_single(&mut self) -> Option<Job> {
        let next = self.singles.pop_front();
        self.single_rests = next.is_none();
        next
    }
}

impl UnderWay {
    fn new(shared: &Arc<Shared>, tenant: TenantId) -> Self {
        let mut queue = shared.queue();
        let under_way = queue.under_way.entry(tenant).or_default();
        *under_way += 1;
        Self { shared: Arc::clone(shared), tenant, single: *under_way == 1 }
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

/// On Linux priorities are of threads; elsewhere of processes, which have to be left alone.
fn yield_to_others() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::nice(NICENESS) {
        tracing::warn!(%error, "threads that decode have the priority of all others");
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.queue().ended = true;
        self.0.many.notify_all();
        self.0.single.notify_all();
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

    use futures::FutureExt as _;
    use futures::future::{BoxFuture, join_all};

    use super::*;

    const NOISY: TenantId = TenantId(1);
    const QUIET: TenantId = TenantId(2);
    const OTHER: TenantId = TenantId(3);

    /// A pool with one thread that yields; the noisy tenant keeps it busy, and the thread for singles too, until each is released.
    struct BusyPool {
        pool: DecodePool,
        yielding: mpsc::Sender<()>,
        single: mpsc::Sender<()>,
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
        let ((single, first), (yielding, second)) = (busy(), busy());
        BusyPool { pool, yielding, single, _waiting: [first, second] }
    }

    /// Starts work of tenants, and tells who was served when all is done.
    async fn served(pool: &DecodePool, tenants: &[TenantId], release: &mpsc::Sender<()>) -> Vec<TenantId> {
        let (done, order) = mpsc::channel();
        let waiting = tenants.iter().map(|tenant| {
            let (done, tenant) = (done.clone(), *tenant);
            pool.run(tenant, 1_000, move || done.send(tenant))
        });
        let mut all = Box::pin(join_all(waiting));
        assert!((&mut all).now_or_never().is_none());
        release.send(()).unwrap();
        all.await;
        drop(done);
        order.iter().collect()
    }

    #[tokio::test]
    async fn a_tenant_that_waits_for_one_request_passes_another_that_waits_for_many() {
        let BusyPool { pool, yielding, single: _single, _waiting } = busy_pool();
        let order = served(&pool, &[NOISY, NOISY, NOISY, QUIET], &yielding).await;
        assert_eq!(order, [QUIET, NOISY, NOISY, NOISY]);
    }

    #[tokio::test]
    async fn single_requests_do_not_wait_for_threads_that_a_flood_keeps_busy() {
        let BusyPool { pool, yielding: _yielding, single, _waiting } = busy_pool();
        assert_eq!(served(&pool, &[QUIET, OTHER], &single).await, [QUIET, OTHER]);
        assert_eq!(pool.run(QUIET, 1, || 1).await, Ok(1), "the one before is not under way any more");
    }

    #[tokio::test]
    async fn work_that_nobody_waits_for_is_not_done() {
        let BusyPool { pool, yielding: _yielding, single, _waiting } = busy_pool();
        let (done, order) = mpsc::channel();
        let gone = done.clone();
        assert!(pool.run(QUIET, 1, move || gone.send("gone")).now_or_never().is_none());
        single.send(()).unwrap();
        pool.run(OTHER, 1, move || done.send("waited for")).await.unwrap().unwrap();
        assert_eq!(order.iter().collect::<Vec<_>>(), ["waited for"]);
        assert_eq!(pool.run(QUIET, 1, || 1).await, Ok(1), "what was given up is not under way any more");
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
    async fn what_tenants_have_beside_one_request_is_decoded_nicely() {
        let priority = || rustix::process::getpriority_process(None).unwrap();
        let mine = priority();
        let BusyPool { pool, yielding, single, _waiting } = busy_pool();
        yielding.send(()).unwrap();
        assert_eq!(pool.run(NOISY, 1, priority).await, Ok((mine + NICENESS).min(19)));
        single.send(()).unwrap();
        while !pool.0.0.queue().single_rests {
            tokio::task::yield_now().await;
        }
        assert_eq!(pool.run(QUIET, 1, priority).await, Ok(mine));
        assert_eq!(priority(), mine);
    }
}
