//! The span writer: how large its batches are, how long a commit takes, how much waits.

use std::time::Duration;

use prometheus::{Histogram, HistogramOpts, IntCounter, IntGauge, Registry};

/// `bennu_writer_…`
#[derive(Clone)]
pub struct WriterMetrics {
    batches: IntCounter,
    batch_spans: Histogram,
    flush_seconds: Histogram,
    queue_bytes: IntGauge,
}

impl WriterMetrics {
    pub(super) fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let spans = HistogramOpts::new("bennu_writer_batch_spans", "Spans in a batch.")
            .buckets(vec![1.0, 4.0, 16.0, 64.0, 256.0, 1024.0, 4096.0, 16384.0]);
        let seconds = HistogramOpts::new("bennu_writer_flush_seconds", "Time of a batch, to its commit.")
            .buckets(vec![0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0]);
        let metrics = Self {
            batches: IntCounter::new("bennu_writer_batches_total", "Batches committed.")?,
            batch_spans: Histogram::with_opts(spans)?,
            flush_seconds: Histogram::with_opts(seconds)?,
            queue_bytes: IntGauge::new("bennu_writer_queue_bytes", "Bytes received and not yet stored.")?,
        };
        registry.register(Box::new(metrics.batches.clone()))?;
        registry.register(Box::new(metrics.batch_spans.clone()))?;
        registry.register(Box::new(metrics.flush_seconds.clone()))?;
        registry.register(Box::new(metrics.queue_bytes.clone()))?;
        Ok(metrics)
    }

    /// Counts a committed batch.
    pub fn flushed(&self, spans: usize, took: Duration) {
        self.batches.inc();
        self.batch_spans.observe(f64::from(u32::try_from(spans).unwrap_or(u32::MAX)));
        self.flush_seconds.observe(took.as_secs_f64());
    }

    /// Sets the bytes that are received and not yet stored.
    pub fn queue_bytes(&self, bytes: usize) {
        self.queue_bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }
}
