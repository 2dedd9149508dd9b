//! The compactor makes one block of several, and objects of large and old ones; readers cannot tell.

use std::time::Duration;

use bennu_domain::ids::TraceRowId;
use bennu_domain::time::Timestamp;
use bennu_store::{BlockPolicy, Compaction, CompactionPolicy, DueTrace, OldTraceWalk, ScopedStore};
use bennu_testkit::otlp::{request, span};
use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::support::{
    EVERYTHING_IS_LARGE, TestStore, everything, for_all, on_both_engines, span_id, trace_id, write,
};

on_both_engines!(
    the_blocks_of_a_trace_become_one_and_its_export_keeps_every_byte,
    blocks_join_up_to_a_bound,
    a_trace_is_due_when_it_was_idle,
    a_compacted_trace_that_grows_is_due_again,
    what_is_large_together_goes_to_the_archive,
    an_old_trace_goes_to_the_archive_and_stays_there,
    a_deleted_trace_takes_its_compacted_object_with_it,
    a_span_is_cut_from_a_compacted_block,
    an_archive_that_fails_leaves_the_trace_as_it_was,
    a_walk_finds_the_old_traces_of_all_projects_and_tenants,
    objects_that_no_row_names_are_told_from_those_in_use,
    any_interleaving_with_compactions_gives_the_same_spans,
);

const POLICY: CompactionPolicy = CompactionPolicy { idle: Duration::from_mins(5), most_bytes: 16 << 20 };

/// A trace in three blocks, of two senders, of which the middle one writes twice.
async fn write_three_blocks(data: ScopedStore<'_>) -> TraceRowId {
    let from = |service: &str| request().project("p").resource_attribute("service.name", service);
    for batch in [
        from("one").spans([span(1, 1).session("s"), span(1, 2).child_of(1)]),
        from("two").spans([span(1, 3).child_of(1).attribute("a", "b"), span(1, 4).error()]),
        from("two").span(span(1, 5).tokens(1, 2)),
    ] {
        write(data, batch).await.unwrap();
    }
    trace_row(data, 1).await
}

async fn trace_row(data: ScopedStore<'_>, trace: u128) -> TraceRowId {
    data.trace_row_with_id(trace_id(trace)).await.unwrap().unwrap()
}

async fn export(data: ScopedStore<'_>, trace: TraceRowId) -> Bytes {
    data.export_trace(trace).await.unwrap().unwrap()
}

async fn due(db: &TestStore) -> Vec<TraceRowId> {
    let idle_since = Timestamp(db.data().time().0 - i64::try_from(POLICY.idle.as_micros()).unwrap());
    let due: Vec<DueTrace> = db.store.due_traces(idle_since, 100).await.unwrap();
    assert!(due.iter().all(|due| due.scope.tenant().0 == 1));
    due.into_iter().map(|due| due.trace).collect()
}

async fn the_blocks_of_a_trace_become_one_and_its_export_keeps_every_byte(db: TestStore) {
    let trace = write_three_blocks(db.data()).await;
    let (before, exported) = (everything(db.data()).await, export(db.data(), trace).await);
    assert_eq!(db.number("SELECT count(*) FROM trace_blocks").await, 3);

    let done = db.data().compact_trace(trace, POLICY, false).await.unwrap();

    assert_eq!(done, Compaction { merged: 2, ..Compaction::default() });
    assert_eq!(db.number("SELECT count(*) FROM trace_blocks").await, 1);
    assert_eq!(db.number("SELECT sum(span_count) FROM trace_blocks").await, 5);
    assert_eq!(export(db.data(), trace).await, exported);
    assert_eq!(everything(db.data()).await, before);
    let again = db.data().compact_trace(trace, POLICY, false).await.unwrap();
    assert_eq!(again, Compaction::default());
}

