//! Moves deliveries from the broker to the writer, preparing their spans on the way on other threads.

use std::sync::Arc;

use bennu_kit::actor::Guarded;
use bennu_queue::{Delivery, Envelope, Outcome, SpanDeliveries};
use bennu_store::{PrepareError, PreparedSpan, Store};
use futures::StreamExt as _;

use super::span_writer::{SpanWriter, Write};
use crate::decode_pool::DecodePool;

/// Deliveries between broker and writer. It has to exceed the requests of one batch, else batches stay small; the
/// budget of the receivers bounds their bytes.
const DELIVERIES_UNDER_WAY: usize = 512;

/// Consumes until the broker is closed and everything taken from it is settled.
pub async fn consume(
    deliveries: impl SpanDeliveries + 'static,
    store: Store,
    decoding: DecodePool,
    writer: Guarded<SpanWriter>,
) {
    let stream = futures::stream::unfold(deliveries, |mut deliveries| async {
        deliveries.next().await.map(|delivery| (delivery, deliveries))
    });
    stream
        .for_each_concurrent(DELIVERIES_UNDER_WAY, |delivery| {
            deliver(delivery, store.clone(), &decoding, writer.clone())
        })
        .await;
}

async fn deliver(delivery: Delivery, store: Store, decoding: &DecodePool, writer: Guarded<SpanWriter>) {
    let Delivery { envelope: Envelope { scope, project, request, .. }, settlement } = delivery;
    let bytes = request.body().len();
    let prices = match store.scoped(&scope).price_book().await {
        Ok(prices) => prices,
        Err(error) => return settlement.settle(Outcome::Retry(error.to_string())),
    };
    let preparing = decoding.run(scope.tenant(), bytes, move || {
        let spans = PreparedSpan::from_request(request, project.as_ref(), &prices)?;
        Ok::<_, PrepareError>(spans.into_iter().map(Arc::new).collect())
    });
    match preparing.await {
        Ok(Ok(spans)) => {
            // A delivery that the writer cannot take is dropped unsettled and goes back to the broker.
            if let Err(error) = writer.send(Write { scope, settlement, bytes, spans }).await {
                tracing::warn!(%error, "the span writer is away");
            }
        }
        Ok(Err(error)) => settlement.settle(Outcome::Rejected(error.to_string())),
        Err(error) => settlement.settle(Outcome::Retry(error.to_string())),
    }
}
