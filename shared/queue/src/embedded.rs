//! The span broker of the embedded shape: a bounded hand-over inside the process.
//!
//! There is no queue that could survive a crash, so `publish` waits for the writer's commit itself.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::{Semaphore, mpsc};

use crate::span_broker::{Delivery, Envelope, Outcome, PublishError, SpanBroker, SpanDeliveries};

/// Sending half; clone it for every receiver of spans.
#[derive(Debug, Clone)]
pub struct EmbeddedSpanBroker {
    deliveries: mpsc::Sender<Delivery>,
    /// One permit a KiB of request that is received but not yet stored.
    budget: Arc<Semaphore>,
    budget_kib: u32,
}

/// Envelopes smaller than this still cost so much: it bounds their number together with the budget.
const SMALLEST_KIB: u32 = 4;

/// A broker that holds at most `buffer_bytes` of requests; beyond that `publish` answers `Full` at once.
pub fn embedded_span_broker(buffer_bytes: usize) -> (EmbeddedSpanBroker, impl SpanDeliveries) {
    let budget_kib = u32::try_from(buffer_bytes / 1024).unwrap_or(u32::MAX / 2).max(SMALLEST_KIB);
    let (deliveries, receiver) = mpsc::channel((budget_kib / SMALLEST_KIB) as usize);
    let budget = Arc::new(Semaphore::new(budget_kib as usize));
    (EmbeddedSpanBroker { deliveries, budget, budget_kib }, EmbeddedDeliveries { receiver })
}

impl EmbeddedSpanBroker {
    /// Bytes of requests that wait for their commit.
    pub fn queued_bytes(&self) -> usize {
        (self.budget_kib as usize).saturating_sub(self.budget.available_permits()) * 1024
    }
}

#[async_trait]
impl SpanBroker for EmbeddedSpanBroker {
    async fn publish(&self, envelope: Envelope) -> Result<(), PublishError> {
        let kib = u32::try_from(envelope.request.len() / 1024).unwrap_or(u32::MAX).max(SMALLEST_KIB);
        // A request larger than the whole buffer passes alone, else it could never pass.
        let permits = kib.min(self.budget_kib);
        let _held = self.budget.try_acquire_many(permits).map_err(|_| PublishError::Full)?;
        let (delivery, outcome) = Delivery::new(envelope);
        self.deliveries.try_send(delivery).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => PublishError::Full,
            mpsc::error::TrySendError::Closed(_) => PublishError::Unavailable("the writer has stopped".to_owned()),
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
    use bytes::Bytes;

    use super::*;

    fn envelope(bytes: usize) -> Envelope {
        let scope = TenantScope::from(&Principal::of_open_deployment());
        Envelope { scope, project: None, request: Bytes::from(vec![0; bytes]) }
    }

    #[tokio::test]
    async fn publish_returns_when_the_delivery_is_settled() {
        let (broker, mut deliveries) = embedded_span_broker(1 << 20);
        let publishing = tokio::spawn(async move { broker.publish(envelope(10)).await });
        let delivery = deliveries.next().await.unwrap();
        assert!(!publishing.is_finished());
        delivery.settle(Outcome::Stored);
        assert!(publishing.await.unwrap().is_ok());
    }

    #[tokio::test]
    async fn more_than_the_buffer_is_full_and_settling_makes_room() {
        let (broker, mut deliveries) = embedded_span_broker(100 * 1024);
        let first = tokio::spawn({
            let broker = broker.clone();
            async move { broker.publish(envelope(90 * 1024)).await }
        });
        let delivery = deliveries.next().await.unwrap();
        assert!(matches!(broker.publish(envelope(20 * 1024)).await, Err(PublishError::Full)));
        delivery.settle(Outcome::Stored);
        first.await.unwrap().unwrap();
        assert_eq!(broker.queued_bytes(), 0);
    }

    #[tokio::test]
    async fn a_dropped_delivery_and_a_stopped_writer_are_unavailable() {
        let (broker, mut deliveries) = embedded_span_broker(1 << 20);
        let publishing = tokio::spawn({
            let broker = broker.clone();
            async move { broker.publish(envelope(1)).await }
        });
        drop(deliveries.next().await);
        assert!(matches!(publishing.await.unwrap(), Err(PublishError::Unavailable(_))));
        drop(deliveries);
        assert!(matches!(broker.publish(envelope(1)).await, Err(PublishError::Unavailable(_))));
    }
}
