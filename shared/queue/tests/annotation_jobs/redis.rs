//! What only Redis can do wrong.

use std::sync::Arc;

use bennu_domain::time::Timestamp;
use bennu_queue::{AnnotationJobs as _, JobLimits, RedisAnnotationJobs, RedisDurability};
use bennu_testkit::clock::ManualClock;
use bennu_testkit::servers::redis as server;

use crate::support::{CAPACITY, LEASE, claim_by, redis_url, redis_worker, request, tenant};

fn clock() -> ManualClock {
    ManualClock::at(Timestamp(1_700_000_000_000_000))
}

async fn run(url: &str, command: &[&str]) -> redis::Value {
    let client = redis::Client::open(url).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let mut sent = redis::cmd(command[0]);
    command[1..].iter().for_each(|argument| {
        sent.arg(*argument);
    });
    sent.query_async(&mut connection).await.unwrap()
}

fn url_of(server: &bennu_testkit::servers::Server) -> String {
    let variable = server.variables.iter().find(|(name, _)| *name == server::URL_VARIABLE);
    variable.unwrap().1.clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_that_is_no_job_is_put_aside() {
    let url = redis_url().await;
    let jobs = redis_worker(&url, "one", &clock()).await;
    run(&url, &["XADD", "bennu:{annotations}:jobs", "*", "tenant", "1", "job", "no JSON"]).await;
    run(&url, &["XADD", "bennu:{annotations}:jobs", "*", "odd", "field"]).await;
    jobs.enqueue(&tenant(1), request("r", 1, &clock())).await.unwrap();
    assert_eq!(claim_by(&jobs, 10).await.len(), 1);
    assert_eq!(run(&url, &["XLEN", "bennu:{annotations}:unreadable"]).await, redis::Value::Int(2));
    assert_eq!(jobs.depth().await.unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_survive_the_death_of_redis_and_workers_find_it_again() {
    let mut server = tokio::task::spawn_blocking(server::start).await.unwrap().unwrap();
    let url = url_of(&server);
    let jobs = redis_worker(&url, "one", &clock()).await;
    jobs.enqueue(&tenant(1), request("r", 1, &clock())).await.unwrap();
    server.kill();
    assert!(jobs.enqueue(&tenant(1), request("s", 1, &clock())).await.is_err());
    let server =
        tokio::task::spawn_blocking(move || server.start_again().map(|()| server)).await.unwrap().unwrap();
    let claimed = loop {
        match jobs.claim(10).await {
            Ok(claimed) if !claimed.is_empty() => break claimed,
            _ => tokio::task::yield_now().await, // it is connecting
        }
    };
    assert_eq!(claimed[0].job.receipt, "r");
    drop(server);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_would_forget_is_refused() {
    let server = tokio::task::spawn_blocking(server::start).await.unwrap().unwrap();
    let url = url_of(&server);
    let connect = async |durability| {
        let limits = JobLimits { capacity: CAPACITY, lease: LEASE };
        let jobs = RedisAnnotationJobs::connect(&url, "one", durability, limits, Arc::new(clock())).await;
        jobs.err().map(|error| error.to_string())
    };
    let every_write = RedisDurability { every_write_synced: true, replicas: 0 };
    assert!(connect(every_write).await.unwrap().contains("appendfsync"));
    run(&url, &["CONFIG", "SET", "appendfsync", "always"]).await;
    assert_eq!(connect(every_write).await, None);
    run(&url, &["CONFIG", "SET", "maxmemory", "100mb", "maxmemory-policy", "allkeys-lru"]).await;
    assert!(connect(RedisDurability::default()).await.unwrap().contains("noeviction"));
    run(&url, &["CONFIG", "SET", "maxmemory-policy", "noeviction", "appendonly", "no"]).await;
    assert!(connect(RedisDurability::default()).await.unwrap().contains("appendonly"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_too_few_replicas_have_is_not_acknowledged() {
    let url = redis_url().await;
    let durability = RedisDurability { every_write_synced: false, replicas: 1 };
    let limits = JobLimits { capacity: CAPACITY, lease: LEASE };
    let jobs =
        RedisAnnotationJobs::connect(&url, "one", durability, limits, Arc::new(clock())).await.unwrap();
    let refused = jobs.enqueue(&tenant(1), request("r", 1, &clock())).await;
    assert!(refused.unwrap_err().to_string().contains("replicas"));
}
