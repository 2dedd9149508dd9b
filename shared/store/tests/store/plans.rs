//! SQLite finds rows by their ids, however many its tables hold.

use sea_orm::{ConnectionTrait as _, Statement};

use crate::support::TestStore;

/// The steps of the plan for `sql`, as SQLite describes them.
async fn plan(db: &TestStore, sql: &str) -> Vec<String> {
    let connection = db.raw().await;
    let statement =
        Statement::from_string(connection.get_database_backend(), format!("EXPLAIN QUERY PLAN {sql}"));
    let steps = connection.query_all_raw(statement).await.unwrap();
    connection.close().await.unwrap();
    steps.iter().map(|step| step.try_get("", "detail").unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn blocks_and_spans_are_found_by_their_ids() {
    let db = TestStore::sqlite().await;
    let ids = (1..=100).map(|id| id.to_string()).collect::<Vec<_>>().join(", ");
    for table in ["trace_blocks", "spans", "traces", "sessions"] {
        let sql = format!("SELECT * FROM {table} WHERE tenant_id = 1 AND id IN ({ids})");
        let expected = format!("SEARCH {table} USING INTEGER PRIMARY KEY (rowid=?)");
        assert_eq!(plan(&db, &sql).await, [expected]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn spans_of_traces_are_found_by_their_traces() {
    let db = TestStore::sqlite().await;
    let sql = "SELECT * FROM spans WHERE tenant_id = 1 AND project_id = 1 AND trace_row_id IN \
               (SELECT id FROM traces WHERE tenant_id = 1 AND trace_id IN (x'01', x'02')) ORDER BY id DESC LIMIT 10";
    let steps = plan(&db, sql).await;
    assert!(steps[0].contains("spans_by_trace (tenant_id=? AND trace_row_id=?)"), "{steps:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn traces_of_sessions_are_found_by_their_sessions() {
    let db = TestStore::sqlite().await;
    let sql = "SELECT * FROM traces WHERE tenant_id = 1 AND project_id = 1 AND session_row_id IN (1, 2) \
               ORDER BY start_time DESC, id DESC LIMIT 10";
    let steps = plan(&db, sql).await;
    assert!(steps[0].contains("traces_by_session (tenant_id=? AND session_row_id=?)"), "{steps:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn blocks_that_a_search_meets_are_found_in_the_index_of_starts() {
    let db = TestStore::sqlite().await;
    let sql = "SELECT DISTINCT block_id FROM spans WHERE tenant_id = 1 AND project_id = 1 AND (start_time, id) < (9, 9) \
               AND start_time >= 5 AND (start_time, id) >= (5, 5)";
    let steps = plan(&db, sql).await;
    let expected = "SEARCH spans USING COVERING INDEX spans_by_start (tenant_id=? AND project_id=? AND start_time>? AND \
                    start_time<?)";
    assert_eq!(steps[0], expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn annotations_are_found_by_their_targets_keys_and_runs_and_not_by_a_name_that_many_have() {
    let db = TestStore::sqlite().await;
    let step = async |condition: &str| {
        let sql = format!(
            "SELECT * FROM annotations WHERE tenant_id = 1 AND project_id = 1 AND target_kind = 1 AND {condition} \
             ORDER BY id DESC LIMIT 10"
        );
        plan(&db, &sql).await.swap_remove(0)
    };
    let by = |index: &str| format!("SEARCH annotations USING INDEX annotations_{index}");
    let by_target = by("by_target (tenant_id=? AND target_kind=? AND target_row_id=?)");
    assert_eq!(step("name IN ('a', 'b') AND target_row_id IN (1, 2)").await, by_target);
    assert_eq!(step("identifier = 'a' AND target_row_id IN (1, 2)").await, by_target);
    let by_key = by("by_key (tenant_id=? AND target_kind=? AND identifier=?");
    assert_eq!(step("identifier = 'a'").await, format!("{by_key})"));
    assert_eq!(step("identifier IN ('a', 'b') AND id <= 9").await, format!("{by_key})"));
    let whole = step("name = 'a' AND identifier = 'b' AND target_row_id IN (1, 2)").await;
    assert_eq!(whole, format!("{by_key} AND name=? AND target_row_id=?)"));
    assert_eq!(step("name = 'a'").await, "SCAN annotations");
}