async fn blocks_join_up_to_a_bound(db: TestStore) {
    for id in 1..=6 {
        db.write(request().span(span(1, id).attribute("a", "x".repeat(1_000)))).await;
    }
    let trace = trace_row(db.data(), 1).await;
    let exported = export(db.data(), trace).await;
    let policy = CompactionPolicy { most_bytes: 2_500, ..POLICY };
    let done = db.data().compact_trace(trace, policy, false).await.unwrap();
    assert_eq!(done, Compaction { merged: 3, ..Compaction::default() });
    assert_eq!(db.number("SELECT count(*) FROM trace_blocks WHERE span_count = 2").await, 3);
    assert_eq!(export(db.data(), trace).await, exported);
    db.clock.advance(POLICY.idle);
    assert_eq!(due(&db).await, [], "nothing more can be done for it");
}

async fn a_trace_is_due_when_it_was_idle(db: TestStore) {
    db.write(request().span(span(2, 1))).await;
    let trace = write_three_blocks(db.data()).await;
    assert_eq!(due(&db).await, []);
    db.clock.advance(Duration::from_secs(299));
    db.write(request().span(span(1, 6))).await;
    db.clock.advance(Duration::from_secs(1));
    assert_eq!(due(&db).await, [], "it got a span a second ago");
    db.clock.advance(POLICY.idle);
    assert_eq!(due(&db).await, [trace], "the other one has a single block");
    db.data().postpone_compaction(trace).await.unwrap();
    assert_eq!(due(&db).await, []);
    db.clock.advance(POLICY.idle);
    assert_eq!(due(&db).await, [trace]);
    db.data().compact_trace(trace, POLICY, false).await.unwrap();
    assert_eq!(due(&db).await, []);
}

async fn a_compacted_trace_that_grows_is_due_again(db: TestStore) {
    let trace = write_three_blocks(db.data()).await;
    db.data().compact_trace(trace, POLICY, false).await.unwrap();
    db.write(request().span(span(1, 6))).await;
    db.clock.advance(POLICY.idle);
    assert_eq!(due(&db).await, [trace]);
    let exported = export(db.data(), trace).await;
    let done = db.data().compact_trace(trace, POLICY, false).await.unwrap();
    assert_eq!(done, Compaction { merged: 1, ..Compaction::default() });
    assert_eq!(export(db.data(), trace).await, exported);
    // Deleted before its turn came.
    db.write(request().span(span(1, 7))).await;
    assert!(db.data().delete_trace(trace).await.unwrap());
    db.clock.advance(POLICY.idle);
    assert_eq!(due(&db).await, [trace]);
    db.data().compact_trace(trace, POLICY, false).await.unwrap();
    assert_eq!(due(&db).await, []);
}

async fn what_is_large_together_goes_to_the_archive(db: TestStore) {
    let db = db.with_blocks(BlockPolicy { large_bytes: 600 }).await;
    let trace = write_three_blocks(db.data()).await;
    let (before, exported) = (everything(db.data()).await, export(db.data(), trace).await);
    assert_eq!(db.objects().len(), 0);
    let db = db.with_blocks(BlockPolicy { large_bytes: 200 }).await;
    let done = db.data().compact_trace(trace, POLICY, false).await.unwrap();
    assert_eq!((done.merged, done.archived, done.interrupted), (2, 1, false));
    assert!(done.archived_bytes >= 200);
    assert_eq!(db.objects().len(), 1);
    assert_eq!(db.number("SELECT count(*) FROM trace_blocks WHERE data IS NULL").await, 1);
    assert_eq!(export(db.data(), trace).await, exported);
    assert_eq!(everything(db.data()).await, before);
}

async fn an_old_trace_goes_to_the_archive_and_stays_there(db: TestStore) {
    db.write(request().span(span(1, 1))).await;
    let trace = trace_row(db.data(), 1).await;
    let exported = export(db.data(), trace).await;
    let done = db.data().compact_trace(trace, POLICY, true).await.unwrap();
    assert_eq!((done.merged, done.archived), (0, 1));
    let object = db.objects();
    assert_eq!(object.len(), 1);
    assert_eq!(export(db.data(), trace).await, exported);
    assert_eq!(db.data().compact_trace(trace, POLICY, true).await.unwrap(), Compaction::default());

    // What joins it goes there too, and the old object goes.
    db.write(request().span(span(1, 2))).await;
    let exported = export(db.data(), trace).await;
    let done = db.data().compact_trace(trace, POLICY, false).await.unwrap();
    assert_eq!((done.merged, done.archived), (1, 1));
    assert_eq!(db.objects().len(), 1);
    assert_ne!(db.objects(), object);
    assert_eq!(export(db.data(), trace).await, exported);
}

