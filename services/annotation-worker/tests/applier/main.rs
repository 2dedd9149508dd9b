//! The worker: what it does with jobs, whatever happens in between.
#![allow(clippy::unwrap_used, clippy::expect_used)] // clippy knows only functions marked as tests, not their helpers

mod bench;
mod disturbed;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bennu_access::SystemScope;
use bennu_domain::account::TenantSlug;
use bennu_domain::annotation::{Target, TargetKind};
use bennu_domain::annotation_job::AnnotationJob;
use bennu_domain::time::Clock as _;
use bennu_queue::{AnnotationJobs as _, replay};
use bennu_store::{CreateTenant, FailureSelection, ItemOutcome};
use bennu_testkit::otlp::span_id;
use sea_orm::{ConnectionTrait as _, DbBackend, Statement};
use tokio::sync::watch;

use bench::{Bench, LEASE, PATIENCE, annotation, eventually, of_span};
use disturbed::{ClaimedBefore, Deadly, Ending, EndingTooSoon, FewBesideMany, Slow};

#[actix::test]
async fn what_is_queued_is_applied() {
    let bench = Bench::new().await;
    bench.write(1..=3).await;
    let _arbiter = bench.work().await;
    bench.queue("r", &[of_span(1), of_span(2), of_span(3)]).await;
    bench.drained().await;
    assert_eq!(bench.labels().await, ["r", "r", "r"]);
    assert_eq!(bench.outcomes("r").await.len(), 3);
}

#[actix::test]
async fn a_late_span_is_waited_for_and_its_neighbours_are_not_held_up() {
    let bench = Bench::new().await;
    bench.write([1]).await;
    let _arbiter = bench.work().await;
    bench.queue("r", &[of_span(2), of_span(1)]).await;
    eventually("neighbour", async || bench.labels().await.len() == 1).await;
    let outcomes = bench.outcomes("r").await;
    assert_eq!(outcomes[0], ItemOutcome::Waiting);
    bench.write([2]).await;
    eventually("late annotation", async || {
        bench.clock.advance(Duration::from_secs(1));
        bench.labels().await.len() == 2
    })
    .await;
    bench.drained().await;
}

#[actix::test]
async fn what_never_comes_fails_after_ten_minutes_and_can_be_replayed() {
    let bench = Bench::new().await;
    bench.write([1]).await;
    let _arbiter = bench.work().await;
    let received = bench.clock.now();
    bench.queue("r", &[of_span(2), of_span(1), Target::Document(span_id(1).to_string(), 5)]).await;
    eventually("end of the patience", async || {
        bench.clock.advance(Duration::from_secs(30));
        bench.jobs.depth().await.unwrap() == 0
    })
    .await;
    assert!(bench.clock.now() > received.after(PATIENCE));
    let store = bench.store.scoped(&bench.scope);
    let failures = store.annotation_failures(&FailureSelection::All, None, 10).await.unwrap().items;
    let reasons: Vec<(usize, &str)> =
        failures.iter().map(|failure| (failure.index, failure.reason.as_str())).collect();
    assert_eq!(reasons.len(), 2, "{reasons:?}");
    assert!(reasons.iter().any(|(index, reason)| *index == 0 && reason.contains("did not come in time")));
    assert!(reasons.iter().any(|(index, reason)| *index == 2 && reason.contains("out of bounds")));
    assert!(matches!(bench.outcomes("r").await[0], ItemOutcome::Failed(_)));

    bench.write([2]).await;
    let replayed = replay(store, &bench.scope, &bench.jobs, &FailureSelection::All, "again").await.unwrap();
    assert_eq!(replayed, 2);
    bench.drained().await;
    assert_eq!(bench.labels().await.len(), 2);
    let left = store.annotation_failures(&FailureSelection::All, None, 10).await.unwrap().items;
    assert_eq!(left.len(), 1, "the document is as much out of bounds as before");
    assert_eq!((left[0].receipt.as_str(), left[0].received), ("again", received));
}

