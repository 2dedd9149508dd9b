//! The actor that owns a claimed set of jobs and their lease.
//!
//! It applies one set at a time. The one before is settled meanwhile, and the next one claimed and read, so that the database
//! waits neither for the queue nor for the disk. What is not claimed waits in the queue, where other workers may have it.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use actix::ActorFutureExt as _;
use actix::{Actor, ActorContext as _, AsyncContext as _, Context, Handler, Message, WrapFuture as _};
use bennu_domain::time::{Clock, Timestamp};
use bennu_kit::lifecycle::Shutdown;
use bennu_queue::{AnnotationJobs, ClaimedJob};
use bennu_store::Store;
use tokio::time::Instant;

use crate::apply::{Applied, apply_claimed};

/// Annotations in one transaction: the more there are, the fewer pages of indexes are written for each, but the longer all
/// others wait who write; on SQLite these take about 30 ms.
pub(crate) const ITEMS_A_TRANSACTION: usize = 8_000;
/// Jobs claimed at once. Many hold a single annotation; of full ones the bytes of a claim bring some transactions.
const JOBS_A_CLAIM: usize = 1_000;
/// A set of fewer annotations is all that was due when it was claimed: a claim that leaves something brings that many, unless they
/// are long.
const SMALL_SET: usize = JOBS_A_CLAIM;
/// Small sets begin no more often than this, so that what comes in a burst is written together. One annotation alone is applied at
/// once.
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
    in_hand: InHand,
}

struct InHand {
    /// To be applied next.
    claimed: Vec<ClaimedJob>,
    /// It was claimed while many were applied. By now there may be many again.
    beside_many: bool,
    applied: Applied,
}

impl InHand {
    fn claimed(claimed: Vec<ClaimedJob>) -> Self {
        Self { claimed, beside_many: false, applied: Applied::nothing() }
    }

    fn is_empty(&self) -> bool {
        self.claimed.is_empty() && self.applied.ended.is_empty()
    }
}

/// What the work needs, without the actor.
#[derive(Clone)]
pub(crate) struct Worker {
    pub store: Store,
    pub jobs: Arc<dyn AnnotationJobs>,
    pub clock: Arc<dyn Clock>,
    pub policy: ApplyPolicy,
    pub shutdown: Shutdown,
}

impl AnnotationApplier {
    pub fn new(
        store: Store,
        jobs: Arc<dyn AnnotationJobs>,
        clock: Arc<dyn Clock>,
        policy: ApplyPolicy,
        shutdown: Shutdown,
    ) -> Self {
        Self { worker: Worker { store, jobs, clock, policy, shutdown }, in_hand: InHand::claimed(Vec::new()) }
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
        let in_hand = std::mem::replace(&mut self.in_hand, InHand::claimed(Vec::new()));
        // What is claimed is applied and settled.
        let worker = self.worker.clone();
        if worker.shutdown.is_fired() && in_hand.is_empty() {
            let releasing = async move { worker.release().await };
            context.wait(releasing.into_actor(self).map(|(), _, context: &mut Context<Self>| context.stop()));
            return;
        }
        let working = async move { worker.work(in_hand).await };
        context.wait(working.into_actor(self).map(|in_hand, applier, context: &mut Context<Self>| {
            applier.in_hand = in_hand;
            context.notify(Work);
        }));
    }
}

impl Worker {
    /// Applies jobs that are claimed, or else claims some. Answers what it then has in hand.
    async fn work(&self, InHand { claimed, beside_many, applied }: InHand) -> InHand {
        if claimed.is_empty() {
            return InHand::claimed(self.settle_and_claim(applied).await);
        }
        let items: usize = claimed.iter().map(|claimed| claimed.job.items.len()).sum();
        let many = items >= SMALL_SET;
        if many || beside_many {
            let (claimed, applied) = tokio::join!(self.settle_and_claim(applied), self.apply(claimed));
            return InHand { claimed, beside_many: many, applied };
        }
        let next = Instant::now() + BETWEEN_SMALL_SETS;
        let ((), applied) = tokio::join!(self.settle(applied), self.apply(claimed));
        self.settle(applied).await;
        self.rest_until(next).await;
        InHand::claimed(Vec::new())
    }

    /// One after the other, so that no more than two sets are unsettled.
    async fn settle_and_claim(&self, applied: Applied) -> Vec<ClaimedJob> {
        self.settle(applied).await;
        self.claim().await
    }

    async fn settle(&self, Applied { ended, done }: Applied) {
        if ended.is_empty() {
            return;
        }
        if let Err(error) = self.jobs.settle(ended, done).await {
            self.rest_after(&error).await;
        }
    }

    /// Given up at shutdown.
    async fn claim(&self) -> Vec<ClaimedJob> {
        let claimed = tokio::select! {
            claimed = self.jobs.claim(JOBS_A_CLAIM) => claimed,
            _ = self.shutdown.fired() => return Vec::new(),
        };
        match claimed {
            Ok(claimed) => claimed,
            Err(error) => {
                self.rest_after(&error).await;
                Vec::new()
            }
        }
    }

    async fn release(&self) {
        if let Err(error) = self.jobs.release().await {
            tracing::warn!(%error, "some annotations are applied only when their lease is over");
        }
    }

    async fn apply(&self, claimed: Vec<ClaimedJob>) -> Applied {
        match apply_claimed(self, claimed).await {
            Ok(applied) => applied,
            Err(error) => {
                self.rest_after(&error).await;
                Applied::nothing()
            }
        }
    }

    async fn rest_after(&self, error: &dyn Error) {
        tracing::error!(%error, "annotations are not applied for now");
        self.rest_until(Instant::now() + PAUSE_AFTER_FAULT).await;
    }

    async fn rest_until(&self, next: Instant) {
        tokio::select! {
            () = tokio::time::sleep_until(next) => {}
            _ = self.shutdown.fired() => {}
        }
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