async fn a_deleted_trace_takes_its_compacted_object_with_it(db: TestStore) {
    let trace = write_three_blocks(db.data()).await;
    db.data().compact_trace(trace, POLICY, true).await.unwrap();
    assert_eq!(db.objects().len(), 1);
    assert!(db.data().delete_trace(trace).await.unwrap());
    assert_eq!(db.objects(), [] as [std::path::PathBuf; 0]);
    assert_eq!(db.number("SELECT count(*) FROM trace_blocks").await, 0);
}

async fn a_span_is_cut_from_a_compacted_block(db: TestStore) {
    for old in [false, true] {
        let trace = write_three_blocks(db.data()).await;
        db.data().compact_trace(trace, POLICY, old).await.unwrap();
        for id in [1, 4] {
            let row = db.data().span_rows_with_id(span_id(id)).await.unwrap()[0];
            assert!(db.data().delete_span(row).await.unwrap());
        }
        db.write(request().span(span(1, 6))).await;
        let exported = export(db.data(), trace).await;
        db.data().compact_trace(trace, POLICY, old).await.unwrap();
        assert_eq!(export(db.data(), trace).await, exported);
        let left: Vec<_> =
            everything(db.data()).await.remove(0).spans.iter().map(|span| span.span_id).collect();
        assert_eq!(left, [2, 3, 5, 6].map(span_id));
        assert!(db.data().delete_trace(trace).await.unwrap());
    }
}

async fn an_archive_that_fails_leaves_the_trace_as_it_was(db: TestStore) {
    let trace = write_three_blocks(db.data()).await;
    let before = everything(db.data()).await;
    std::fs::write(db.archive_directory().join("tenants"), "a file where a directory should be").unwrap();
    let failed = db.data().compact_trace(trace, POLICY, true).await.unwrap_err();
    assert!(failed.is_transient(), "{failed}");
    assert_eq!(db.number("SELECT count(*) FROM trace_blocks").await, 3);
    assert_eq!(everything(db.data()).await, before);
    db.clock.advance(POLICY.idle);
    assert_eq!(due(&db).await, [trace], "it is tried again");
}

async fn a_walk_finds_the_old_traces_of_all_projects_and_tenants(db: TestStore) {
    let other = db.tenant(2);
    for (data, project, trace, start) in [
        (db.data(), "one", 1, 0),
        (db.data(), "one", 2, 50),
        (db.data(), "one", 3, 100),
        (db.data(), "two", 4, 10),
        (other, "three", 5, 99),
        (other, "three", 6, 200),
    ] {
        let sent = span(trace, 1).from_to(start, start + 1_000);
        write(data, request().project(project).span(sent)).await.unwrap();
    }
    let old = async || {
        let (mut walk, mut found) = (OldTraceWalk::default(), Vec::new());
        while let Some(some) = db.store.next_old_traces(&mut walk, crate::support::at(100), 2).await.unwrap()
        {
            assert!(some.len() <= 2);
            found.extend(some);
        }
        found
    };
    let found = old().await;
    let mut expected = Vec::new();
    for (data, trace) in [(db.data(), 1), (db.data(), 2), (db.data(), 4), (other, 5)] {
        expected.push(trace_row(data, trace).await);
    }
    assert_eq!(found.iter().map(|due| due.trace).collect::<Vec<_>>(), expected);
    for due in found {
        db.store.scoped(&due.scope).compact_trace(due.trace, POLICY, true).await.unwrap();
    }
    assert_eq!(old().await, [], "all of them are in the archive now");
}

