//! Whether a caller may send so much now.

use std::sync::Arc;
use std::time::Duration;

use bennu_access::Principal;
use bennu_domain::limits::RateLimits;

use crate::buckets::{Demand, Taken, TokenBuckets};

/// How often a tenant whose storage is full may look whether it has room again.
const STORAGE_RETRY: Duration = Duration::from_mins(1);

/// Compares what callers send with what they may send. Cheap to clone.
#[derive(Clone)]
pub struct Quota {
    buckets: Arc<dyn TokenBuckets>,
}

/// A caller sends more than it may.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("over quota: {limit}; send it again later")]
pub struct OverQuota {
    /// The limit in words.
    pub limit: String,
    pub retry_after: Duration,
}

/// A demand, with the words for its limit.
struct Limited {
    demand: Demand,
    words: String,
}

impl Quota {
    pub fn new(buckets: Arc<dyn TokenBuckets>) -> Self {
        Self { buckets }
    }

    /// Counts spans and the bytes of their body, inflated. While the buckets are away everything passes: counting must not
    /// cost spans.
    pub async fn take(&self, caller: &Principal, spans: usize, bytes: usize) -> Result<(), OverQuota> {
        let parts = caller.parts();
        if parts.storage_full {
            let limit = "the tenant stores as much as it may (stored bytes)".to_owned();
            return Err(OverQuota { limit, retry_after: STORAGE_RETRY });
        }
        let mut limited = limits("tenant", "the tenant", &parts.tenant_rates, spans, bytes);
        if let Some(name) = parts.credential.name() {
            limited.extend(limits(&name.to_string(), "the API key", &parts.key_rates, spans, bytes));
        }
        if limited.is_empty() {
            return Ok(());
        }
        let demands: Vec<Demand> = limited.iter().map(|limited| limited.demand.clone()).collect();
        match self.buckets.take(parts.tenant, &demands).await {
            Ok(Taken::All) => Ok(()),
            Ok(Taken::Nothing { empty, retry_after }) => {
                let words = limited.get(empty).map(|limited| limited.words.clone());
                Err(OverQuota { limit: words.unwrap_or_default(), retry_after })
            }
            Err(error) => {
                tracing::warn!(%error, "spans pass uncounted");
                Ok(())
            }
        }
    }
}

fn limits(bucket: &str, whose: &str, rates: &RateLimits, spans: usize, bytes: usize) -> Vec<Limited> {
    let kinds = [("spans", rates.spans_per_second, spans), ("bytes", rates.bytes_per_second, bytes)];
    let limited = kinds.into_iter().filter_map(|(unit, rate, amount)| {
        let rate = rate?.max(1);
        let demand = Demand { bucket: format!("{bucket}:{unit}"), rate, amount: amount as u64 };
        Some(Limited { demand, words: format!("{whose} may send {rate} {unit} a second") })
    });
    limited.collect()
}
