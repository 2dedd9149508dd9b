//! How much a tenant or a key may send: token buckets, in memory for one process or in Redis for all of them.

mod buckets;
mod memory;
mod quota;
mod redis_buckets;

pub use buckets::{BucketsAway, Demand, Taken, TokenBuckets};
pub use memory::MemoryBuckets;
pub use quota::{OverQuota, Quota};
pub use redis_buckets::RedisBuckets;
