//! Spans are found by their id alone, in whatever part of the index they are.

use bennu_domain::ids::SpanRowId;
use bennu_store::DatabaseLocation;
use bennu_testkit::otlp::{request, span};

use crate::support::{TestStore, on_both_engines, span_id};

on_both_engines!(spans_are_found_in_every_part_of_the_index, nothing_is_found_in_an_empty_store);

/// As if so many spans had come and gone.
async fn skip_row_ids(db: &TestStore, last: i64) {
    db.execute(&match db.location {
        DatabaseLocation::Postgres(_) => {
            format!("SELECT setval(pg_get_serial_sequence('spans', 'id'), {last})")
        }
        _ => format!("UPDATE sqlite_sequence SET seq = {last} WHERE name = 'spans'"),
    })
    .await;
}

async fn spans_are_found_in_every_part_of_the_index(db: TestStore) {
    db.write(request().span(span(1, 1)).span(span(1, 2))).await;
    skip_row_ids(&db, 16_382).await; // the next two rows are the last of one part and the first of another
    db.write(request().span(span(2, 3)).span(span(2, 4))).await;
    skip_row_ids(&db, 3_000_000).await;
    db.write(request().span(span(3, 5)).span(span(3, 1))).await;

    let ids: Vec<_> = (1..=6).map(span_id).collect();
    let mut found = db.data().span_rows_with_ids(&ids).await.unwrap();
    found.sort_unstable_by_key(|(_, row)| row.0);
    let rows = [1, 2, 16_383, 16_384, 3_000_001, 3_000_002].map(SpanRowId);
    let expected = [1, 2, 3, 4, 5, 1].map(span_id).into_iter().zip(rows);
    assert_eq!(found, expected.collect::<Vec<_>>());
}

async fn nothing_is_found_in_an_empty_store(db: TestStore) {
    assert_eq!(db.data().span_rows_with_ids(&[span_id(1)]).await.unwrap(), []);
    assert_eq!(db.data().span_rows_with_ids(&[]).await.unwrap(), []);
}
