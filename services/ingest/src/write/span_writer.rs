//! The actor that owns the current batch and its deliveries: group commit.
//!
//! While a batch is being written the mailbox is closed (`ctx.wait`), so what arrives meanwhile waits in the bounded mailbox and
//! becomes the next batch. A lone request is written at once; under load batches grow by themselves.

use std::sync::Arc;

use actix::{Actor, ActorFutureExt as _, AsyncContext as _, Context, Handler, Message, WrapFuture as _};
use bennu_access::TenantScope;
use bennu_kit::telemetry::Metrics;
use bennu_queue::{Events, Settlement};
use bennu_store::{PreparedSpan, Store};

use super::flush::flush;

/// Deliveries that wait while a batch is written. The budget of the receivers bounds their bytes; this their number, far above
/// what one batch takes.
const MAILBOX: usize = 1_024;

/// When a batch is closed though more is waiting.
#[derive(Debug, Clone, Copy)]
pub struct BatchLimits {
    pub spans: usize,
    /// Of requests, inflated.
    pub bytes: usize,
}

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
    limits: BatchLimits,
    batch: Vec<Write>,
    batch_spans: usize,
    batch_bytes: usize,
    flush_scheduled: bool,
}

impl SpanWriter {
    pub fn new(store: Store, events: Arc<dyn Events>, metrics: Metrics, limits: BatchLimits) -> Self {
        Self {
            store,
            events,
            metrics,
            limits,
            batch: Vec::new(),
            batch_spans: 0,
            batch_bytes: 0,
            flush_scheduled: false,
        }
    }

    fn is_full(&self) -> bool {
        self.batch_spans >= self.limits.spans || self.batch_bytes >= self.limits.bytes
    }

    fn flush(&mut self, context: &mut Context<Self>) {
        let batch = std::mem::take(&mut self.batch);
        (self.batch_spans, self.batch_bytes) = (0, 0);
        if !batch.is_empty() {
            let flushing = flush(self.store.clone(), Arc::clone(&self.events), self.metrics.clone(), batch);
            context.wait(flushing.into_actor(self));
        }
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
        self.batch_spans += write.spans.len();
        self.batch_bytes += write.bytes;
        self.batch.push(write);
        if self.is_full() {
            self.flush(context);
        } else if !self.flush_scheduled {
            // Spawned futures run once the mailbox is drained: everything that is waiting joins the batch.
            self.flush_scheduled = true;
            let drained = std::future::ready(()).into_actor(self).map(|(), writer, context| {
                writer.flush_scheduled = false;
                writer.flush(context);
            });
            context.spawn(drained);
        }
    }
}
