//! Buckets that all processes share, in Redis; the time is that of Redis.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bennu_domain::ids::TenantId;
use redis::aio::ConnectionManager;
use redis::{RedisError, Script};

use crate::buckets::{BURST_SECONDS, BucketsAway, Demand, Taken, TokenBuckets};
use crate::redis_connection::connect;

/// Spans wait for it: better to let them pass uncounted than to hold them up.
const ANSWER_TIMEOUT: Duration = Duration::from_millis(500);

/// Keys are buckets; arguments their burst in seconds, then rate and amount of each. Answers 0 and 0, or the number of an empty
/// bucket and the microseconds until it has something again. A bucket that would be full by then is forgotten.
const TAKE: &str = r"
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local burst = tonumber(ARGV[1])
local left = {}
for i, key in ipairs(KEYS) do
    local rate = tonumber(ARGV[2 * i])
    local state = redis.call('HMGET', key, 'tokens', 'at')
    local tokens = tonumber(state[1]) or rate * burst
    local at = tonumber(state[2]) or now
    left[i] = math.min(rate * burst, tokens + math.max(0, now - at) * rate / 1000000)
    if left[i] <= 0 then return {i, math.ceil((1 - left[i]) * 1000000 / rate)} end
end
for i, key in ipairs(KEYS) do
    local rate = tonumber(ARGV[2 * i])
    local tokens = left[i] - tonumber(ARGV[2 * i + 1])
    redis.call('HSET', key, 'tokens', string.format('%.6f', tokens), 'at', string.format('%.0f', now))
    redis.call('PEXPIRE', key, math.ceil((rate * burst - tokens) * 1000 / rate) + 1000)
end
return {0, 0}";

/// Buckets in Redis. Cheap to clone.
#[derive(Clone)]
pub struct RedisBuckets {
    connection: ConnectionManager,
    script: Arc<Script>,
}

impl RedisBuckets {
    /// Connects, and connects again whenever the connection is lost.
    pub async fn connect(url: &str) -> Result<Self, BucketsAway> {
        let connection = connect(url, ANSWER_TIMEOUT).await.map_err(|error| away(&error))?;
        Ok(Self { connection, script: Arc::new(Script::new(TAKE)) })
    }
}

#[async_trait]
impl TokenBuckets for RedisBuckets {
    async fn take(&self, tenant: TenantId, demands: &[Demand]) -> Result<Taken, BucketsAway> {
        let mut call = self.script.prepare_invoke();
        call.arg(BURST_SECONDS);
        for demand in demands {
            // In one slot of a cluster, as a script needs them.
            call.key(format!("bennu:{{quota:{}}}:{}", tenant.0, demand.bucket));
            call.arg(demand.rate).arg(demand.amount);
        }
        let answer: Result<(usize, u64), RedisError> = call.invoke_async(&mut self.connection.clone()).await;
        let (position, micros) = answer.map_err(|error| away(&error))?;
        Ok(match position.checked_sub(1) {
            None => Taken::All,
            Some(empty) => Taken::Nothing { empty, retry_after: Duration::from_micros(micros) },
        })
    }
}

fn away(error: &RedisError) -> BucketsAway {
    BucketsAway(error.to_string())
}
