//! What every queue of annotations promises.

use std::sync::Arc;
use std::time::Duration;

use bennu_domain::time::Clock as _;
use bennu_queue::{ClaimedJob, JobEnd, JobsError};
use bennu_store::Committed;

use crate::support::{CAPACITY, TestQueue, claim_by, request, tenant};

/// Makes a test of each behaviour for each queue: `sqlite::…`, `at_hand::…`, `postgres::…` and `redis::…`.
macro_rules! of_all_queues {
    ($($behaviour:ident),+ $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $behaviour() {
                super::$behaviour(crate::support::TestQueue::sqlite().await).await;
            })+
        }
        mod at_hand {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $behaviour() {
                super::$behaviour(crate::support::TestQueue::sqlite().await.with_worker_that_waits().await).await;
            })+
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $behaviour() {
                super::$behaviour(crate::support::TestQueue::postgres().await).await;
            })+
        }
        mod redis {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $behaviour() {
                super::$behaviour(crate::support::TestQueue::redis().await).await;
            })+
        }
    };
}

of_all_queues!(
    a_job_arrives_as_it_was_queued,
    a_claimed_job_is_nobody_elses,
    jobs_come_in_order_and_no_more_than_asked_for,
    the_jobs_of_a_dead_worker_are_claimed_by_another,
    what_is_left_of_a_job_comes_back_when_it_is_due,
    a_job_that_is_settled_twice_is_settled_once,
    a_full_queue_refuses_whole_requests,
    requests_at_the_same_time_are_queued_whole_or_refused,
    a_request_that_is_given_up_leaves_others_alone,
    queued_annotations_are_counted_by_receipt_and_tenant,
    a_claim_of_an_empty_queue_returns_soon,
    a_claim_of_large_jobs_is_a_small_one,
);

fn done(claimed: Vec<ClaimedJob>) -> Vec<(ClaimedJob, JobEnd)> {
    claimed.into_iter().map(|claimed| (claimed, JobEnd::Done)).collect()
}

async fn a_job_arrives_as_it_was_queued(queue: TestQueue) {
    let jobs = request("r", 3, &queue.clock);
    queue.jobs.enqueue(&tenant(7), jobs.clone()).await.unwrap();
    let claimed = queue.claim(10).await;
    assert_eq!(claimed.iter().map(|claimed| claimed.job.clone()).collect::<Vec<_>>(), jobs);
    assert_eq!(claimed[0].scope, tenant(7));
    queue.jobs.settle(done(claimed), Committed::nothing()).await.unwrap();
    assert_eq!(queue.jobs.depth().await.unwrap(), 0);
}

async fn a_claimed_job_is_nobody_elses(queue: TestQueue) {
    queue.jobs.enqueue(&tenant(1), request("r", 1, &queue.clock)).await.unwrap();
    assert_eq!(queue.claim(10).await.len(), 1);
    assert!(queue.other_worker.claim(10).await.unwrap().is_empty());
    assert_eq!(queue.jobs.depth().await.unwrap(), 1, "it is not done yet");
}

async fn jobs_come_in_order_and_no_more_than_asked_for(queue: TestQueue) {
    for number in 0..5 {
        queue.jobs.enqueue(&tenant(1), request(&number.to_string(), 1, &queue.clock)).await.unwrap();
    }
    let receipts = |claimed: &[ClaimedJob]| {
        claimed.iter().map(|claimed| claimed.job.receipt.clone()).collect::<Vec<_>>().concat()
    };
    assert_eq!(receipts(&queue.claim(3).await), "012");
    assert_eq!(receipts(&queue.claim(3).await), "34");
}

async fn the_jobs_of_a_dead_worker_are_claimed_by_another(queue: TestQueue) {
    let jobs = request("r", 150, &queue.clock);
    queue.jobs.enqueue(&tenant(1), jobs.clone()).await.unwrap();
    assert_eq!(queue.claim(10).await.len(), 2);
    queue.end_leases();
    let mut claimed = Vec::new();
    while claimed.len() < 2 {
        claimed.extend(claim_by(&*queue.other_worker, 10).await);
    }
    claimed.sort_by_key(|claimed| claimed.job.items[0].index);
    assert_eq!(claimed.iter().map(|claimed| claimed.job.clone()).collect::<Vec<_>>(), jobs);
    queue.other_worker.settle(done(claimed), Committed::nothing()).await.unwrap();
    assert_eq!(queue.jobs.depth().await.unwrap(), 0);
}

async fn what_is_left_of_a_job_comes_back_when_it_is_due(queue: TestQueue) {
    queue.jobs.enqueue(&tenant(3), request("r", 10, &queue.clock)).await.unwrap();
    let claimed = queue.claim(10).await.remove(0);
    let (left, pause) = claimed.job.clone().again(|index| index >= 8);
    let due = queue.clock.now().after(pause);
    queue.jobs.settle(vec![(claimed, JobEnd::Again(left.clone(), due))], Committed::nothing()).await.unwrap();
    assert!(queue.jobs.claim(10).await.unwrap().is_empty(), "it is not due yet");
    assert_eq!(queue.jobs.depth().await.unwrap(), 1);
    assert_eq!(queue.jobs.queued_items(&tenant(3), "r").await.unwrap(), 2);
    queue.clock.advance(pause);
    let again = queue.claim(10).await.remove(0);
    assert_eq!((again.scope, &again.job), (tenant(3), &left));
    queue.jobs.settle(vec![(again, JobEnd::Done)], Committed::nothing()).await.unwrap();
    assert_eq!(queue.jobs.queued_items(&tenant(3), "r").await.unwrap(), 0);
}