#[actix::test]
async fn one_that_the_database_refuses_fails_alone() {
    let bench = Bench::new().await;
    bench.write(1..=100).await;
    let refuse = "CREATE TRIGGER refuse BEFORE INSERT ON annotations WHEN NEW.target_row_id = 50 \
                  BEGIN SELECT RAISE(ABORT, 'refused'); END";
    bench.raw().await.execute_unprepared(refuse).await.unwrap();
    let _arbiter = bench.work().await;
    bench.queue("r", &(1..=100).map(of_span).collect::<Vec<_>>()).await;
    bench.drained().await;
    assert_eq!(bench.labels().await.len(), 99);
    assert!(
        matches!(&bench.outcomes("r").await[49], ItemOutcome::Failed(reason) if reason.contains("refused"))
    );
}

/// They stand in the database itself, and as JSON.
#[actix::test]
async fn jobs_that_an_earlier_version_queued_are_applied_once() {
    let mut bench = Bench::new().await;
    bench.write([1]).await;
    let raw = bench.raw().await;
    let queue = async |number: usize| {
        let receipt = number.to_string();
        let annotation = annotation(&receipt, of_span(1));
        let job = AnnotationJob::of_request(&receipt, bench.clock.now(), vec![annotation]).remove(0);
        let sql =
            "INSERT INTO annotation_jobs (tenant_id, receipt, items, due_at, payload) VALUES (1, ?, 1, ?, ?)";
        let (due, json) = (i64::try_from(number).unwrap(), serde_json::to_string(&job).unwrap());
        let insert = [receipt.into(), due.into(), json.into()];
        raw.execute_raw(Statement::from_sql_and_values(DbBackend::Sqlite, sql, insert)).await.unwrap();
    };
    for number in 0..120 {
        queue(number).await;
    }
    // A process that was killed has copied this one, and has it still.
    let copied = annotation("0", of_span(1));
    let copied = AnnotationJob::of_request("0", bench.clock.now(), vec![copied]);
    bench.jobs.enqueue(&bench.scope, copied).await.unwrap();
    bench.reopen().await;
    assert_eq!(bench.jobs.depth().await.unwrap(), 121);
    let _arbiter = bench.work().await;
    bench.drained().await;
    assert_eq!(bench.labels().await, ["119"]);
    for number in 0..120 {
        let outcomes = bench.outcomes(&number.to_string()).await;
        assert!(matches!(outcomes[..], [ItemOutcome::Applied(_)]), "{number}: {outcomes:?}");
    }
    let count = Statement::from_string(DbBackend::Sqlite, "SELECT count(*) FROM annotation_jobs");
    let left: i64 = raw.query_one_raw(count).await.unwrap().unwrap().try_get_by_index(0).unwrap();
    assert_eq!(left, 0, "they have moved");
}

#[actix::test]
async fn what_is_queued_for_an_erased_tenant_is_dropped() {
    let mut bench = Bench::new().await;
    let slug = TenantSlug::parse("one").unwrap();
    let CreateTenant::Created(tenant) = bench.store.directory("test").create_tenant(&slug, "").await.unwrap()
    else {
        panic!("the slug is taken");
    };
    bench.scope = SystemScope::for_tenant(tenant.id, "test");
    bench.queue("r", &[of_span(1), of_span(2)]).await;
    // As in Redis, where jobs do not go with the rows of their tenant.
    let claimed = bench.jobs.claim(10).await.unwrap();
    assert_eq!(claimed.len(), 1);
    bench.store.directory("test").erase_tenant(tenant.id).await.unwrap();
    let settled = Arc::new(AtomicUsize::new(0));
    let before = ClaimedBefore { claimed: Mutex::new(claimed), done: Arc::clone(&settled) };
    let _arbiter = bench.work_beside(before).await;
    eventually("settled job", async || settled.load(Ordering::SeqCst) == 1).await;
    assert_eq!(bench.outcomes("r").await, []);
    let failures = bench.store.tenants_with_annotation_failures().await.unwrap();
    assert_eq!(failures, []);
}

/// Thirty requests, of which a claim takes about ten.
async fn queue_long_ones(bench: &Bench) {
    for request in 0..30 {
        let long = |id| {
            let mut annotation = annotation(&request.to_string(), of_span(id));
            annotation.verdict.explanation = Some("x".repeat(2_000));
            annotation
        };
        let annotations = (1..=100).map(long).collect();
        let jobs = AnnotationJob::of_request(&format!("r{request}"), bench.clock.now(), annotations);
        bench.jobs.enqueue(&bench.scope, jobs).await.unwrap();
        bench.clock.advance(Duration::from_secs(1));
    }
}

