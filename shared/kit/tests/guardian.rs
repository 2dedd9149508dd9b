//! Actors that panic come back, actors that stop do not, and an actor that cannot be kept running ends the process.

#![allow(clippy::unwrap_used, clippy::expect_used)] // clippy knows only functions marked as tests, not their helpers

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use actix::{
    Actor, ActorContext as _, Arbiter, AsyncContext as _, Context, Handler, Message, WrapFuture as _,
};
use bennu_kit::actor::{Guarded, Guardian, RestartPolicy, SendFailed};
use bennu_kit::lifecycle::{Readiness, Shutdown};
use tokio::sync::oneshot;

/// Knows which start it is.
struct Worker {
    start: usize,
}

impl Actor for Worker {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(1);
    }
}

#[derive(Message)]
#[rtype(result = "usize")]
struct WhichStart;

#[derive(Message)]
#[rtype(result = "()")]
enum End {
    PanicNow,
    PanicWhileWaiting,
    Stop,
}

/// Keeps the mailbox closed until the sender is dropped.
#[derive(Message)]
#[rtype(result = "()")]
struct Hold(oneshot::Receiver<()>);

impl Handler<WhichStart> for Worker {
    type Result = usize;

    fn handle(&mut self, _: WhichStart, _: &mut Self::Context) -> usize {
        self.start
    }
}

impl Handler<End> for Worker {
    type Result = ();

    fn handle(&mut self, end: End, ctx: &mut Self::Context) {
        match end {
            End::PanicNow => panic!("in a handler"),
            End::PanicWhileWaiting => {
                let failing = async {
                    tokio::task::yield_now().await;
                    panic!("in a wait future")
                };
                ctx.wait(failing.into_actor(self));
            }
            End::Stop => ctx.stop(),
        }
    }
}

impl Handler<Hold> for Worker {
    type Result = ();

    fn handle(&mut self, hold: Hold, ctx: &mut Self::Context) {
        let released = async {
            let _ = hold.0.await;
        };
        ctx.wait(released.into_actor(self));
    }
}

struct Guarding {
    worker: Guarded<Worker>,
    readiness: Readiness,
    shutdown: Shutdown,
    /// Stopped when the test ends.
    arbiter: Arbiter,
}

impl Drop for Guarding {
    fn drop(&mut self) {
        self.arbiter.stop();
    }
}

async fn guarding(restarts: usize) -> Guarding {
    let (readiness, shutdown, arbiter) = (Readiness::new(), Shutdown::new(), Arbiter::new());
    let ms = Duration::from_millis(1);
    let policy =
        RestartPolicy { restarts, window: Duration::from_mins(10), first_wait: ms, longest_wait: ms };
    let starts = Arc::new(AtomicUsize::new(0));
    let guardian = Guardian::new(readiness.clone(), shutdown.clone()).with_policy(policy);
    let worker = guardian.guard("worker", &arbiter.handle(), move || Worker {
        start: starts.fetch_add(1, Ordering::SeqCst) + 1,
    });
    let guarding = Guarding { worker, readiness, shutdown, arbiter };
    assert!(guarding.worker.running().await);
    guarding
}

async fn until_start(worker: &Guarded<Worker>, start: usize) {
    until(|| async move { worker.send(WhichStart).await == Ok(start) }).await;
}

/// Asks again until the answer is yes, for at most ten seconds.
async fn until<F: Future<Output = bool>>(mut condition: impl FnMut() -> F) {
    let asking = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), asking).await.expect("the condition holds in time");
}

#[actix::test]
async fn a_panic_in_a_handler_is_followed_by_a_fresh_actor() {
    let guarding = guarding(5).await;
    assert_eq!(guarding.worker.send(End::PanicNow).await, Err(SendFailed::Down));
    until_start(&guarding.worker, 2).await;
    assert_eq!(guarding.readiness.missing(), []);
    assert!(!guarding.shutdown.is_fired());
}

#[actix::test]
async fn a_panic_in_a_wait_future_is_followed_by_a_fresh_actor() {
    let guarding = guarding(5).await;
    for start in 2..=4 {
        guarding.worker.send(End::PanicWhileWaiting).await.unwrap();
        until_start(&guarding.worker, start).await;
    }
}

#[actix::test]
async fn clones_of_the_handle_follow_the_restart() {
    let guarding = guarding(5).await;
    let other = guarding.worker.clone();
    let _ = guarding.worker.send(End::PanicNow).await;
    until_start(&other, 2).await;
}

