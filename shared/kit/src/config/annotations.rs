//! The queue of annotations.

use std::time::Duration;

use super::variables::{ConfigError, Variables};
use super::{masked, number, seconds};

/// Where annotations are queued, and how long things take.
#[derive(Clone, PartialEq)]
pub struct AnnotationSettings {
    /// `redis://…` or `rediss://…`; a table of the database if none is given.
    pub redis_url: Option<String>,
    /// Insist on a Redis that syncs every write.
    pub redis_syncs_every_write: bool,
    /// Replicas of Redis that must have a job before it is acknowledged.
    pub redis_replicas: u32,
    /// Jobs in the queue; more are refused.
    pub queue_jobs: usize,
    /// After this a job of a dead worker is given to another.
    pub lease: Duration,
    /// How long a missing target is waited for.
    pub patience: Duration,
    /// How long receipts are kept.
    pub receipts: Duration,
}

impl std::fmt::Debug for AnnotationSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let redis_url = self.redis_url.as_deref().map(masked);
        f.debug_struct("AnnotationSettings").field("redis_url", &redis_url).finish_non_exhaustive()
    }
}

pub(super) fn read(vars: &Variables) -> Result<AnnotationSettings, ConfigError> {
    Ok(AnnotationSettings {
        redis_url: vars.read("BENNU_ANNOTATION_QUEUE_URL", redis_url)?,
        redis_syncs_every_write: vars.read("BENNU_ANNOTATION_QUEUE_SYNC", sync)?,
        redis_replicas: vars.read("BENNU_ANNOTATION_QUEUE_REPLICAS", |v| number(v, 0..=100))?,
        queue_jobs: vars.read("BENNU_ANNOTATION_QUEUE_JOBS", |v| number(v, 1..=100_000_000))?,
        lease: vars.read("BENNU_ANNOTATION_LEASE_SECONDS", seconds(1..=3_600))?,
        patience: vars.read("BENNU_ANNOTATION_PATIENCE_SECONDS", seconds(0..=86_400))?,
        receipts: vars.read("BENNU_ANNOTATION_RECEIPT_SECONDS", seconds(60..=31_536_000))?,
    })
}

pub(super) fn redis_url(value: &str) -> Result<Option<String>, String> {
    match value {
        "" => Ok(None),
        url if ["redis://", "rediss://"].iter().any(|scheme| url.starts_with(scheme)) => {
            Ok(Some(url.to_owned()))
        }
        _ => Err("a URL such as redis://:password@host:6379/0, or rediss:// with TLS".to_owned()),
    }
}

fn sync(value: &str) -> Result<bool, String> {
    match value {
        "everysec" => Ok(false),
        "always" => Ok(true),
        _ => Err("everysec or always".to_owned()),
    }
}
