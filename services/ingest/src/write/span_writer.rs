//! The actor that owns what is to be written and its deliveries: group commit.
//!
//! While as many batches are being written as the database takes at once the mailbox is closed (`ctx.wait`), so what arrives
//! meanwhile waits in the bounded mailbox and becomes the next batches, one of each tenant in turn. A lone request is written at
//! once; under load batches grow by themselves.

use std::panic::resume_unwind;
use std::sync::Arc;
use std::time::Instant;

use actix::{Actor, ActorFutureExt as _, AsyncContext as _, Context, Handler, Message, WrapFuture as _};
use bennu_access::TenantScope;
use bennu_kit::telemetry::Metrics;
use bennu_queue::{Events, Settlement};
use bennu_store::{PreparedSpan, Store};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::batches::{BatchLimits, Batches};
use super::flush::flush;

/// Deliveries that wait while a batch is written. The budget of the receivers bounds their bytes; this their number, far above
/// what one batch takes.
const MAILBOX: usize = 1_024;

/// A delivery whose spans are ready to be written.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Write {
    pub scope: TenantScope,
    pub settlement: Settlement,
    /// Of the request, inflated.
    pub bytes: usize,
    pub spans: Vec<Arc<PreparedSpan>>,
}

pub struct SpanWriter {
    store: Store,
    events: Arc<dyn Events>,
    metrics: Metrics,
    batches: Batches,
    /// A permit for each batch that may be written at once.
    lanes: Arc<Semaphore>,
    flush_scheduled: bool,
    /// Whether a flush follows the rest of a tenant.
    flush_after_rest: bool,
}

impl SpanWriter {
    pub fn new(store: Store, events: Arc<dyn Events>, metrics: Metrics, limits: BatchLimits) -> Self {
        let lanes = Arc::new(Semaphore::new(store.batches_at_once()));
        let batches = Batches::new(limits);
        Self { store, events, metrics, batches, lanes, flush_scheduled: false, flush_after_rest: false }
    }

    fn flush(&mut self, context: &mut Context<Self>) {
        match Arc::clone(&self.lanes).try_acquire_owned() {
            Ok(lane) if self.is_worth(&lane) => self.write(lane, context),
            Ok(_) => {} // the end of the batch that is being written calls again
            Err(_) => {
                let lane = Arc::clone(&self.lanes).acquire_owned();
                let freed = lane.into_actor(self).map(|_, writer, context| writer.schedule_flush(context));
                context.wait(freed);
            }
        }
    }

    /// Beside others a short batch costs more than it brings: it waits for them, and grows.
    fn is_worth(&self, lane: &OwnedSemaphorePermit) -> bool {
        lane.semaphore().available_permits() + 1 == self.store.batches_at_once() || self.batches.are_long()
    }

    fn write(&mut self, lane: OwnedSemaphorePermit, context: &mut Context<Self>) {
        let began = Instant::now();
        let Some((scope, batch)) = self.batches.next(began) else { return self.await_rest(began, context) };
        let (store, events, metrics) = (self.store.clone(), Arc::clone(&self.events), self.metrics.clone());
        // A task of its own, as the others of the actor stand still while it waits for a lane.
        let writing = actix::spawn(async move {
            let _lane = lane;
            flush(store, events, metrics, scope, batch).await;
        });
        context.spawn(writing.into_actor(self).map(move |written, writer, context| {
            if let Err(error) = written
                && let Ok(panic) = error.try_into_panic()
            {
                resume_unwind(panic); // the guardian starts the actor anew
            }
            writer.batches.written(scope.tenant(), began, Instant::now());
            writer.schedule_flush(context);
        }));
        self.schedule_flush(context);
    }

    /// Only tenants that rest have something to be written.
    fn await_rest(&mut self, now: Instant, context: &mut Context<Self>) {
        let Some(rest) = self.batches.rest(now) else { return };
        if !std::mem::replace(&mut self.flush_after_rest, true) {
            context.run_later(rest, |writer, context| {
                writer.flush_after_rest = false;
                writer.schedule_flush(context);
            });
        }
    }

    /// Spawned futures run once the mailbox is drained: everything that is waiting joins the batches.
    fn schedule_flush(&mut self, context: &mut Context<Self>) {
        if self.batches.is_empty() || std::mem::replace(&mut self.flush_scheduled, true) {
            return;
        }
        let drained = std::future::ready(()).into_actor(self).map(|(), writer, context| {
            writer.flush_scheduled = false;
            writer.flush(context);
        });
        context.spawn(drained);
    }
}

impl Actor for SpanWriter {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        context.set_mailbox_capacity(MAILBOX);
    }
}

impl Handler<Write> for SpanWriter {
    type Result = ();

    fn handle(&mut self, write: Write, context: &mut Self::Context) {
        self.batches.push(write, Instant::now());
        if self.batches.is_full() {
            self.flush(context);
        } else {
            self.schedule_flush(context);
        }
    }
}
