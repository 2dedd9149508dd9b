//! The worker as a part of a process.

use std::sync::Arc;

use actix::Arbiter;
use bennu_domain::time::SystemClock;
use bennu_kit::actor::{Guarded, Guardian};
use bennu_process::Process;
use bennu_queue::AnnotationJobs;
use bennu_store::Store;

use crate::applier::{AnnotationApplier, ApplyPolicy};

/// A running worker.
pub struct Applying {
    arbiter: Arbiter,
    applier: Guarded<AnnotationApplier>,
}

impl Applying {
    /// Starts a worker on a thread of its own, until shutdown.
    pub async fn start(
        process: &Process,
        store: &Store,
        jobs: &Arc<dyn AnnotationJobs>,
    ) -> anyhow::Result<Self> {
        let settings = &process.config.annotations;
        let policy = ApplyPolicy { patience: settings.patience, receipts: settings.receipts };
        let (store, jobs, shutdown) = (store.clone(), Arc::clone(jobs), process.shutdown.clone());
        let arbiter = Arbiter::new();
        let guardian = Guardian::new(process.readiness.clone(), process.shutdown.clone());
        let applier = guardian.guard("annotation worker", &arbiter.handle(), move || {
            let (store, jobs) = (store.clone(), Arc::clone(&jobs));
            AnnotationApplier::new(store, jobs, Arc::new(SystemClock), policy, shutdown.clone())
        });
        anyhow::ensure!(applier.running().await, "the annotation worker does not start");
        Ok(Self { arbiter, applier })
    }

    /// Waits until the batch in hand is settled.
    pub async fn end(self) {
        self.applier.ended().await;
        self.arbiter.stop();
    }
}
