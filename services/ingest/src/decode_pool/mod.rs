//! The threads that decode: one for each processor, shared fairly by tenants, so that a flood waits behind itself.
//!
//! They yield to all other threads. These have little to do, but many wait for it: a writer that is interrupted for the slice
//! of a thread that decodes, and again after each of its system calls, holds every tenant up.
//!
//! One thread more does not yield: it decodes for tenants that wait for the answers to a few requests only. Beside a flood theirs
//! would be interrupted for everything that the flood has others do. While there are such tenants, one of those that yield rests:
//! two processors have so much to do for a flood then that it is taken in faster if one of them is left to whoever writes and answers.

mod queue;

use std::num::NonZero;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;

use bennu_domain::ids::TenantId;
use bennu_store::yielding::yield_to_others;
use tokio::sync::oneshot;

use self::queue::{Job, Queue, Work};

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
        handle.0.queue().begin(tenant);
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
        let now = Instant::now();
        let mut queue = self.queue();
        let waits_for_few = queue.push(tenant, job, now);
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

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.shared.queue().end(self.tenant);
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.queue().ended = true;
        self.0.many.notify_all();
        self.0.spare.notify_all();
        self.0.few.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    #[cfg(target_os = "linux")]
    use bennu_store::yielding::NICENESS;
    use futures::FutureExt as _;
    use futures::future::{BoxFuture, join_all};

    use super::queue::FEW;
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
