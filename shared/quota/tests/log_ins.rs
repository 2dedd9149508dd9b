//! What both kinds of counts of log-ins do.
#![expect(
    clippy::unwrap_used,
    reason = "all of it is test code; the lint's exception covers only test functions"
)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use bennu_domain::time::SystemClock;
use bennu_quota::{AccountLimit, AddressLimit, LogInCounts, MemoryLogInCounts, RedisLogInCounts};
use bennu_testkit::servers::redis::{self, URL_VARIABLE};

macro_rules! on_both_kinds {
    ($($behaviour:ident),+ $(,)?) => {
        mod memory {
            $(#[tokio::test]
            async fn $behaviour() {
                super::$behaviour(&super::MemoryLogInCounts::new(super::Arc::new(super::SystemClock))).await;
            })+
        }
        mod redis_server {
            $(#[tokio::test]
            async fn $behaviour() {
                super::$behaviour(&super::shared().await).await;
            })+
        }
    };
}

on_both_kinds!(
    an_address_has_so_many_attempts,
    an_address_gets_attempts_back,
    an_account_is_locked_after_its_failures,
    a_locked_account_opens_again,
    many_at_once_are_all_counted,
);

/// As another process has them.
async fn shared() -> RedisLogInCounts {
    RedisLogInCounts::connect(&std::env::var(URL_VARIABLE).unwrap()).await.unwrap()
}

/// Tests share a Redis: each has names of its own.
fn name(line: u32) -> String {
    format!("{line}-{}@example.com", std::process::id())
}

const SLOW: AddressLimit = AddressLimit { attempts: 3, every: Duration::from_secs(1_000) };
const LASTING: AccountLimit = AccountLimit { failures: 2, locked_for: Duration::from_secs(1_000) };

async fn an_address_has_so_many_attempts(counts: &dyn LogInCounts) {
    let (one, another) = (name(line!()), name(line!() + 1_000));
    for _ in 0..3 {
        assert_eq!(counts.attempt(&one, SLOW).await.unwrap(), None);
    }
    let wait = counts.attempt(&one, SLOW).await.unwrap().unwrap();
    assert!((Duration::from_secs(990)..=Duration::from_secs(1_000)).contains(&wait), "{wait:?}");
    // One that is refused costs nothing more.
    let later = counts.attempt(&one, SLOW).await.unwrap().unwrap();
    assert!(later <= wait, "{later:?} after {wait:?}");
    assert_eq!(counts.attempt(&another, SLOW).await.unwrap(), None);
}

async fn an_address_gets_attempts_back(counts: &dyn LogInCounts) {
    let (address, limit) = (name(line!()), AddressLimit { attempts: 1, every: Duration::from_millis(200) });
    assert_eq!(counts.attempt(&address, limit).await.unwrap(), None);
    let begin = Instant::now();
    while let Some(wait) = counts.attempt(&address, limit).await.unwrap() {
        assert!(wait <= limit.every, "{wait:?}");
        assert!(begin.elapsed() < Duration::from_secs(20), "it never gets one");
        tokio::time::sleep(wait).await;
    }
    assert!(begin.elapsed() >= Duration::from_millis(150), "too early: {:?}", begin.elapsed());
}

async fn an_account_is_locked_after_its_failures(counts: &dyn LogInCounts) {
    let (one, another) = (name(line!()), name(line!() + 1_000));
    assert!(!counts.is_locked(&one, LASTING).await.unwrap());
    counts.failed(&one, LASTING).await.unwrap();
    assert!(!counts.is_locked(&one, LASTING).await.unwrap());
    counts.failed(&one, LASTING).await.unwrap();
    assert!(counts.is_locked(&one, LASTING).await.unwrap());
    assert!(!counts.is_locked(&another, LASTING).await.unwrap());
    counts.clear(&one).await.unwrap();
    assert!(!counts.is_locked(&one, LASTING).await.unwrap());
    counts.failed(&one, LASTING).await.unwrap();
    assert!(!counts.is_locked(&one, LASTING).await.unwrap(), "what was cleared does not count");
}

async fn a_locked_account_opens_again(counts: &dyn LogInCounts) {
    let (account, limit) =
        (name(line!()), AccountLimit { failures: 1, locked_for: Duration::from_millis(300) });
    let begin = Instant::now();
    counts.failed(&account, limit).await.unwrap();
    while counts.is_locked(&account, limit).await.unwrap() {
        assert!(begin.elapsed() < Duration::from_secs(20), "it stays locked");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(begin.elapsed() >= Duration::from_millis(250), "too early: {:?}", begin.elapsed());
}

async fn many_at_once_are_all_counted(counts: &dyn LogInCounts) {
    let account = name(line!());
    let limit = AccountLimit { failures: 50, locked_for: Duration::from_secs(1_000) };
    futures::future::join_all((0..49).map(|_| counts.failed(&account, limit))).await;
    assert!(!counts.is_locked(&account, limit).await.unwrap());
    counts.failed(&account, limit).await.unwrap();
    assert!(counts.is_locked(&account, limit).await.unwrap());
    let limit = AddressLimit { attempts: 20, every: Duration::from_secs(1_000) };
    let attempts = futures::future::join_all((0..50).map(|_| counts.attempt(&account, limit))).await;
    assert_eq!(attempts.into_iter().filter(|attempt| attempt.as_ref().unwrap().is_none()).count(), 20);
}

#[tokio::test]
async fn two_processes_count_together() {
    let (one, other, name) = (shared().await, shared().await, name(line!()));
    for counts in [&one, &other, &one] {
        assert_eq!(counts.attempt(&name, SLOW).await.unwrap(), None);
    }
    assert!(other.attempt(&name, SLOW).await.unwrap().is_some());
    one.failed(&name, LASTING).await.unwrap();
    other.failed(&name, LASTING).await.unwrap();
    assert!(one.is_locked(&name, LASTING).await.unwrap());
    other.clear(&name).await.unwrap();
    assert!(!one.is_locked(&name, LASTING).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_is_away_is_told_within_seconds_and_used_again_once_it_is_back() {
    let mut server = tokio::task::spawn_blocking(redis::start).await.unwrap().unwrap();
    let counts = RedisLogInCounts::connect(&server.variables[0].1).await.unwrap();
    let name = name(line!());
    assert_eq!(counts.attempt(&name, SLOW).await.unwrap(), None);
    tokio::task::block_in_place(|| server.stop());
    let begin = Instant::now();
    assert!(counts.attempt(&name, SLOW).await.is_err());
    assert!(counts.failed(&name, LASTING).await.is_err());
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    tokio::task::block_in_place(|| server.start_again()).unwrap();
    let begin = Instant::now();
    while counts.is_locked(&name, LASTING).await.is_err() {
        assert!(begin.elapsed() < Duration::from_secs(30), "it is not used again");
    }
}
