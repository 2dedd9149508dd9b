//! Attempts to log in: how many an address may make, and how many an account may see fail.

mod memory;
mod redis;

use std::time::Duration;

use async_trait::async_trait;

pub use self::memory::MemoryLogInCounts;
pub use self::redis::RedisLogInCounts;

/// What an address may do: a bucket that gets a token back in every `every`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AddressLimit {
    pub attempts: u32,
    pub every: Duration,
}

/// An account is locked after so many failures, each less than `locked_for` after the one before, until so long after the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccountLimit {
    pub failures: u32,
    pub locked_for: Duration,
}

/// The counts cannot be reached.
#[derive(Debug, thiserror::Error)]
#[error("attempts to log in cannot be counted: {0}")]
pub struct LogInCountsAway(pub String);

/// Keeps the counts. Addresses and accounts are any text; neither is kept as it is where others may look.
#[async_trait]
pub trait LogInCounts: Send + Sync {
    /// Takes an attempt of the address; if it has none left, answers how long until it has one.
    async fn attempt(&self, address: &str, limit: AddressLimit) -> Result<Option<Duration>, LogInCountsAway>;

    /// Whether nobody may log in to the account at the moment, known or not.
    async fn is_locked(&self, account: &str, limit: AccountLimit) -> Result<bool, LogInCountsAway>;

    /// Counts a failure.
    async fn failed(&self, account: &str, limit: AccountLimit) -> Result<(), LogInCountsAway>;

    /// Forgets the failures, after a log-in or with a new password.
    async fn clear(&self, account: &str) -> Result<(), LogInCountsAway>;
}
