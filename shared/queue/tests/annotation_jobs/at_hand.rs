//! Jobs that are kept for the worker of the process that queued them.

use bennu_queue::ClaimedJob;

use crate::support::{TestQueue, claim_by, request, tenant};

fn receipts(claimed: &[ClaimedJob]) -> Vec<&str> {
    claimed.iter().map(|claimed| claimed.job.receipt.as_str()).collect()
}

async fn queue_large(queue: &TestQueue, receipt: &str) {
    let mut jobs = request(receipt, 1, &queue.clock);
    jobs[0].items[0].annotation.verdict.explanation = Some("x".repeat(1 << 20));
    queue.jobs.enqueue(&tenant(1), jobs).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn they_are_nobody_elses_until_their_lease_is_over() {
    let queue = TestQueue::sqlite().await.with_worker_that_waits().await;
    queue.jobs.enqueue(&tenant(1), request("r", 150, &queue.clock)).await.unwrap();
    assert!(queue.other_worker.claim(10).await.unwrap().is_empty());
    queue.end_leases();
    assert!(!claim_by(&*queue.other_worker, 10).await.is_empty());
    assert!(queue.jobs.claim(10).await.unwrap().is_empty(), "what another may have");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_ends_gives_them_back_at_once() {
    let queue = TestQueue::sqlite().await.with_worker_that_waits().await;
    for receipt in ["a", "b"] {
        queue.jobs.enqueue(&tenant(1), request(receipt, 1, &queue.clock)).await.unwrap();
    }
    assert_eq!(receipts(&queue.claim(1).await), ["a"]);
    queue.jobs.release().await.unwrap();
    assert_eq!(receipts(&claim_by(&*queue.other_worker, 10).await), ["b"]);
    queue.jobs.enqueue(&tenant(1), request("c", 1, &queue.clock)).await.unwrap();
    assert_eq!(receipts(&claim_by(&*queue.other_worker, 10).await), ["c"], "nothing is kept any more");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_they_leave_no_room_for_waits_in_the_table_and_has_its_turn_in_order() {
    let queue = TestQueue::sqlite().await.with_worker_that_waits().await;
    for receipt in ["a", "b", "c", "d", "e"] {
        queue_large(&queue, receipt).await;
    }
    assert_eq!(receipts(&claim_by(&*queue.other_worker, 10).await), ["d", "e"], "four megabytes are kept");
    queue_large(&queue, "f").await;
    assert_eq!(
        receipts(&claim_by(&*queue.other_worker, 10).await),
        ["f"],
        "and no more until they are claimed"
    );
    assert_eq!(receipts(&queue.claim(10).await), ["a", "b"], "two at once");
    assert_eq!(receipts(&queue.claim(10).await), ["c"]);
    assert!(queue.jobs.claim(10).await.unwrap().is_empty());
    queue_large(&queue, "g").await;
    assert!(queue.other_worker.claim(10).await.unwrap().is_empty(), "it is kept again");
    assert_eq!(receipts(&queue.claim(10).await), ["g"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_table_has_its_turn_beside_them() {
    let queue = TestQueue::sqlite().await.with_worker_that_waits().await;
    queue.other_worker.enqueue(&tenant(1), request("of another process", 1, &queue.clock)).await.unwrap();
    let mut claimed = Vec::new();
    while !claimed.contains(&"of another process".to_owned()) {
        queue.jobs.enqueue(&tenant(1), request("at hand", 1, &queue.clock)).await.unwrap();
        let some = queue.claim(10).await;
        claimed.extend(some.iter().map(|claimed| claimed.job.receipt.clone()));
        let done = some.into_iter().map(|claimed| (claimed, bennu_queue::JobEnd::Done)).collect();
        queue.jobs.settle(done, bennu_store::Committed::nothing()).await.unwrap();
    }
    assert!(claimed.contains(&"at hand".to_owned()));
}