async fn objects_that_no_row_names_are_told_from_those_in_use(db: TestStore) {
    let db = db.with_blocks(EVERYTHING_IS_LARGE).await;
    write_three_blocks(db.data()).await;
    let keys = |db: &TestStore| -> Vec<String> {
        let below = |path: &std::path::PathBuf| path.strip_prefix(db.archive_directory()).unwrap().to_owned();
        db.objects().iter().map(|path| below(path).to_str().unwrap().to_owned()).collect()
    };
    let in_use = keys(&db);
    assert_eq!(in_use.len(), 3);
    let stray = ["tenants/1/blocks/stray".to_owned(), "tenants/99/blocks/stray".to_owned()];
    // The key of another tenant is none of its own; what is no block is none of the store's business.
    let foreign = in_use[0].replace("tenants/1/", "tenants/2/");
    let body = "tenants/1/envelopes/body".to_owned();
    let all = [&in_use[..], &stray, std::slice::from_ref(&foreign), &[body]].concat();
    let mut unnamed = db.store.unnamed_block_objects(&all).await.unwrap();
    unnamed.sort();
    assert_eq!(unnamed, [&stray[..1], &[foreign], &stray[1..]].concat());
}

/// What happens to a tenant, one after the other.
#[derive(Debug, Clone)]
enum Step {
    /// Spans of a few traces; some are unfinished, and replaced by a later step.
    Write(Vec<(u128, u64, bool)>),
    Delete(u64),
    Compact {
        trace: u128,
        most_bytes: usize,
        old: bool,
    },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let written = vec((1..=2_u128, 1..=12_u64, any::<bool>()), 1..5).prop_map(Step::Write);
    let sizes = prop_oneof![Just(1), Just(400), Just(1_000), Just(1 << 20)];
    let compacted = (1..=2_u128, sizes, any::<bool>()).prop_map(|(trace, most_bytes, old)| Step::Compact {
        trace,
        most_bytes,
        old,
    });
    vec(prop_oneof![4 => written, 1 => (1..=12_u64).prop_map(Step::Delete), 4 => compacted], 1..20)
}

async fn any_interleaving_with_compactions_gives_the_same_spans(db: TestStore) {
    for_all(64, steps(), async |steps| {
        let (plain, compacted) = (db.fresh_tenant(), db.fresh_tenant());
        for step in &steps {
            match step {
                Step::Compact { trace, most_bytes, old } => {
                    let Some(row) = compacted.trace_row_with_id(trace_id(*trace)).await.unwrap() else {
                        continue;
                    };
                    let policy = CompactionPolicy { most_bytes: *most_bytes, ..POLICY };
                    let done = compacted.compact_trace(row, policy, *old).await.unwrap();
                    assert!(!done.interrupted, "nobody else is here");
                }
                step => {
                    for data in [plain, compacted] {
                        apply(data, step).await;
                    }
                }
            }
        }
        assert_eq!(everything(compacted).await, everything(plain).await);
        for trace in [1, 2] {
            let mut exports = Vec::new();
            for data in [plain, compacted] {
                let row = data.trace_row_with_id(trace_id(trace)).await.unwrap();
                exports.push(match row {
                    Some(row) => data.export_trace(row).await.unwrap(),
                    None => None,
                });
            }
            assert_eq!(exports[0], exports[1]);
        }
    });
}

async fn apply(data: ScopedStore<'_>, step: &Step) {
    match step {
        Step::Write(spans) => {
            let built = spans.iter().map(|(trace, id, unfinished)| {
                let sent = span(*trace, *id).named(format!("span {id}"));
                if *unfinished { sent.unended() } else { sent.attribute("finished", true) }
            });
            write(data, request().project("p").spans(built)).await.unwrap();
        }
        Step::Delete(id) => {
            for row in data.span_rows_with_id(span_id(*id)).await.unwrap() {
                data.delete_span(row).await.unwrap();
            }
        }
        Step::Compact { .. } => {}
    }
}
