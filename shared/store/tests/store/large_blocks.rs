//! Blocks that are large enough live in the archive; readers cannot tell.

use bennu_store::BlockPolicy;
use bennu_testkit::otlp::{RequestBuilder, request, span};

use crate::support::{
    EVERYTHING_IS_LARGE, TestStore, every_span, everything, on_both_engines, prepared, span_id, trace_id,
    write,
};

on_both_engines!(
    only_large_blocks_go_to_the_archive,
    readers_cannot_tell_where_a_block_is,
    deleting_a_trace_deletes_its_objects,
    deleting_a_project_deletes_its_objects,
    a_span_is_cut_from_an_object_by_putting_another,
    a_failed_batch_leaves_no_object,
    an_archive_that_fails_fails_the_batch,
);

fn two_traces() -> RequestBuilder {
    request().project("p").spans([span(1, 1).session("s"), span(1, 2).child_of(1), span(2, 1)])
}

/// Text that compression cannot make small.
fn noise(length: usize) -> String {
    let next = |state: &u64| Some(state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
    let letters = std::iter::successors(Some(1), next).map(|state| char::from(b'0' + (state >> 58) as u8));
    letters.take(length).collect()
}

async fn only_large_blocks_go_to_the_archive(db: TestStore) {
    let db = db.with_blocks(BlockPolicy { large_bytes: 1_000 }).await;
    db.write(request().span(span(1, 1).attribute("noise", noise(4_000)))).await;
    db.write(request().span(span(2, 1))).await;
    assert_eq!(db.objects().len(), 1);
    assert_eq!(db.number("SELECT count(*) FROM trace_blocks WHERE data IS NULL").await, 1);
    assert_eq!(db.number("SELECT count(*) FROM trace_blocks WHERE object_key IS NULL").await, 1);
    let spans = every_span(db.data(), db.project("default").await).await;
    assert_eq!(spans[0].span.attributes["noise"], noise(4_000));
}

async fn readers_cannot_tell_where_a_block_is(db: TestStore) {
    let (inside, outside) = (db.fresh_tenant(), 77);
    write(inside, two_traces()).await.unwrap();
    let archiving = db.another(EVERYTHING_IS_LARGE).await;
    let scope = bennu_access::SystemScope::for_tenant(bennu_domain::ids::TenantId(outside), "test");
    write(archiving.scoped(&scope), two_traces()).await.unwrap();
    assert_eq!(db.objects().len(), 2);
    assert_eq!(everything(db.tenant(outside)).await, everything(inside).await);
    let export = async |data: bennu_store::ScopedStore<'_>| {
        let row = data.trace_row_with_id(trace_id(1)).await.unwrap().unwrap();
        data.export_trace(row).await.unwrap().unwrap()
    };
    assert_eq!(export(db.tenant(outside)).await, export(inside).await);
}

async fn deleting_a_trace_deletes_its_objects(db: TestStore) {
    let db = db.with_blocks(EVERYTHING_IS_LARGE).await;
    db.write(two_traces()).await;
    db.write(request().project("p").span(span(1, 3))).await;
    assert_eq!(db.objects().len(), 3);
    let row = db.data().trace_row_with_id(trace_id(1)).await.unwrap().unwrap();
    assert!(db.data().delete_trace(row).await.unwrap());
    assert_eq!(db.objects().len(), 1);
    assert_eq!(every_span(db.data(), db.project("p").await).await.len(), 1);
}

async fn deleting_a_project_deletes_its_objects(db: TestStore) {
    let db = db.with_blocks(EVERYTHING_IS_LARGE).await;
    db.write(two_traces()).await;
    assert!(db.data().delete_project(db.project("p").await).await.unwrap());
    assert_eq!(db.objects(), [] as [std::path::PathBuf; 0]);
}

async fn a_span_is_cut_from_an_object_by_putting_another(db: TestStore) {
    let db = db.with_blocks(EVERYTHING_IS_LARGE).await;
    db.write(request().project("p").spans((1..=3).map(|id| span(1, id).named(format!("span {id}"))))).await;
    let mut before = db.objects();
    assert_eq!(before.len(), 1);
    for id in [2, 1] {
        let row = db.data().span_rows_with_id(span_id(id)).await.unwrap()[0];
        assert!(db.data().delete_span(row).await.unwrap());
        let after = db.objects();
        assert_eq!(after.len(), 1, "the old object is gone");
        assert_ne!(after, before);
        before = after;
    }
    let left = every_span(db.data(), db.project("p").await).await;
    assert_eq!(left.iter().map(|stored| stored.span.name.as_str()).collect::<Vec<_>>(), ["span 3"]);
    assert!(db.data().delete_span(left[0].id).await.unwrap());
    assert_eq!(db.objects(), [] as [std::path::PathBuf; 0]);
}

/// Blocks are put before the spans are inserted; a span that the database refuses fails the batch after that.
async fn a_failed_batch_leaves_no_object(db: TestStore) {
    let db = db.with_blocks(EVERYTHING_IS_LARGE).await;
    db.refuse_spans_named("refused").await;
    db.write(two_traces()).await;
    let (objects, rows) = (db.objects(), db.row_counts().await);
    let batch =
        request().project("new").spans([span(7, 1).session("new"), span(8, 1).named("refused"), span(1, 9)]);
    let failed = write(db.data(), batch).await.unwrap_err();
    assert!(!failed.is_transient(), "{failed}");
    assert_eq!(db.objects(), objects);
    assert_eq!(db.row_counts().await, rows);
}

async fn an_archive_that_fails_fails_the_batch(db: TestStore) {
    let db = db.with_blocks(EVERYTHING_IS_LARGE).await;
    std::fs::write(db.archive_directory().join("tenants"), "a file where a directory should be").unwrap();
    let failed = db.data().write_spans(prepared(two_traces())).await.unwrap_err();
    assert!(failed.is_transient(), "{failed}");
    assert_eq!(db.row_counts().await, [0; 6]);
}
