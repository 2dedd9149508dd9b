//! How often an address may try to log in, and an account may fail to.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bennu_domain::account::Email;
use bennu_domain::time::{Clock, Timestamp};
use moka::sync::Cache;

/// Attempts that an address gets back a second, and has at most.
const ATTEMPTS_A_SECOND: f64 = 0.2;
const MOST_ATTEMPTS: f64 = 12.0;
/// How long an account stays locked, and how long failures are remembered.
const LOCKED_FOR: Duration = Duration::from_mins(5);
/// Addresses and accounts remembered; beyond it the least used are forgotten.
const REMEMBERED: u64 = 100_000;

/// Counts attempts. Cheap to clone.
#[derive(Clone)]
pub struct Throttle {
    addresses: Option<Cache<String, Arc<Mutex<Bucket>>>>,
    accounts: Option<Lockout>,
    clock: Arc<dyn Clock>,
}

#[derive(Clone)]
struct Lockout {
    attempts: u32,
    failures: Cache<String, Arc<Mutex<Failures>>>,
}

struct Failures {
    count: u32,
    last: Timestamp,
}

struct Bucket {
    tokens: f64,
    at: Timestamp,
}

impl Throttle {
    /// `rate_limit`: whether addresses are counted; `attempts`: failures after which an account is locked.
    pub fn new(rate_limit: bool, attempts: Option<u32>, clock: Arc<dyn Clock>) -> Self {
        let addresses = rate_limit.then(|| Cache::new(REMEMBERED));
        let accounts = attempts.map(|attempts| Lockout { attempts, failures: Cache::new(REMEMBERED) });
        Self { addresses, accounts, clock }
    }

    /// Whether the address may try once more; counts as an attempt.
    pub fn attempt(&self, address: &str) -> Result<(), Duration> {
        let Some(addresses) = &self.addresses else { return Ok(()) };
        let now = self.clock.now();
        let full = || Arc::new(Mutex::new(Bucket { tokens: MOST_ATTEMPTS, at: now }));
        let bucket = addresses.get_with_by_ref(address, full);
        let mut bucket = bucket.lock().unwrap_or_else(PoisonError::into_inner);
        #[expect(clippy::cast_precision_loss, reason = "a few seconds in microseconds")]
        let seconds = now.0.saturating_sub(bucket.at.0).max(0) as f64 / 1e6;
        bucket.tokens = (bucket.tokens + seconds * ATTEMPTS_A_SECOND).min(MOST_ATTEMPTS);
        bucket.at = now;
        if bucket.tokens < 1.0 {
            return Err(Duration::from_secs_f64((1.0 - bucket.tokens) / ATTEMPTS_A_SECOND));
        }
        bucket.tokens -= 1.0;
        Ok(())
    }

    /// Whether nobody may log in to the account at the moment, known or not.
    pub fn is_locked(&self, email: &Email) -> bool {
        let Some(Lockout { attempts, failures }) = &self.accounts else { return false };
        let Some(failed) = failures.get(email.as_str()) else { return false };
        let failed = failed.lock().unwrap_or_else(PoisonError::into_inner);
        failed.count >= *attempts && self.clock.now() < failed.last.after(LOCKED_FOR)
    }

    pub fn failed(&self, email: &Email) {
        let Some(Lockout { failures, .. }) = &self.accounts else { return };
        let now = self.clock.now();
        let failed = failures
            .get_with_by_ref(email.as_str(), || Arc::new(Mutex::new(Failures { count: 0, last: now })));
        let mut failed = failed.lock().unwrap_or_else(PoisonError::into_inner);
        let forgotten = now >= failed.last.after(LOCKED_FOR);
        failed.count = if forgotten { 1 } else { failed.count.saturating_add(1) };
        failed.last = now;
    }

    /// After a log-in or a new password.
    pub fn clear(&self, email: &Email) {
        if let Some(Lockout { failures, .. }) = &self.accounts {
            failures.invalidate(email.as_str());
        }
    }
}

/// The text of `429` for an address.
pub const TOO_MANY_ATTEMPTS: &str = "Too Many Requests";
/// The text of `429` for an account.
pub const LOCKED: &str = "Too many failed login attempts. Please try again later.";

#[cfg(test)]
mod tests {
    use super::*;
    use bennu_testkit::clock::ManualClock;

    #[test]
    fn an_address_has_twelve_attempts_and_gets_one_back_every_five_seconds() {
        let clock = ManualClock::at(Timestamp(0));
        let throttle = Throttle::new(true, None, Arc::new(clock.clone()));
        for _ in 0..12 {
            assert_eq!(throttle.attempt("one"), Ok(()));
        }
        assert_eq!(throttle.attempt("one"), Err(Duration::from_secs(5)));
        assert_eq!(throttle.attempt("another"), Ok(()));
        clock.advance(Duration::from_secs(5));
        assert_eq!(throttle.attempt("one"), Ok(()));
        assert!(throttle.attempt("one").is_err());
    }

    #[test]
    fn an_account_is_locked_after_its_failures() {
        let clock = ManualClock::at(Timestamp(0));
        let throttle = Throttle::new(false, Some(2), Arc::new(clock.clone()));
        let email = Email::parse("a@b").unwrap();
        throttle.failed(&email);
        assert!(!throttle.is_locked(&email));
        throttle.failed(&email);
        assert!(throttle.is_locked(&email));
        clock.advance(LOCKED_FOR);
        assert!(!throttle.is_locked(&email));
        throttle.failed(&email);
        assert!(!throttle.is_locked(&email));
        throttle.failed(&email);
        assert!(throttle.is_locked(&email));
        throttle.clear(&email);
        assert!(!throttle.is_locked(&email));
        let open = Throttle::new(false, None, Arc::new(ManualClock::at(Timestamp(0))));
        open.failed(&email);
        assert!(!open.is_locked(&email) && open.attempt("one").is_ok());
    }
}
