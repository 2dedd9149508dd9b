//! Counts that all processes share, in Redis; the time is that of Redis.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bennu_domain::ids::encode_hex;
use redis::aio::ConnectionManager;
use redis::{FromRedisValue, RedisError, Script};
use sha2::{Digest as _, Sha256};

use super::{AccountLimit, AddressLimit, LogInCounts, LogInCountsAway};
use crate::redis_connection::connect;

/// People wait for it.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(1);

/// The key is a bucket; arguments what it holds at most, and the microseconds in which it gets one back. Answers the microseconds
/// until it has one, or 0 and takes it. A bucket that would be full by then is forgotten.
const ATTEMPT: &str = r"
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local most, every = tonumber(ARGV[1]), tonumber(ARGV[2])
local state = redis.call('HMGET', KEYS[1], 'attempts', 'at')
local at = tonumber(state[2]) or now
local left = math.min(most, (tonumber(state[1]) or most) + math.max(0, now - at) / every)
local wait = 0
if left < 1 then wait = math.ceil((1 - left) * every) else left = left - 1 end
redis.call('HSET', KEYS[1], 'attempts', string.format('%.9f', left), 'at', string.format('%.0f', now))
redis.call('PEXPIRE', KEYS[1], math.ceil((most - left) * every / 1000) + 1000)
return wait";

/// Counts in Redis. Cheap to clone.
#[derive(Clone)]
pub struct RedisLogInCounts {
    connection: ConnectionManager,
    attempt: Arc<Script>,
}

impl RedisLogInCounts {
    /// Connects, and connects again whenever the connection is lost.
    pub async fn connect(url: &str) -> Result<Self, LogInCountsAway> {
        let connection = connect(url, ANSWER_TIMEOUT).await.map_err(|error| away(&error))?;
        Ok(Self { connection, attempt: Arc::new(Script::new(ATTEMPT)) })
    }

    async fn run<T: FromRedisValue>(&self, commands: &redis::Pipeline) -> Result<T, LogInCountsAway> {
        soon(commands.query_async(&mut self.connection.clone())).await
    }
}

/// A connection that is being made anew has a patience of its own, which is longer than that of people.
async fn soon<T>(answer: impl Future<Output = Result<T, RedisError>>) -> Result<T, LogInCountsAway> {
    match tokio::time::timeout(ANSWER_TIMEOUT, answer).await {
        Ok(answered) => answered.map_err(|error| away(&error)),
        Err(_) => Err(LogInCountsAway("Redis does not answer".to_owned())),
    }
}

/// Of one size, whatever people type into the field; and who looks into Redis sees neither addresses nor accounts.
fn key(kind: &str, text: &str) -> String {
    format!("bennu:log-ins:{kind}:{}", encode_hex(&Sha256::digest(text)))
}

#[async_trait]
impl LogInCounts for RedisLogInCounts {
    async fn attempt(&self, address: &str, limit: AddressLimit) -> Result<Option<Duration>, LogInCountsAway> {
        let mut call = self.attempt.key(key("address", address));
        let every = u64::try_from(limit.every.as_micros()).unwrap_or(u64::MAX);
        call.arg(limit.attempts).arg(every);
        let micros: u64 = soon(call.invoke_async(&mut self.connection.clone())).await?;
        Ok((micros > 0).then_some(Duration::from_micros(micros)))
    }

    async fn is_locked(&self, account: &str, limit: AccountLimit) -> Result<bool, LogInCountsAway> {
        let (failures,): (Option<u32>,) = self.run(redis::pipe().get(key("account", account))).await?;
        Ok(failures.is_some_and(|failures| failures >= limit.failures))
    }

    async fn failed(&self, account: &str, limit: AccountLimit) -> Result<(), LogInCountsAway> {
        let (key, life) = (key("account", account), limit.locked_for.as_millis());
        let life = i64::try_from(life).unwrap_or(i64::MAX);
        self.run(redis::pipe().atomic().incr(&key, 1).ignore().pexpire(&key, life).ignore()).await
    }

    async fn clear(&self, account: &str) -> Result<(), LogInCountsAway> {
        self.run(redis::pipe().del(key("account", account)).ignore()).await
    }
}

fn away(error: &RedisError) -> LogInCountsAway {
    LogInCountsAway(error.to_string())
}
