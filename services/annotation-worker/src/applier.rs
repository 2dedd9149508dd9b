//! The actor that owns a claimed set of jobs and their lease.
//!
//! It works on one set at a time: what is not claimed waits in the queue, where other workers may have it.

use std::sync::Arc;
use std::time::Duration;

use actix::ActorFutureExt as _;
use actix::{Actor, ActorContext as _, AsyncContext as _, Context, Handler, Message, WrapFuture as _};
use bennu_domain::time::{Clock, Timestamp};
use bennu_kit::lifecycle::Shutdown;
use bennu_queue::AnnotationJobs;
use bennu_store::Store;
use tokio::time::Instant;

use crate::apply::apply_claimed;

/// Annotations in one transaction: the more there are, the fewer pages of indexes are written for each, but the longer all
/// others wait who write; on SQLite these take about 30 ms.
pub(crate) const ITEMS_A_TRANSACTION: usize = 2_000;
/// Jobs claimed at once. Many hold a single annotation; of full ones the bytes of a claim bring some transactions.
const JOBS_A_CLAIM: usize = 1_000;
/// Sets that do not fill a transaction begin no more often than this, so that what comes in a burst is written together. One
/// annotation alone is applied at once.
const BETWEEN_SMALL_SETS: Duration = Duration::from_millis(100);
/// After a failed claim or a failed batch; its jobs come up again when their lease is over.
const PAUSE_AFTER_FAULT: Duration = Duration::from_secs(1);
/// How often receipts are looked through for those that are old enough to go.
const FORGET_EVERY: Duration = Duration::from_mins(10);

/// How long things are waited for, and kept.
#[derive(Debug, Clone, Copy)]
pub struct ApplyPolicy {
    /// A missing span, trace or session is waited for this long.
    pub patience: Duration,
    /// Receipts are kept this long.
    pub receipts: Duration,
}

/// Applies annotations until shutdown.
pub struct AnnotationApplier {
    worker: Worker,
    shutdown: Shutdown,
}

/// What the work needs, without the actor.
#[derive(Clone)]
pub(crate) struct Worker {
    pub store: Store,
    pub jobs: Arc<dyn AnnotationJobs>,
    pub clock: Arc<dyn Clock>,
    pub policy: ApplyPolicy,
}

impl AnnotationApplier {
    pub fn new(
        store: Store,
        jobs: Arc<dyn AnnotationJobs>,
        clock: Arc<dyn Clock>,
        policy: ApplyPolicy,
        shutdown: Shutdown,
    ) -> Self {
        Self { worker: Worker { store, jobs, clock, policy }, shutdown }
    }
}

/// Claim, apply, settle; and then again.
#[derive(Message)]
#[rtype(result = "()")]
struct Work;

/// Drop receipts that nobody will ask for any more.
#[derive(Message)]
#[rtype(result = "()")]
struct Forget;

impl Actor for AnnotationApplier {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        context.notify(Work);
        context.notify(Forget);
    }
}

impl Handler<Work> for AnnotationApplier {
    type Result = ();

    fn handle(&mut self, _: Work, context: &mut Self::Context) {
        if self.shutdown.is_fired() {
            context.stop();
            return;
        }
        let (worker, shutdown) = (self.worker.clone(), self.shutdown.clone());
        let working = async move {
            // A claim is given up at shutdown, a batch is not: what is claimed is applied.
            let claimed = tokio::select! {
                claimed = worker.jobs.claim(JOBS_A_CLAIM) => claimed,
                _ = shutdown.fired() => return,
            };
            let begun = Instant::now();
            let applied = match claimed {
                Ok(claimed) => apply_claimed(&worker, claimed).await,
                Err(error) => Err(error),
            };
            let next = match applied {
                Ok(items) if items == 0 || items >= ITEMS_A_TRANSACTION => return,
                Ok(_) => begun + BETWEEN_SMALL_SETS,
                Err(error) => {
                    tracing::error!(%error, "annotations are not applied for now");
                    Instant::now() + PAUSE_AFTER_FAULT
                }
            };
            tokio::select! {
                () = tokio::time::sleep_until(next) => {}
                _ = shutdown.fired() => {}
            }
        };
        context.wait(working.into_actor(self).map(|(), _, context: &mut Context<Self>| context.notify(Work)));
    }
}

impl Handler<Forget> for AnnotationApplier {
    type Result = ();

    fn handle(&mut self, _: Forget, context: &mut Self::Context) {
        let Worker { store, clock, policy, .. } = self.worker.clone();
        let forgetting = async move {
            let kept = i64::try_from(policy.receipts.as_micros()).unwrap_or(i64::MAX);
            let before = Timestamp(clock.now().0.saturating_sub(kept));
            if let Err(error) = store.forget_receipts(before).await {
                tracing::warn!(%error, "old receipts stay for now");
            }
        };
        // Not beside the work: what an actor waits for keeps everything else of it from going on, an open transaction as well.
        context.wait(forgetting.into_actor(self));
        context.notify_later(Forget, FORGET_EVERY);
    }
}
