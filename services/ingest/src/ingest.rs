//! Puts receivers and writers together, over the broker that the configuration names.

use std::sync::Arc;

use actix::Arbiter;
use anyhow::Context as _;
use bennu_archive::Archive;
use bennu_domain::time::SystemClock;
use bennu_kit::actor::{Guarded, Guardian};
use bennu_process::{Process, connect_broker, open_quota};
use bennu_queue::{EmbeddedEvents, Events, RabbitMq, SpanBroker, SpanDeliveries, embedded_span_broker};
use bennu_quota::Quota;
use bennu_store::Store;
use tokio::task::JoinHandle;

use crate::compact::{Compactor, Work};
use crate::decode_pool::DecodePool;
use crate::receive::{Budget, Receiver};
use crate::write::{BatchLimits, SpanWriter, consume};

/// Requests between receivers and writer within a process. Their bytes are bounded by the budget, which holds at least 4 KiB
/// for each; this only keeps the hand-over itself small.
const WAITING_REQUESTS: usize = 16_384;

/// Spans of a batch at most while several tenants wait for their commits, so that none waits long for those of another: about
/// 5 ms on SQLite, where such batches take a third more time a span.
const SHARED_BATCH_SPANS: usize = 96;

/// Between updates of the gauge that shows how full the buffer is.
const GAUGE_PERIOD: std::time::Duration = std::time::Duration::from_secs(2);

/// The running parts of ingest.
pub struct Ingest {
    /// If this process has the role.
    pub receiver: Option<Receiver>,
    /// News from the writers of all processes.
    pub events: Arc<dyn Events>,
    broker: Option<RabbitMq>,
    writing: Option<Writing>,
    compacting: Option<Compacting>,
    watching: Vec<JoinHandle<()>>,
}

struct Compacting {
    compactor: Guarded<Compactor>,
    arbiter: Arbiter,
}

struct Writing {
    consumer: JoinHandle<()>,
    arbiter: Arbiter,
}

impl Ingest {
    /// Starts the roles that the configuration names.
    pub async fn start(process: &Process, archive: Archive, store: &Store) -> anyhow::Result<Self> {
        match &process.config.broker {
            Some(url) => {
                let broker = connect_broker(&process.config, url, "bennu", archive.clone()).await?;
                Self::over_rabbitmq(process, broker, archive, store).await
            }
            None => Self::within_process(process, archive, store).await,
        }
    }

    async fn within_process(process: &Process, archive: Archive, store: &Store) -> anyhow::Result<Self> {
        let roles = process.config.ingest_roles;
        if !(roles.receiver && roles.writer) {
            let expected = "amqp://…, the broker between receivers and writers, as BENNU_INGEST_ROLES names one of them only";
            process.config.require("BENNU_BROKER_URL", expected)?;
        }
        let events: Arc<dyn Events> = Arc::new(EmbeddedEvents::new());
        let (broker, deliveries) = embedded_span_broker(WAITING_REQUESTS);
        let decoding = DecodePool::of_this_machine()?;
        let writing =
            Writing::start(process, store, deliveries, Arc::clone(&events), decoding.clone()).await?;
        let quota = open_quota(&process.config).await?;
        let (receiver, gauge) = receiver(process, Arc::new(broker), quota, decoding);
        Ok(Self {
            receiver: Some(receiver),
            events,
            broker: None,
            writing: Some(writing),
            compacting: Some(Compacting::start(process, store, archive, None).await?),
            watching: vec![gauge],
        })
    }

    async fn over_rabbitmq(
        process: &Process,
        broker: RabbitMq,
        archive: Archive,
        store: &Store,
    ) -> anyhow::Result<Self> {
        let roles = process.config.ingest_roles;
        let events: Arc<dyn Events> = Arc::new(broker.events());
        let decoding = DecodePool::of_this_machine()?;
        let probe = broker.clone();
        let mut watching = vec![process.watch("broker", move || std::future::ready(probe.health()))];
        let (writing, compacting) = if roles.writer {
            let shutdown = process.shutdown.clone();
            let stop = async move {
                shutdown.fired().await;
            };
            let deliveries = broker.span_deliveries(stop).await.context("BENNU_BROKER_URL")?;
            let writing =
                Writing::start(process, store, deliveries, Arc::clone(&events), decoding.clone()).await?;
            (Some(writing), Some(Compacting::start(process, store, archive, Some(broker.clone())).await?))
        } else {
            (None, None)
        };
        let receiver = if roles.receiver {
            let quota = open_quota(&process.config).await?;
            let (receiver, gauge) = receiver(process, Arc::new(broker.span_broker()), quota, decoding);
            watching.push(gauge);
            Some(receiver)
        } else {
            None
        };
        Ok(Self { receiver, events, broker: Some(broker), writing, compacting, watching })
    }

