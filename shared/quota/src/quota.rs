//! Whether a caller may send so much now.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bennu_access::{CredentialName, Principal};
use bennu_domain::ids::TenantId;
use bennu_domain::limits::RateLimits;
use moka::sync::Cache;

use crate::buckets::{Demand, Taken, TokenBuckets};

/// How often a tenant whose storage is full may look whether it has room again.
const STORAGE_RETRY: Duration = Duration::from_mins(1);

/// Callers that are remembered to be over; one that is forgotten is counted again.
const REMEMBERED: u64 = 10_000;
/// For so long at most; then the buckets have the word again.
const REMEMBERED_FOR: Duration = Duration::from_secs(5);

/// Compares what callers send with what they may send. Cheap to clone.
#[derive(Clone)]
pub struct Quota {
    buckets: Arc<dyn TokenBuckets>,
    over: Cache<(TenantId, Option<CredentialName>), Remembered>,
}

/// What a caller was told, until when, and under which limits it holds.
#[derive(Clone)]
struct Remembered {
    limit: String,
    until: Instant,
    rates: [RateLimits; 2],
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
        let over = Cache::builder().max_capacity(REMEMBERED).time_to_live(REMEMBERED_FOR).build();
        Self { buckets, over }
    }

    /// Refuses a caller who comes again before the time that it was told, whatever it sends: to know that takes no look at the body,
    /// so that a flood over its quota costs little.
    pub fn check(&self, caller: &Principal) -> Result<(), OverQuota> {
        let Some(Remembered { limit, until, rates }) = self.over.get(&name_of(caller)) else { return Ok(()) };
        let retry_after = until.saturating_duration_since(Instant::now());
        if rates != rates_of(caller) || retry_after.is_zero() {
            return Ok(());
        }
        Err(OverQuota { limit, retry_after })
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
                let limit = words.unwrap_or_default();
                if let Some(until) = Instant::now().checked_add(retry_after) {
                    let told = Remembered { limit: limit.clone(), until, rates: rates_of(caller) };
                    self.over.insert(name_of(caller), told);
                }
                Err(OverQuota { limit, retry_after })
            }
            Err(error) => {
                tracing::warn!(%error, "spans pass uncounted");
                Ok(())
            }
        }
    }
}

fn name_of(caller: &Principal) -> (TenantId, Option<CredentialName>) {
    (caller.parts().tenant, caller.parts().credential.name())
}

fn rates_of(caller: &Principal) -> [RateLimits; 2] {
    [caller.parts().tenant_rates, caller.parts().key_rates]
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
