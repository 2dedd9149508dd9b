//! The sending side: `publish` returns when the broker has confirmed.

use async_trait::async_trait;
use lapin::BasicProperties;

use super::RabbitMq;
use super::link::NotTaken;
use super::packing::Packed;
use crate::span_broker::{Envelope, PublishError, SpanBroker};

/// AMQP 0-9-1: a message that survives a restart of the broker.
const PERSISTENT: u8 = 2;

/// Publishes envelopes. Cheap to clone.
#[derive(Debug, Clone)]
pub struct RabbitMqSpanBroker {
    broker: RabbitMq,
}

impl RabbitMqSpanBroker {
    pub(super) fn new(broker: RabbitMq) -> Self {
        Self { broker }
    }
}

#[async_trait]
impl SpanBroker for RabbitMqSpanBroker {
    async fn publish(&self, envelope: Envelope) -> Result<(), PublishError> {
        let RabbitMq { link, topology, packing, .. } = &self.broker;
        let live = link.publishable().map_err(|error| PublishError::Unavailable(error.to_string()))?;
        let routing_key = envelope.scope.tenant().0.to_string();
        let packed = packing.pack(envelope).await;
        let Packed { message, stored } =
            packed.map_err(|error| PublishError::Unavailable(error.to_string()))?;
        let publishing =
            live.publish(&topology.spans_exchange, &routing_key, &message, persistent(&message_id()));
        let published = tokio::select! {
            published = publishing => published,
            // A broker in need says so only when it is sent something, and confirms nothing until it is well.
            error = link.unpublishable() => Err(NotTaken::Unknown(error.to_string())),
        };
        match published {
            Ok(()) => Ok(()),
            Err(NotTaken::Full) => {
                if let Some(key) = stored {
                    packing.discard(&key).await;
                }
                Err(PublishError::Full)
            }
            // The body stays: the message may have been taken.
            Err(NotTaken::Unknown(reason)) => Err(PublishError::Unavailable(reason)),
        }
    }

    fn passes_gzip_on(&self) -> bool {
        true
    }
}

/// Names a message for the people who look after dead letters.
fn message_id() -> String {
    format!("{:016x}", fastrand::u64(..))
}

/// Properties of a message that survives a restart of the broker.
pub(super) fn persistent(message_id: &str) -> BasicProperties {
    BasicProperties::default()
        .with_delivery_mode(PERSISTENT)
        .with_content_type("application/x-protobuf".into())
        .with_message_id(message_id.into())
}