async fn a_job_that_is_settled_twice_is_settled_once(queue: TestQueue) {
    queue.jobs.enqueue(&tenant(1), request("r", 100, &queue.clock)).await.unwrap();
    queue.jobs.enqueue(&tenant(1), request("r", 7, &queue.clock)).await.unwrap();
    let slow = queue.claim(1).await;
    queue.end_leases();
    let mut claimed = Vec::new();
    while claimed.len() < 2 {
        claimed.extend(claim_by(&*queue.other_worker, 10).await);
    }
    claimed.retain(|claimed| claimed.job.items.len() == 100);
    queue.other_worker.settle(done(claimed), Committed::nothing()).await.unwrap();
    queue.jobs.settle(done(slow), Committed::nothing()).await.unwrap();
    assert_eq!(queue.jobs.queued_items(&tenant(1), "r").await.unwrap(), 7);
    assert_eq!(queue.jobs.depth().await.unwrap(), 1);
}

async fn a_full_queue_refuses_whole_requests(queue: TestQueue) {
    queue.jobs.enqueue(&tenant(1), request("r", 100 * CAPACITY, &queue.clock)).await.unwrap();
    let refused = queue.jobs.enqueue(&tenant(1), request("s", 101, &queue.clock)).await;
    assert!(matches!(refused, Err(JobsError::Full)), "{refused:?}");
    assert_eq!(queue.jobs.queued_items(&tenant(1), "s").await.unwrap(), 0);
    let claimed = queue.claim(1).await;
    queue.jobs.settle(done(claimed), Committed::nothing()).await.unwrap();
    let refused = queue.jobs.enqueue(&tenant(1), request("s", 101, &queue.clock)).await;
    assert!(matches!(refused, Err(JobsError::Full)), "there is room for one job, not for two");
    queue.jobs.enqueue(&tenant(1), request("s", 100, &queue.clock)).await.unwrap();
}

/// Of two tenants, so that not all can share a transaction.
async fn requests_at_the_same_time_are_queued_whole_or_refused(queue: TestQueue) {
    let requests = (0..12).map(|number: usize| {
        let (jobs, number) = (Arc::clone(&queue.jobs), i64::try_from(number).unwrap());
        let of_request = request(&number.to_string(), 250, &queue.clock);
        tokio::spawn(async move { jobs.enqueue(&tenant(1 + number % 2), of_request).await })
    });
    let mut queued = Vec::new();
    for (number, enqueued) in requests.collect::<Vec<_>>().into_iter().enumerate() {
        match enqueued.await.unwrap() {
            Ok(()) => queued.push(number),
            Err(error) => assert!(matches!(error, JobsError::Full), "{error:?}"),
        }
    }
    assert_eq!(queued.len(), CAPACITY / 3);
    assert_eq!(queue.jobs.depth().await.unwrap(), 3 * queued.len());
    for number in 0..12 {
        let scope = tenant(1 + i64::try_from(number % 2).unwrap());
        let items = queue.jobs.queued_items(&scope, &number.to_string()).await.unwrap();
        assert_eq!(items, if queued.contains(&number) { 250 } else { 0 });
    }
}

async fn a_request_that_is_given_up_leaves_others_alone(queue: TestQueue) {
    let requests = (0..8).map(|number: usize| {
        let (jobs, of_request) = (Arc::clone(&queue.jobs), request(&number.to_string(), 3, &queue.clock));
        tokio::spawn(async move { jobs.enqueue(&tenant(1), of_request).await })
    });
    for (number, enqueuing) in requests.collect::<Vec<_>>().into_iter().enumerate() {
        if number % 2 == 0 {
            tokio::task::yield_now().await;
            enqueuing.abort();
            continue;
        }
        enqueuing.await.unwrap().unwrap();
        assert_eq!(queue.jobs.queued_items(&tenant(1), &number.to_string()).await.unwrap(), 3);
    }
}

async fn queued_annotations_are_counted_by_receipt_and_tenant(queue: TestQueue) {
    queue.jobs.enqueue(&tenant(1), request("r", 250, &queue.clock)).await.unwrap();
    queue.jobs.enqueue(&tenant(2), request("r", 5, &queue.clock)).await.unwrap();
    queue.jobs.enqueue(&tenant(1), Vec::new()).await.unwrap();
    let count =
        async |scope: i64, receipt: &str| queue.jobs.queued_items(&tenant(scope), receipt).await.unwrap();
    assert_eq!((count(1, "r").await, count(2, "r").await), (250, 5));
    assert_eq!((count(1, "s").await, count(3, "r").await), (0, 0));
    assert_eq!(queue.jobs.depth().await.unwrap(), 4);
}

async fn a_claim_of_large_jobs_is_a_small_one(queue: TestQueue) {
    let large = |number: usize| {
        let mut jobs = request(&number.to_string(), 1, &queue.clock);
        jobs[0].items[0].annotation.verdict.explanation = Some("x".repeat(1 << 20));
        jobs
    };
    for number in 0..15 {
        queue.jobs.enqueue(&tenant(1), large(number)).await.unwrap();
    }
    let mut claims = Vec::new();
    while claims.iter().sum::<usize>() < 15 {
        claims.push(queue.claim(100).await.len());
    }
    assert!(claims.len() > 1 && claims[0] <= 10, "{claims:?}");
}

async fn a_claim_of_an_empty_queue_returns_soon(queue: TestQueue) {
    let claim = queue.jobs.claim(10);
    assert!(tokio::time::timeout(Duration::from_secs(5), claim).await.unwrap().unwrap().is_empty());
}
