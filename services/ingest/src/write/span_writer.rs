//! The actor that owns what is to be written and its deliveries: group commit.
//!
//! While a batch is being written the mailbox is closed (`ctx.wait`), so what arrives meanwhile waits in the bounded mailbox and
//! becomes the next batches, one of each tenant in turn. A lone request is written at once; under load batches grow by themselves.

use std::sync::Arc;
use std::time::Instant;

use actix::{Actor, ActorFutureExt as _, AsyncContext as _, Context, Handler, Message, WrapFuture as _};
use bennu_access::TenantScope;
use bennu_kit::telemetry::Metrics;
use bennu_queue::{Events, Settlement};
use bennu_store::{PreparedSpan, Store};

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
    flush_scheduled: bool,
}

impl SpanWriter {
    pub fn new(store: Store, events: Arc<dyn Events>, metrics: Metrics, limits: BatchLimits) -> Self {
        Self { store, events, metrics, batches: Batches::new(limits), flush_scheduled: false }
    }

    fn flush(&mut self, context: &mut Context<Self>) {
        let Some((scope, batch)) = self.batches.next(Instant::now()) else { return };
        let (store, events) = (self.store.clone(), Arc::clone(&self.events));
        let flushing = flush(store, events, self.metrics.clone(), scope, batch);
        context.wait(flushing.into_actor(self));
        if !self.batches.is_empty() {
            self.schedule_flush(context);
        }
    }

    /// Spawned futures run once the mailbox is drained: everything that is waiting joins the batches.
    fn schedule_flush(&mut self, context: &mut Context<Self>) {
        if std::mem::replace(&mut self.flush_scheduled, true) {
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
