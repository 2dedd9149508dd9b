//! Log lines on standard error.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::config::{Config, LogFormat};

/// Logging could not start: the filter is broken, or a logger is there already.
#[derive(Debug, thiserror::Error)]
#[error("logging cannot start: {0}")]
pub struct LoggingError(#[source] Box<dyn std::error::Error + Send + Sync>);

/// Installs the process-wide logger. Only `main` calls this, once.
pub fn init_logging(config: &Config) -> Result<(), LoggingError> {
    let filter = EnvFilter::try_new(config.log.as_str()).map_err(|error| LoggingError(error.into()))?;
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let installed = match config.log_format {
        LogFormat::Text => lines.with_ansi(std::io::stderr().is_terminal()).finish().try_init(),
        LogFormat::Json => lines.json().flatten_event(true).with_span_list(false).finish().try_init(),
    };
    installed.map_err(|error| LoggingError(error.into()))
}
