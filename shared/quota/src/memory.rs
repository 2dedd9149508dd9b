//! Buckets of one process.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bennu_domain::ids::TenantId;
use bennu_domain::time::{Clock, Timestamp};
use moka::sync::Cache;

use crate::buckets::{BURST_SECONDS, BucketsAway, Demand, Taken, TokenBuckets};

/// Buckets in use at a time; one that is forgotten is full again.
const REMEMBERED: u64 = 100_000;

/// Buckets in memory. Cheap to clone.
#[derive(Clone)]
pub struct MemoryBuckets {
    buckets: Cache<(TenantId, String), Arc<Mutex<Bucket>>>,
    clock: Arc<dyn Clock>,
}

/// Tokens in millionths: a rate fills so many a microsecond.
struct Bucket {
    millionths: i128,
    at: Timestamp,
}

impl MemoryBuckets {
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { buckets: Cache::new(REMEMBERED), clock }
    }
}

#[async_trait]
impl TokenBuckets for MemoryBuckets {
    async fn take(&self, tenant: TenantId, demands: &[Demand]) -> Result<Taken, BucketsAway> {
        let now = self.clock.now();
        let full = |demand: &Demand| {
            let bucket = Bucket { millionths: most(demand), at: now };
            self.buckets.get_with((tenant, demand.bucket.clone()), || Arc::new(Mutex::new(bucket)))
        };
        let buckets: Vec<_> = demands.iter().map(full).collect();
        // Always locked in the order in which callers name them, which is the same for all.
        let mut buckets: Vec<MutexGuard<'_, Bucket>> =
            buckets.iter().map(|bucket| bucket.lock().unwrap_or_else(PoisonError::into_inner)).collect();
        for (position, (bucket, demand)) in buckets.iter_mut().zip(demands).enumerate() {
            let micros = i128::from(now.0.saturating_sub(bucket.at.0).max(0));
            bucket.millionths = (bucket.millionths + micros * i128::from(demand.rate)).min(most(demand));
            bucket.at = now;
            if bucket.millionths <= 0 {
                let micros = (1 - bucket.millionths) / i128::from(demand.rate.max(1)) + 1;
                let retry_after = Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX));
                return Ok(Taken::Nothing { empty: position, retry_after });
            }
        }
        for (bucket, demand) in buckets.iter_mut().zip(demands) {
            bucket.millionths -= i128::from(demand.amount) * 1_000_000;
        }
        Ok(Taken::All)
    }
}

fn most(demand: &Demand) -> i128 {
    i128::from(demand.rate) * i128::from(BURST_SECONDS) * 1_000_000
}
