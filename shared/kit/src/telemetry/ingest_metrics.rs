//! What came in, and what became of it.

use prometheus::{IntCounter, IntCounterVec, Opts, Registry};

/// `bennu_ingest_…`
#[derive(Clone)]
pub struct IngestMetrics {
    received: IntCounter,
    accepted: IntCounter,
    rejected: IntCounterVec,
    duplicates: IntCounter,
}

impl IngestMetrics {
    pub(super) fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let rejected = Opts::new("bennu_ingest_spans_rejected_total", "Spans refused, by reason.");
        let metrics = Self {
            received: IntCounter::new(
                "bennu_ingest_received_bytes_total",
                "Bytes of requests received, inflated.",
            )?,
            accepted: IntCounter::new("bennu_ingest_spans_accepted_total", "Spans acknowledged.")?,
            rejected: IntCounterVec::new(rejected, &["reason"])?,
            duplicates: IntCounter::new(
                "bennu_ingest_spans_duplicate_total",
                "Spans that were stored before.",
            )?,
        };
        registry.register(Box::new(metrics.received.clone()))?;
        registry.register(Box::new(metrics.accepted.clone()))?;
        registry.register(Box::new(metrics.rejected.clone()))?;
        registry.register(Box::new(metrics.duplicates.clone()))?;
        Ok(metrics)
    }

    /// Bytes of a request after inflation: over gRPC its size on the wire is not known.
    pub fn received(&self, bytes: u64) {
        self.received.inc_by(bytes);
    }

    pub fn accepted(&self, spans: u64) {
        self.accepted.inc_by(spans);
    }

    /// `reason` is a word of the code, never of the client: it becomes a label.
    pub fn rejected(&self, reason: &'static str, spans: u64) {
        self.rejected.with_label_values(&[reason]).inc_by(spans);
    }

    pub fn duplicates(&self, spans: u64) {
        self.duplicates.inc_by(spans);
    }
}
