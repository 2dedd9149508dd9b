//! How much a tenant or a key may send, and how often somebody may try to log in: counted in memory for one process or in
//! Redis for all of them.

mod buckets;
mod log_ins;
mod memory;
mod quota;
mod redis_buckets;
mod redis_connection;

pub use buckets::{BucketsAway, Demand, Taken, TokenBuckets};
pub use log_ins::{
    AccountLimit, AddressLimit, LogInCounts, LogInCountsAway, MemoryLogInCounts, RedisLogInCounts,
};
pub use memory::MemoryBuckets;
pub use quota::{OverQuota, Quota};
pub use redis_buckets::RedisBuckets;
