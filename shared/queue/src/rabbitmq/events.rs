//! Events over a topic exchange. A process has one queue for all its listeners, from its first subscription on; it is gone
//! with its connection.

use std::sync::Arc;

use async_trait::async_trait;
use bennu_domain::ids::{ProjectId, TenantId};
use bennu_proto::event::What as Wire;
use bennu_proto::{CredentialRevoked, Event as Message, ProjectChanged, SpansStored};
use futures::StreamExt as _;
use lapin::Consumer;
use lapin::options::{BasicConsumeOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use prost::Message as _;
use tokio::sync::{OnceCell, broadcast, oneshot};

use super::link::{Link, Live};
use super::topology::Topology;
use crate::events::{Event, Events, Subscription, What};

/// Events that wait on the broker for a process that stands still; then the oldest go.
const MOST_WAITING: i64 = 1_024;

/// Cheap to clone.
#[derive(Debug, Clone)]
pub struct RabbitMqEvents {
    link: Link,
    topology: Topology,
    listening: Arc<OnceCell<broadcast::Sender<Event>>>,
}

impl RabbitMqEvents {
    pub(super) fn new(link: Link, topology: Topology) -> Self {
        Self { link, topology, listening: Arc::default() }
    }

    /// Starts to listen to the broker, and returns once it does.
    async fn listen(&self) -> broadcast::Sender<Event> {
        let events = Subscription::channel();
        let (ready, listening) = oneshot::channel();
        let (link, exchange) = (self.link.clone(), self.topology.events_exchange.clone());
        tokio::spawn(relay(link, exchange, events.downgrade(), ready));
        // While the broker is away there is nothing to wait for: it is listened to once it is back.
        let _ = listening.await;
        events
    }
}

#[async_trait]
impl Events for RabbitMqEvents {
    async fn publish(&self, event: Event) {
        let Ok(live) = self.link.publishable() else { return };
        let routing_key = match event.what {
            What::SpansStored(_) => "spans.stored",
            What::ProjectChanged(_) => "project.changed",
            What::CredentialRevoked(_) => "credential.revoked",
        };
        let message = into_message(event).encode_to_vec();
        if let Err(error) = live.tell(&self.topology.events_exchange, routing_key, &message).await {
            tracing::debug!(%error, "an event was not told");
        }
    }

    async fn subscribe(&self) -> Subscription {
        Subscription::to(self.listening.get_or_init(|| self.listen()).await)
    }
}

/// Passes events on over one connection after the other, until nobody can listen any more.
async fn relay(
    link: Link,
    exchange: String,
    events: broadcast::WeakSender<Event>,
    ready: oneshot::Sender<()>,
) {
    let (mut last, mut ready) = (None, Some(ready));
    if link.live().is_err() {
        ready = None;
    }
    while let Some(live) = link.next_live(last.as_ref()).await {
        if let Ok(mut consumer) = start_consumer(&live, &exchange).await {
            drop(ready.take());
            while let Some(Ok(message)) = consumer.next().await {
                let Some(events) = events.upgrade() else { return };
                let event = Message::decode(message.data.as_slice()).ok().and_then(from_message);
                // An event of a newer version is none of ours; an error means that nobody listens.
                let _ = event.map(|event| events.send(event));
            }
        }
        live.give_up();
        last = Some(live);
    }
}

async fn start_consumer(live: &Live, exchange: &str) -> lapin::Result<Consumer> {
    let channel = live.channel().await?;
    let own = QueueDeclareOptions { exclusive: true, auto_delete: true, ..Default::default() };
    let mut bound = FieldTable::default();
    bound.insert("x-max-length".into(), AMQPValue::LongLongInt(MOST_WAITING));
    let queue = channel.queue_declare("".into(), own, bound).await?;
    let (name, binding) = (queue.name().clone(), (QueueBindOptions::default(), FieldTable::default()));
    channel.queue_bind(name.clone(), exchange.into(), "#".into(), binding.0, binding.1).await?;
    let unacknowledged = BasicConsumeOptions { no_ack: true, ..Default::default() };
    channel.basic_consume(name, "".into(), unacknowledged, FieldTable::default()).await
}

fn into_message(Event { tenant, what }: Event) -> Message {
    let what = match what {
        What::SpansStored(spans) => Wire::SpansStored(SpansStored { spans }),
        What::ProjectChanged(project) => Wire::ProjectChanged(ProjectChanged { project: project.0 }),
        What::CredentialRevoked(credential) => Wire::CredentialRevoked(CredentialRevoked { credential }),
    };
    Message { tenant: tenant.0, what: Some(what) }
}

fn from_message(Message { tenant, what }: Message) -> Option<Event> {
    let what = match what? {
        Wire::SpansStored(SpansStored { spans }) => What::SpansStored(spans),
        Wire::ProjectChanged(ProjectChanged { project }) => What::ProjectChanged(ProjectId(project)),
        Wire::CredentialRevoked(CredentialRevoked { credential }) => What::CredentialRevoked(credential),
    };
    Some(Event { tenant: TenantId(tenant), what })
}
