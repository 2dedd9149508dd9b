//! The threads that decode: one for each processor, shared fairly by tenants, so that a flood waits behind itself.
//!
//! They yield to all other threads. These have little to do, but many wait for it: a writer that is interrupted for the slice
//! of a thread that decodes, and again after each of its system calls, holds every tenant up.

use std::collections::VecDeque;
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

#[derive(Debug)]
struct Shared {
    queue: Mutex<Queue>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Queue {
    jobs: FairQueue<Job>,
    ended: bool,
}

/// What it costs is what it has to decode.
struct Job {
    bytes: usize,
    work: Box<dyn FnOnce() + Send>,
}

impl DecodePool {
    /// More threads than processors would take turns there, each with memory of its own.
    pub fn of_this_machine() -> std::io::Result<Self> {
        Self::start(thread::available_parallelism().map_or(1, NonZero::get))
    }

    fn start(threads: usize) -> std::io::Result<Self> {
        let shared = Arc::new(Shared { queue: Mutex::default(), changed: Condvar::new() });
        let pool = Self(Arc::new(Handle(Arc::clone(&shared))));
        for number in 0..threads {
            let shared = Arc::clone(&shared);
            thread::Builder::new().name(format!("decode-{number}")).spawn(move || shared.work())?;
        }
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
        let work = Box::new(move || {
            if !sender.is_closed() {
                let _ = sender.send(work());
            }
        });
        let Self(handle) = self;
        handle.0.queue().jobs.push(tenant, Job { bytes, work });
        handle.0.changed.notify_one();
        receiver.await.map_err(|_| GivenUp)
    }
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Works until the pool ends.
    fn work(&self) {
        yield_to_others();
        while let Some(work) = self.next() {
            // Whoever waits for it hears of a panic; the thread goes on with others.
            let _ = catch_unwind(AssertUnwindSafe(work));
        }
    }

    fn next(&self) -> Option<Box<dyn FnOnce() + Send>> {
        let mut queue = self.queue();
        loop {
            if let Some(work) = queue.jobs.turn(first).flatten() {
                return Some(work);
            }
            if queue.ended {
                return None;
            }
            queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

fn first(jobs: &mut VecDeque<Job>) -> (Option<Box<dyn FnOnce() + Send>>, usize) {
    match jobs.pop_front() {
        Some(Job { bytes, work }) => (Some(work), bytes),
        None => (None, 0),
    }
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
        self.0.changed.notify_all();
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
    use futures::future::join_all;

    use super::*;

    const NOISY: TenantId = TenantId(1);
    const QUIET: TenantId = TenantId(2);

    /// A pool of one thread, which is busy until something is sent.
    fn busy_pool() -> (DecodePool, mpsc::Sender<()>) {
        let pool = DecodePool::start(1).unwrap();
        let (release, released) = mpsc::channel();
        let busy = pool.run(NOISY, 1, move || released.recv().is_ok());
        assert!(busy.now_or_never().is_none());
        (pool, release)
    }

    #[tokio::test]
    async fn a_tenant_that_waits_for_one_request_passes_another_that_waits_for_many() {
        let (pool, release) = busy_pool();
        let (done, order) = mpsc::channel();
        let waiting = [NOISY, NOISY, NOISY, QUIET].map(|tenant| {
            let done = done.clone();
            pool.run(tenant, 1_000, move || done.send(tenant))
        });
        let mut all = Box::pin(join_all(waiting));
        assert!((&mut all).now_or_never().is_none());
        release.send(()).unwrap();
        all.await;
        drop(done);
        assert_eq!(order.iter().collect::<Vec<_>>(), [QUIET, NOISY, NOISY, NOISY]);
    }

    #[tokio::test]
    async fn work_that_nobody_waits_for_is_not_done() {
        let (pool, release) = busy_pool();
        let (done, order) = mpsc::channel();
        let gone = done.clone();
        assert!(pool.run(NOISY, 1, move || gone.send("gone")).now_or_never().is_none());
        release.send(()).unwrap();
        pool.run(NOISY, 1, move || done.send("waited for")).await.unwrap().unwrap();
        assert_eq!(order.iter().collect::<Vec<_>>(), ["waited for"]);
    }

    #[tokio::test]
    async fn a_panic_is_told_and_ends_no_thread() {
        let pool = DecodePool::start(1).unwrap();
        assert_eq!(pool.run(NOISY, 1, || -> u8 { panic!("on purpose") }).await, Err(GivenUp));
        assert_eq!(pool.run(NOISY, 1, || 1).await, Ok(1));
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn only_its_threads_are_nice() {
        let priority = || rustix::process::getpriority_process(None).unwrap();
        let (pool, mine) = (DecodePool::start(1).unwrap(), priority());
        assert_eq!(pool.run(NOISY, 1, priority).await, Ok((mine + NICENESS).min(19)));
        assert_eq!(priority(), mine);
    }
}
