//! The span broker of the embedded shape: a bounded hand-over inside the process.
//!
//! There is no queue that could survive a crash, so `publish` waits for the writer's commit itself.

use async_trait::async_trait;
use tokio::sync::mpsc;

use crate::span_broker::{Delivery, Envelope, Outcome, PublishError, SpanBroker, SpanDeliveries};

/// Sending half; clone it for every receiver of spans.
#[derive(Debug, Clone)]
pub struct EmbeddedSpanBroker {
    deliveries: mpsc::Sender<Delivery>,
}

/// A broker in which at most `capacity` envelopes wait for the writer; beyond that `publish` answers `Full` at once.
pub fn embedded_span_broker(capacity: usize) -> (EmbeddedSpanBroker, impl SpanDeliveries) {
    let (deliveries, receiver) = mpsc::channel(capacity);
    (EmbeddedSpanBroker { deliveries }, EmbeddedDeliveries { receiver })
}

#[async_trait]
impl SpanBroker for EmbeddedSpanBroker {
    async fn publish(&self, envelope: Envelope) -> Result<(), PublishError> {
        let (delivery, outcome) = Delivery::new(envelope);
        self.deliveries.try_send(delivery).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => PublishError::Full,
            mpsc::error::TrySendError::Closed(_) => {
                PublishError::Unavailable("the writer has stopped".to_owned())
            }
        })?;
        match outcome.await {
            Ok(Outcome::Stored) => Ok(()),
            Ok(Outcome::Retry(reason)) => Err(PublishError::Unavailable(reason)),
            Ok(Outcome::Rejected(reason)) => Err(PublishError::Rejected(reason)),
            Err(_) => Err(PublishError::Unavailable("the writer was interrupted".to_owned())),
        }
    }
}

struct EmbeddedDeliveries {
    receiver: mpsc::Receiver<Delivery>,
}

#[async_trait]
impl SpanDeliveries for EmbeddedDeliveries {
    async fn next(&mut self) -> Option<Delivery> {
        self.receiver.recv().await
    }
}

#[cfg(test)]
mod tests {
    use bennu_access::{Principal, TenantScope};
    use bennu_domain::otlp::validate_request;
    use bytes::Bytes;

    use super::*;

    fn envelope() -> Envelope {
        let scope = TenantScope::from(&Principal::of_open_deployment());
        Envelope {
            scope,
            project: None,
            request: validate_request(Bytes::new()).unwrap().request,
            gzip: None,
        }
    }

    #[tokio::test]
    async fn publish_returns_when_the_delivery_is_settled() {
        let (broker, mut deliveries) = embedded_span_broker(1);
        let publishing = tokio::spawn(async move { broker.publish(envelope()).await });
        let delivery = deliveries.next().await.unwrap();
        assert!(!publishing.is_finished());
        delivery.settlement.settle(Outcome::Stored);
        assert!(publishing.await.unwrap().is_ok());
    }

    #[tokio::test]
    async fn more_than_the_capacity_is_full_and_taking_makes_room() {
        let (broker, mut deliveries) = embedded_span_broker(1);
        let publish = || {
            let broker = broker.clone();
            tokio::spawn(async move { broker.publish(envelope()).await })
        };
        let first = publish();
        let taken = deliveries.next().await.unwrap();
        let second = publish();
        tokio::task::yield_now().await;
        assert!(matches!(broker.publish(envelope()).await, Err(PublishError::Full)));
        taken.settlement.settle(Outcome::Stored);
        deliveries.next().await.unwrap().settlement.settle(Outcome::Stored);
        first.await.unwrap().unwrap();
        second.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_dropped_delivery_and_a_stopped_writer_are_unavailable() {
        let (broker, mut deliveries) = embedded_span_broker(1);
        let publishing = tokio::spawn({
            let broker = broker.clone();
            async move { broker.publish(envelope()).await }
        });
        drop(deliveries.next().await);
        assert!(matches!(publishing.await.unwrap(), Err(PublishError::Unavailable(_))));
        drop(deliveries);
        assert!(matches!(broker.publish(envelope()).await, Err(PublishError::Unavailable(_))));
    }
}
