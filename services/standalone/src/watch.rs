//! Looks after the process: whether the database answers, and how full the queue is.

use std::time::Duration;

use bennu_ingest::receive::Budget;
use bennu_kit::lifecycle::{Check, Shutdown};
use bennu_kit::telemetry::Metrics;
use bennu_store::Store;

/// Often enough for a load balancer that asks `/readyz` every few seconds.
const PERIOD: Duration = Duration::from_secs(2);

/// Runs until shutdown.
pub(crate) async fn watch(
    store: Store,
    database: Check,
    budget: Budget,
    metrics: Metrics,
    shutdown: Shutdown,
) {
    while !shutdown.is_fired() {
        metrics.writer.queue_bytes(budget.held_bytes());
        match store.ping().await {
            Ok(()) => database.ready(),
            Err(error) => database.missing(error.to_string()),
        }
        tokio::select! {
            _ = shutdown.fired() => {}
            () = tokio::time::sleep(PERIOD) => {}
        }
    }
}
