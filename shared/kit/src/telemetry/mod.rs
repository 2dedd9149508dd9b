//! What a process tells about itself: log lines and metrics.

mod compactor_metrics;
mod http_metrics;
mod ingest_metrics;
mod logging;
mod mail_metrics;
mod metrics;
mod process;
mod writer_metrics;

pub use compactor_metrics::CompactorMetrics;
pub use http_metrics::HttpMetrics;
pub use ingest_metrics::IngestMetrics;
pub use logging::{LoggingError, init_logging};
pub use mail_metrics::MailMetrics;
pub use metrics::{Metrics, MetricsError};
pub use writer_metrics::WriterMetrics;
