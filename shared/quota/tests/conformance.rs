//! What both kinds of buckets do.
#![expect(
    clippy::unwrap_used,
    reason = "all of it is test code; the lint's exception covers only test functions"
)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use bennu_domain::ids::TenantId;
use bennu_domain::time::SystemClock;
use bennu_quota::{Demand, MemoryBuckets, RedisBuckets, Taken, TokenBuckets};
use bennu_testkit::servers::redis::URL_VARIABLE;

macro_rules! on_both_kinds {
    ($($behaviour:ident),+ $(,)?) => {
        mod memory {
            $(#[tokio::test]
            async fn $behaviour() {
                super::$behaviour(&super::MemoryBuckets::new(super::Arc::new(super::SystemClock))).await;
            })+
        }
        mod redis {
            $(#[tokio::test]
            async fn $behaviour() {
                let url = std::env::var(super::URL_VARIABLE).unwrap();
                super::$behaviour(&super::RedisBuckets::connect(&url).await.unwrap()).await;
            })+
        }
    };
}

on_both_kinds!(
    a_bucket_holds_two_seconds_and_owes_what_it_did_not_have,
    nothing_is_taken_when_one_bucket_is_empty,
    tenants_have_buckets_of_their_own,
    a_bucket_fills_again,
);

/// Tests share a Redis: each has tenants of its own.
fn tenant(line: u32) -> TenantId {
    TenantId(i64::from(line) * 1_000_000 + i64::from(std::process::id()))
}

fn demand(bucket: &str, rate: u64, amount: u64) -> Demand {
    Demand { bucket: bucket.to_owned(), rate, amount }
}

fn wait(taken: Taken) -> Duration {
    match taken {
        Taken::Nothing { retry_after, .. } => retry_after,
        Taken::All => panic!("everything was taken"),
    }
}

async fn a_bucket_holds_two_seconds_and_owes_what_it_did_not_have(buckets: &dyn TokenBuckets) {
    let tenant = tenant(line!());
    let take = async |amount| buckets.take(tenant, &[demand("b", 1, amount)]).await.unwrap();
    assert_eq!(take(1).await, Taken::All);
    assert_eq!(take(1_000).await, Taken::All);
    let wait = wait(take(1).await);
    assert!((Duration::from_secs(990)..Duration::from_secs(1_001)).contains(&wait), "{wait:?}");
}

async fn nothing_is_taken_when_one_bucket_is_empty(buckets: &dyn TokenBuckets) {
    let tenant = tenant(line!());
    assert_eq!(buckets.take(tenant, &[demand("empty", 1, 100)]).await.unwrap(), Taken::All);
    let both = [demand("full", 1, 2), demand("empty", 1, 1)];
    for _ in 0..3 {
        let taken = buckets.take(tenant, &both).await.unwrap();
        assert!(matches!(taken, Taken::Nothing { empty: 1, .. }), "{taken:?}");
    }
    assert_eq!(buckets.take(tenant, &[demand("full", 1, 1)]).await.unwrap(), Taken::All);
}

async fn tenants_have_buckets_of_their_own(buckets: &dyn TokenBuckets) {
    for tenant in [tenant(line!()), tenant(line!() + 1)] {
        assert_eq!(buckets.take(tenant, &[demand("b", 1, 100)]).await.unwrap(), Taken::All);
    }
}

async fn a_bucket_fills_again(buckets: &dyn TokenBuckets) {
    let tenant = tenant(line!());
    let take = async || buckets.take(tenant, &[demand("b", 1_000, 2_100)]).await.unwrap();
    assert_eq!(take().await, Taken::All);
    let begin = Instant::now();
    while take().await != Taken::All {
        assert!(begin.elapsed() < Duration::from_secs(20), "it never fills");
        tokio::task::yield_now().await;
    }
    assert!(begin.elapsed() >= Duration::from_millis(90), "it filled too early: {:?}", begin.elapsed());
}
