//! Writes one batch: retries what may pass later, and isolates what never will.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bennu_access::TenantScope;
use bennu_kit::telemetry::Metrics;
use bennu_queue::{Event, Events, Outcome, What};
use bennu_store::{CommittedSpans, PreparedSpan, Store, StoreError};

use super::span_writer::Write;

/// Pauses before the second and later attempts: about a second and a half together, so that senders hear of a
/// lasting fault (a full disk, a lost database) before they give up. None before the second: who lost a race against another
/// batch has waited for its end already.
const PAUSES_MS: [u64; 5] = [0, 50, 150, 400, 900];

/// Writes deliveries of one tenant. Every one of them is settled, though those that were written only later: once the disk has
/// them. A batch that can never be written is halved until the deliveries at fault stand alone.
pub(super) async fn flush(
    store: Store,
    events: Arc<dyn Events>,
    metrics: Metrics,
    scope: TenantScope,
    batch: Vec<Write>,
) {
    let mut parts = vec![batch];
    while let Some(mut part) = parts.pop() {
        let spans: Vec<Arc<PreparedSpan>> =
            part.iter().flat_map(|write| write.spans.iter().cloned()).collect();
        let started = Instant::now();
        let outcome = match write_with_retries(&store, &scope, &spans).await {
            Ok(committed) => {
                metrics.writer.flushed(committed.report.inserted, started.elapsed());
                metrics.ingest.duplicates(committed.report.duplicates as u64);
                if committed.report.dropped > 0 {
                    let spans = committed.report.dropped;
                    tracing::info!(tenant = scope.tenant().0, spans, "spans of an erased tenant are dropped");
                    metrics.ingest.rejected("tenant_erased", spans as u64);
                }
                let news = Event {
                    tenant: scope.tenant(),
                    what: What::SpansStored(committed.report.inserted as u64),
                };
                // The next batch does not wait for the disk. What waits here is bounded by the budget of the receivers.
                tokio::spawn(settle_when_durable(committed, part, Arc::clone(&events), news));
                continue;
            }
            Err(error) if error.is_transient() => {
                tracing::error!(%error, deliveries = part.len(), "spans could not be stored for now");
                Outcome::Retry(error.to_string())
            }
            Err(_) if part.len() > 1 => {
                let second_half = part.split_off(part.len() / 2);
                parts.push(second_half);
                parts.push(part);
                continue;
            }
            Err(error) => {
                tracing::error!(%error, spans = spans.len(), "a request can never be stored");
                metrics.ingest.rejected("unstorable", spans.len() as u64);
                Outcome::Rejected(error.to_string())
            }
        };
        part.into_iter().for_each(|write| write.settlement.settle(outcome.clone()));
    }
}

async fn settle_when_durable(
    committed: CommittedSpans,
    writes: Vec<Write>,
    events: Arc<dyn Events>,
    news: Event,
) {
    let outcome = match committed.durable().await {
        Ok(()) => Outcome::Stored,
        Err(error) => {
            tracing::error!(%error, "committed spans may be lost");
            Outcome::Retry(error.to_string())
        }
    };
    writes.into_iter().for_each(|write| write.settlement.settle(outcome.clone()));
    if outcome == Outcome::Stored && news.what != What::SpansStored(0) {
        events.publish(news).await;
    }
}

async fn write_with_retries(
    store: &Store,
    scope: &TenantScope,
    spans: &[Arc<PreparedSpan>],
) -> Result<CommittedSpans, StoreError> {
    for pause in PAUSES_MS {
        match store.scoped(scope).commit_spans(spans.to_vec()).await {
            Err(error) if error.is_transient() => tracing::warn!(%error, "a batch is tried again"),
            settled => return settled,
        }
        tokio::time::sleep(Duration::from_millis(pause)).await;
    }
    store.scoped(scope).commit_spans(spans.to_vec()).await
}
