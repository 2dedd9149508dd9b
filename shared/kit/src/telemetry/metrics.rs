//! The metrics of a process. Handed in, never global, so that two servers in one test do not share counters.

use prometheus::{IntGaugeVec, Opts, Registry, TextEncoder};

use super::{CompactorMetrics, HttpMetrics, IngestMetrics, MailMetrics, WriterMetrics, process};

/// Cheap to clone; the clones count together.
#[derive(Clone)]
pub struct Metrics {
    registry: Registry,
    pub http: HttpMetrics,
    pub ingest: IngestMetrics,
    pub writer: WriterMetrics,
    pub compactor: CompactorMetrics,
    pub mail: MailMetrics,
}

/// A metric is named twice or wrongly: a mistake in this crate, not of the operator.
#[derive(Debug, thiserror::Error)]
#[error("metrics cannot be set up: {0}")]
pub struct MetricsError(#[from] prometheus::Error);

impl Metrics {
    pub fn new() -> Result<Self, MetricsError> {
        let registry = Registry::new();
        let build =
            IntGaugeVec::new(Opts::new("bennu_build_info", "Version that is running."), &["version"])?;
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        registry.register(Box::new(build))?;
        Ok(Self {
            http: HttpMetrics::register(&registry)?,
            ingest: IngestMetrics::register(&registry)?,
            writer: WriterMetrics::register(&registry)?,
            compactor: CompactorMetrics::register(&registry)?,
            mail: MailMetrics::register(&registry)?,
            registry,
        })
    }

    /// All metrics in the Prometheus text format.
    pub fn render(&self) -> String {
        let text = TextEncoder::new().encode_to_string(&self.registry.gather());
        let mut text = text.unwrap_or_else(|error| format!("# metrics cannot be encoded: {error}\n"));
        text.push_str(&process::render());
        text
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_happened_can_be_read_back() {
        let metrics = Metrics::new().unwrap();
        metrics.http.answered("GET", "/v1/projects", 404, Duration::from_millis(3));
        metrics.http.answered("BREW", "/v1/projects", 405, Duration::ZERO);
        metrics.ingest.received(1000);
        metrics.ingest.accepted(6);
        metrics.ingest.rejected("bad_trace_id", 2);
        metrics.ingest.duplicates(1);
        metrics.writer.flushed(6, Duration::from_millis(20));
        metrics.writer.queue_bytes(512);
        metrics.compactor.leads(true);
        metrics.compactor.compacted(3, 1, 2_000);
        metrics.compactor.swept(10, 2);
        metrics.mail.sent("welcome");
        metrics.mail.failed("invitation");
        let text = metrics.clone().render();
        for line in [
            r#"bennu_http_requests_total{method="GET",route="/v1/projects",status="4xx"} 1"#,
            r#"bennu_http_requests_total{method="other",route="/v1/projects",status="4xx"} 1"#,
            r#"bennu_http_request_seconds_count{method="GET",route="/v1/projects"} 1"#,
            "bennu_ingest_received_bytes_total 1000",
            "bennu_ingest_spans_accepted_total 6",
            r#"bennu_ingest_spans_rejected_total{reason="bad_trace_id"} 2"#,
            "bennu_ingest_spans_duplicate_total 1",
            "bennu_writer_batches_total 1",
            "bennu_writer_batch_spans_sum 6",
            "bennu_writer_flush_seconds_sum 0.02",
            "bennu_writer_queue_bytes 512",
            "bennu_compactor_leads 1",
            "bennu_compactor_traces_total 1",
            "bennu_compactor_blocks_merged_total 3",
            "bennu_compactor_blocks_archived_total 1",
            "bennu_compactor_archived_bytes_total 2000",
            "bennu_compactor_failures_total 0",
            "bennu_sweep_seen_total 10",
            "bennu_sweep_deleted_total 2",
            r#"bennu_mail_sent_total{kind="welcome"} 1"#,
            r#"bennu_mail_failed_total{kind="invitation"} 1"#,
            r#"bennu_build_info{version="0.1.0"} 1"#,
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
    }

    #[test]
    fn two_registries_do_not_share_counts() {
        let (one, other) = (Metrics::new().unwrap(), Metrics::new().unwrap());
        one.ingest.accepted(1);
        assert!(other.render().contains("bennu_ingest_spans_accepted_total 0"));
    }
}