#[actix::test]
async fn the_next_set_is_claimed_while_one_is_applied_and_both_are_before_the_end() {
    let bench = Bench::new().await;
    bench.write(1..=100).await;
    queue_long_ones(&bench).await;
    let settled = Arc::new(AtomicUsize::new(0));
    let (shutdown, claimed) = (bench.shutdown.clone(), watch::Sender::new(0));
    let _arbiter = bench.work_beside(Ending { shutdown, claimed, settled: Arc::clone(&settled) }).await;
    eventually("two settled sets", async || settled.load(Ordering::SeqCst) == 2).await;
    let left = bench.jobs.depth().await.unwrap();
    assert!((1..=15).contains(&left), "{left} jobs are left");
    // Those of the later set stand, and it had all that came before what is left.
    let last = (30 - left - 1).to_string();
    assert_eq!(bench.labels().await, vec![last; 100]);
    assert_eq!(bench.outcomes(&format!("r{}", 30 - left)).await, []);
}

#[actix::test]
async fn what_is_kept_for_a_worker_that_ends_is_anothers_before_its_lease_is_over() {
    let mut bench = Bench::new().await;
    let queued = AnnotationJob::of_request("r", bench.clock.now(), vec![annotation("r", of_span(1))]);
    let (shutdown, scope) = (bench.shutdown.clone(), bench.scope);
    let _arbiter = bench.work_beside(EndingTooSoon { shutdown, scope, queued }).await;
    bench.reopen().await;
    eventually("a job", async || !bench.jobs.claim(1).await.unwrap().is_empty()).await;
}

#[actix::test]
async fn a_set_is_applied_while_the_one_before_is_settled() {
    let bench = Bench::new().await;
    bench.write(1..=100).await;
    queue_long_ones(&bench).await;
    let (store, scope) = (bench.store.clone(), bench.scope);
    let until = "r15".to_owned(); // of the second of three sets
    let _arbiter = bench.work_beside(Slow { store, scope, until }).await;
    bench.drained().await;
    assert_eq!(bench.labels().await, vec!["29"; 100]);
}

#[actix::test]
async fn few_that_were_claimed_beside_many_are_applied_while_what_came_since_is_claimed() {
    let bench = Bench::new().await;
    bench.write(1..=100).await;
    let targets: Vec<Target> = (1..=100).map(of_span).collect();
    for request in 0..41 {
        bench.queue(&format!("r{request:02}"), &targets).await;
    }
    let _arbiter = bench.work_beside(FewBesideMany::default()).await;
    bench.drained().await;
    assert_eq!(bench.labels().await, vec!["r40"; 100]);
}

/// What a reader did between the two lives of a batch stays done: a deleted annotation does not come back, and an older
/// one does not return over a newer one.
#[actix::test]
async fn a_batch_whose_worker_died_after_it_is_not_applied_again() {
    let bench = Bench::new().await;
    bench.write(1..=2).await;
    let _arbiter = bench.work_beside(Deadly { deaths: AtomicUsize::new(1) }).await;
    bench.queue("r", &[of_span(1), of_span(2)]).await;
    eventually("applied batch", async || bench.labels().await.len() == 2).await;
    let store = bench.store.scoped(&bench.scope);
    let delete = bennu_store::AnnotationDelete {
        project: store.project_named("p").await.unwrap().unwrap().id,
        kind: TargetKind::Span,
        name: None,
        identifier: None,
        annotator: None,
        user: None,
        start: None,
        end: None,
    };
    assert_eq!(store.delete_annotations(&delete).await.unwrap(), 2);
    assert_eq!(bench.jobs.depth().await.unwrap(), 1, "nobody has settled it");
    eventually("settled job", async || {
        bench.clock.advance(LEASE);
        bench.jobs.depth().await.unwrap() == 0
    })
    .await;
    assert_eq!(bench.labels().await, Vec::<String>::new());
}
