//! Counts of one process.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bennu_domain::time::{Clock, Timestamp};
use moka::sync::Cache;

use super::{AccountLimit, AddressLimit, LogInCounts, LogInCountsAway};

/// Addresses and accounts remembered; beyond it the least used are forgotten.
const REMEMBERED: u64 = 100_000;

/// Counts in memory. Cheap to clone.
#[derive(Clone)]
pub struct MemoryLogInCounts {
    addresses: Cache<String, Arc<Mutex<Bucket>>>,
    accounts: Cache<String, Arc<Mutex<Failures>>>,
    clock: Arc<dyn Clock>,
}

struct Bucket {
    attempts: f64,
    at: Timestamp,
}

struct Failures {
    count: u32,
    last: Timestamp,
}

impl MemoryLogInCounts {
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { addresses: Cache::new(REMEMBERED), accounts: Cache::new(REMEMBERED), clock }
    }
}

#[async_trait]
impl LogInCounts for MemoryLogInCounts {
    async fn attempt(&self, address: &str, limit: AddressLimit) -> Result<Option<Duration>, LogInCountsAway> {
        let now = self.clock.now();
        let most = f64::from(limit.attempts);
        let full = || Arc::new(Mutex::new(Bucket { attempts: most, at: now }));
        let bucket = self.addresses.get_with_by_ref(address, full);
        let mut bucket = bucket.lock().unwrap_or_else(PoisonError::into_inner);
        let passed = Duration::from_micros(u64::try_from(now.0.saturating_sub(bucket.at.0)).unwrap_or(0));
        bucket.attempts = (bucket.attempts + passed.div_duration_f64(limit.every)).min(most);
        bucket.at = now;
        if bucket.attempts < 1.0 {
            return Ok(Some(limit.every.mul_f64(1.0 - bucket.attempts)));
        }
        bucket.attempts -= 1.0;
        Ok(None)
    }

    async fn is_locked(&self, account: &str, limit: AccountLimit) -> Result<bool, LogInCountsAway> {
        let Some(failed) = self.accounts.get(account) else { return Ok(false) };
        let failed = failed.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(failed.count >= limit.failures && self.clock.now() < failed.last.after(limit.locked_for))
    }

    async fn failed(&self, account: &str, limit: AccountLimit) -> Result<(), LogInCountsAway> {
        let now = self.clock.now();
        let first = || Arc::new(Mutex::new(Failures { count: 0, last: now }));
        let failed = self.accounts.get_with_by_ref(account, first);
        let mut failed = failed.lock().unwrap_or_else(PoisonError::into_inner);
        let forgotten = now >= failed.last.after(limit.locked_for);
        failed.count = if forgotten { 1 } else { failed.count.saturating_add(1) };
        failed.last = now;
        Ok(())
    }

    async fn clear(&self, account: &str) -> Result<(), LogInCountsAway> {
        self.accounts.invalidate(account);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use bennu_testkit::clock::ManualClock;

    use super::*;

    #[tokio::test]
    async fn an_address_has_twelve_attempts_and_gets_one_back_every_five_seconds() {
        let clock = ManualClock::at(Timestamp(0));
        let counts = MemoryLogInCounts::new(Arc::new(clock.clone()));
        let limit = AddressLimit { attempts: 12, every: Duration::from_secs(5) };
        let attempt = async |address| counts.attempt(address, limit).await.unwrap();
        for _ in 0..12 {
            assert_eq!(attempt("one").await, None);
        }
        assert_eq!(attempt("one").await, Some(Duration::from_secs(5)));
        assert_eq!(attempt("another").await, None);
        clock.advance(Duration::from_secs(5));
        assert_eq!(attempt("one").await, None);
        assert!(attempt("one").await.is_some());
    }

    #[tokio::test]
    async fn an_account_is_locked_until_five_minutes_after_the_last_failure() {
        let clock = ManualClock::at(Timestamp(0));
        let counts = MemoryLogInCounts::new(Arc::new(clock.clone()));
        let limit = AccountLimit { failures: 2, locked_for: Duration::from_mins(5) };
        let is_locked = async || counts.is_locked("a@b", limit).await.unwrap();
        counts.failed("a@b", limit).await.unwrap();
        clock.advance(Duration::from_mins(4));
        counts.failed("a@b", limit).await.unwrap();
        clock.advance(Duration::from_mins(4));
        assert!(is_locked().await);
        clock.advance(Duration::from_mins(1));
        assert!(!is_locked().await);
        counts.failed("a@b", limit).await.unwrap();
        assert!(!is_locked().await, "earlier failures are forgotten");
    }
}
