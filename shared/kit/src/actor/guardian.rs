//! Starts an actor, and starts it again after a panic.
//!
//! The supervisor of actix does not catch panics. The guardian runs the actor's context as a task of its own and looks at
//! how the task ended: a panic is followed by a restart from the factory, an orderly stop is final.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use actix::{Actor, ArbiterHandle, AsyncContext as _, Context};
use tokio::sync::{Semaphore, watch};

use super::guarded::{Guarded, State};
use super::restart_policy::{RestartBudget, RestartPolicy};
use crate::lifecycle::{Check, Readiness, Shutdown};

/// Exit code of a process whose actor cannot be kept running.
const ACTOR_LOST: u8 = 1;

/// Messages to one actor that may wait for their answer: more than a server has requests in hand at full load, few enough
/// that a stuck actor is noticed by its callers.
const MOST_UNANSWERED: usize = 4096;

/// What guardians of a process report to: readiness while an actor is away, and the end of the process when its restarts
/// are spent.
#[derive(Clone)]
pub struct Guardian {
    readiness: Readiness,
    shutdown: Shutdown,
    policy: RestartPolicy,
    most_unanswered: usize,
}

impl Guardian {
    pub fn new(readiness: Readiness, shutdown: Shutdown) -> Self {
        Self { readiness, shutdown, policy: RestartPolicy::default(), most_unanswered: MOST_UNANSWERED }
    }

    #[must_use]
    pub fn with_policy(self, policy: RestartPolicy) -> Self {
        Self { policy, ..self }
    }

    /// Bound of [`Guarded::send`]: messages that wait for their answer.
    #[must_use]
    pub fn with_most_unanswered(self, most_unanswered: usize) -> Self {
        Self { most_unanswered, ..self }
    }

    /// Runs what `factory` makes on the thread of `arbiter`, under the name shown by `/readyz`. The factory is called there,
    /// once a start; a panic in it counts as one of the actor.
    pub fn guard<A, F>(&self, name: &'static str, arbiter: &ArbiterHandle, factory: F) -> Guarded<A>
    where
        A: Actor<Context = Context<A>>,
        F: Fn() -> A + Send + 'static,
    {
        let (publish, state) = watch::channel(State::Restarting);
        let (check, shutdown) = (self.readiness.check(name), self.shutdown.clone());
        let budget = RestartBudget::new(self.policy);
        let start = move || {
            let factory = Rc::new(factory);
            let watch = Watch { name, factory, publish, check, shutdown, budget };
            drop(actix::spawn(watch.keep_running()));
        };
        if !arbiter.spawn_fn(start) {
            // The sender is gone with the closure: callers see `Down`, the operator sees why.
            self.readiness.check(name).missing("its thread has ended");
            self.shutdown.fire(ACTOR_LOST);
        }
        Guarded { state, unanswered: Arc::new(Semaphore::new(self.most_unanswered)) }
    }
}

/// The care of one actor.
struct Watch<A: Actor, F> {
    name: &'static str,
    factory: Rc<F>,
    publish: watch::Sender<State<A>>,
    check: Check,
    shutdown: Shutdown,
    budget: RestartBudget,
}

impl<A, F> Watch<A, F>
where
    A: Actor<Context = Context<A>>,
    F: Fn() -> A + 'static,
{
    async fn keep_running(mut self) {
        while let Err(panic) = self.run_once().await {
            self.publish.send_replace(State::Restarting);
            tracing::error!(actor = self.name, panic, "actor panicked");
            if !self.may_restart(&panic).await {
                break;
            }
        }
        self.publish.send_replace(State::Ended);
    }

    /// Runs an actor to its end; the error is the message of a panic.
    async fn run_once(&self) -> Result<(), String> {
        let context = Context::<A>::new();
        let address = context.address();
        let factory = Rc::clone(&self.factory);
        let running = actix::spawn(async move { context.into_future(factory()).await });
        self.publish.send_replace(State::Running(address));
        self.check.ready();
        running.await.map_err(|error| match error.try_into_panic() {
            Ok(payload) => panic_message(&*payload),
            Err(error) => error.to_string(),
        })?;
        tracing::info!(actor = self.name, "actor stopped");
        self.check.missing("stopped");
        Ok(())
    }

    /// Waits as long as the budget says; false when it is spent, or the process is ending anyway.
    async fn may_restart(&mut self, panic: &str) -> bool {
        let Some(wait) = self.budget.take(Instant::now()) else {
            tracing::error!(actor = self.name, "restarts are spent, the process ends");
            self.check.missing(format!("gave up after a panic: {panic}"));
            self.shutdown.fire(ACTOR_LOST);
            return false;
        };
        self.check.missing(format!("restarting after a panic: {panic}"));
        tokio::select! {
            () = tokio::time::sleep(wait) => true,
            _ = self.shutdown.fired() => false,
        }
    }
}

fn panic_message(payload: &(dyn std::any::Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| payload.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "no message".to_owned())
}
