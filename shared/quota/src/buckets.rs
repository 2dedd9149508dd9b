//! Token buckets: each fills at its rate, and holds what comes in two seconds.

use std::time::Duration;

use async_trait::async_trait;
use bennu_domain::ids::TenantId;

/// What a bucket holds at most, in seconds of its rate: exporters send what they collected for some seconds at once.
pub const BURST_SECONDS: u64 = 2;

/// What is to be taken out of a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Demand {
    /// The bucket, within its tenant.
    pub bucket: String,
    /// Tokens that it gets a second; at least 1.
    pub rate: u64,
    pub amount: u64,
}

/// What became of demands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    All,
    /// Nothing was taken, as this bucket is empty; it has something again after this time.
    Nothing {
        empty: usize,
        retry_after: Duration,
    },
}

/// The buckets cannot be reached.
#[derive(Debug, thiserror::Error)]
#[error("quotas cannot be counted: {0}")]
pub struct BucketsAway(pub String);

/// Keeps buckets. A bucket that is not empty gives whatever is asked for, and owes what it did not have: a request larger
/// than a bucket passes, and those behind it wait for longer.
#[async_trait]
pub trait TokenBuckets: Send + Sync {
    /// Takes from all buckets or from none.
    async fn take(&self, tenant: TenantId, demands: &[Demand]) -> Result<Taken, BucketsAway>;
}