    /// Waits until everything in hand is settled. The receivers in use elsewhere must be gone by then.
    pub async fn end(self) -> anyhow::Result<()> {
        drop(self.receiver);
        for watching in self.watching {
            watching.await?;
        }
        if let Some(Writing { consumer, arbiter }) = self.writing {
            consumer.await?;
            arbiter.stop();
        }
        if let Some(Compacting { compactor, arbiter }) = self.compacting {
            compactor.ended().await;
            arbiter.stop();
        }
        if let Some(broker) = self.broker {
            broker.close().await;
        }
        Ok(())
    }
}

fn receiver(
    process: &Process,
    broker: Arc<dyn SpanBroker>,
    quota: Quota,
    decoding: DecodePool,
) -> (Receiver, JoinHandle<()>) {
    let (config, metrics) = (&process.config, process.metrics.clone());
    let budget = Budget::new(config.ingest_buffer_bytes, config.ingest_max_body_bytes);
    let gauge = tokio::spawn({
        let (budget, metrics, shutdown) = (budget.clone(), metrics.clone(), process.shutdown.clone());
        async move {
            while !shutdown.is_fired() {
                metrics.writer.queue_bytes(budget.held_bytes());
                tokio::select! {
                    _ = shutdown.fired() => {}
                    () = tokio::time::sleep(GAUGE_PERIOD) => {}
                }
            }
        }
    });
    (Receiver::new(broker, metrics, config.ingest_max_body_bytes, budget, quota, decoding), gauge)
}

impl Compacting {
    async fn start(
        process: &Process,
        store: &Store,
        archive: Archive,
        broker: Option<RabbitMq>,
    ) -> anyhow::Result<Self> {
        let (settings, metrics) = (process.config.compaction.clone(), process.metrics.compactor.clone());
        let (store, shutdown) = (store.clone(), process.shutdown.clone());
        let arbiter = Arbiter::new();
        let guardian = Guardian::new(process.readiness.clone(), process.shutdown.clone());
        let compactor = guardian.guard("compactor", &arbiter.handle(), move || {
            let (store, archive, broker) = (store.clone(), archive.clone(), broker.clone());
            let clock = Arc::new(SystemClock);
            let work = Work::new(store, archive, broker, clock, settings.clone(), metrics.clone());
            Compactor::new(work, shutdown.clone())
        });
        anyhow::ensure!(compactor.running().await, "the compactor does not start");
        Ok(Self { compactor, arbiter })
    }
}

impl Writing {
    async fn start(
        process: &Process,
        store: &Store,
        deliveries: impl SpanDeliveries + 'static,
        events: Arc<dyn Events>,
        decoding: DecodePool,
    ) -> anyhow::Result<Self> {
        let arbiter = Arbiter::new();
        let writer = guard_writer(process, &arbiter, store.clone(), events);
        anyhow::ensure!(writer.running().await, "the span writer does not start");
        Ok(Self { consumer: tokio::spawn(consume(deliveries, store.clone(), decoding, writer)), arbiter })
    }
}

fn guard_writer(
    process: &Process,
    arbiter: &Arbiter,
    store: Store,
    events: Arc<dyn Events>,
) -> Guarded<SpanWriter> {
    let config = &process.config;
    let spans = config.ingest_batch_spans;
    // Behind a broker nobody waits for the commit, and small transactions would only cost.
    let rest = config.broker.is_none();
    let shared_spans = if rest { spans.min(SHARED_BATCH_SPANS) } else { spans };
    let limits = BatchLimits { spans, shared_spans, rest, bytes: config.ingest_batch_bytes };
    let metrics = process.metrics.clone();
    let guardian = Guardian::new(process.readiness.clone(), process.shutdown.clone());
    guardian.guard("span writer", &arbiter.handle(), move || {
        SpanWriter::new(store.clone(), Arc::clone(&events), metrics.clone(), limits)
    })
}