#[actix::test]
async fn a_spent_budget_ends_the_process() {
    let guarding = guarding(1).await;
    let _ = guarding.worker.send(End::PanicNow).await;
    until_start(&guarding.worker, 2).await;
    let _ = guarding.worker.send(End::PanicNow).await;
    guarding.worker.ended().await;
    assert_eq!(guarding.shutdown.fired().await, 1);
    assert_eq!(guarding.readiness.missing()[0].reason, "gave up after a panic: in a handler");
    assert_eq!(guarding.worker.try_send(WhichStart), Err(SendFailed::Down));
}

#[actix::test]
async fn a_deliberate_stop_is_final_and_no_failure() {
    let guarding = guarding(5).await;
    guarding.worker.send(End::Stop).await.unwrap();
    guarding.worker.ended().await;
    assert!(!guarding.worker.running().await);
    assert_eq!(guarding.worker.send(WhichStart).await, Err(SendFailed::Down));
    assert!(!guarding.shutdown.is_fired());
    assert_eq!(guarding.readiness.missing()[0].reason, "stopped");
}

#[actix::test]
async fn a_factory_that_panics_spends_the_budget() {
    let (readiness, shutdown) = (Readiness::new(), Shutdown::new());
    let ms = Duration::from_millis(1);
    let policy =
        RestartPolicy { restarts: 2, window: Duration::from_mins(10), first_wait: ms, longest_wait: ms };
    let guardian = Guardian::new(readiness.clone(), shutdown.clone()).with_policy(policy);
    let worker: Guarded<Worker> = guardian.guard("worker", &Arbiter::current(), || panic!("no file"));
    worker.ended().await;
    assert_eq!(shutdown.exit_code(), 1);
    assert_eq!(readiness.missing()[0].reason, "gave up after a panic: no file");
}

#[actix::test]
async fn a_process_that_ends_does_not_restart_its_actors() {
    let (readiness, shutdown) = (Readiness::new(), Shutdown::new());
    let hour = Duration::from_hours(1);
    let policy = RestartPolicy { restarts: 5, window: hour, first_wait: hour, longest_wait: hour };
    let guardian = Guardian::new(readiness, shutdown.clone()).with_policy(policy);
    let worker = guardian.guard("worker", &Arbiter::current(), || Worker { start: 1 });
    until_start(&worker, 1).await;
    let _ = worker.send(End::PanicNow).await;
    shutdown.fire(0);
    worker.ended().await;
    assert_eq!(shutdown.exit_code(), 0);
}

#[actix::test]
async fn a_full_mailbox_is_told_from_a_missing_actor() {
    let guarding = guarding(5).await;
    let (release, hold) = oneshot::channel();
    guarding.worker.send(Hold(hold)).await.unwrap();
    // The mailbox has room for one, however many handles there are.
    let sent: Vec<_> = (0..3).map(|_| guarding.worker.clone().try_send(WhichStart)).collect();
    assert_eq!(sent, [Ok(()), Err(SendFailed::Full), Err(SendFailed::Full)]);
    drop(release);
    until_start(&guarding.worker, 1).await;
}

#[actix::test]
async fn only_so_many_may_wait_for_an_answer() {
    let guardian = Guardian::new(Readiness::new(), Shutdown::new()).with_most_unanswered(2);
    let worker = guardian.guard("worker", &Arbiter::current(), || Worker { start: 1 });
    until_start(&worker, 1).await;
    let (release, hold) = oneshot::channel();
    worker.send(Hold(hold)).await.unwrap();
    let waiting = || {
        let worker = worker.clone();
        actix::spawn(async move { worker.send(WhichStart).await })
    };
    let (one, other, surplus) = (waiting(), waiting(), waiting());
    assert_eq!(surplus.await.unwrap(), Err(SendFailed::Full));
    drop(release);
    assert_eq!((one.await.unwrap(), other.await.unwrap()), (Ok(1), Ok(1)));
}

#[actix::test]
async fn a_thread_that_has_ended_is_reported() {
    let (readiness, shutdown, arbiter) = (Readiness::new(), Shutdown::new(), Arbiter::new());
    let handle = arbiter.handle();
    arbiter.stop();
    arbiter.join().unwrap();
    let worker =
        Guardian::new(readiness.clone(), shutdown.clone()).guard("worker", &handle, || Worker { start: 1 });
    worker.ended().await;
    assert_eq!(shutdown.exit_code(), 1);
    assert_eq!(readiness.missing()[0].reason, "its thread has ended");
}
