//! Lists of sessions.

use bennu_domain::page::Order;
use bennu_testkit::otlp::{request, span};

use crate::support::{TestStore, on_both_engines};

on_both_engines!(
    sessions_come_in_order_of_their_making_page_by_page,
    a_session_is_found_by_the_id_it_was_sent_with,
);

async fn sessions_come_in_order_of_their_making_page_by_page(db: TestStore) {
    let spans = [(1, "d"), (2, "b"), (3, "e"), (4, "a"), (5, "c")];
    let spans = spans.map(|(trace, session)| span(trace, 1).session(session));
    db.write(request().spans(spans)).await;
    db.write(request().project("other").span(span(9, 1).session("elsewhere"))).await;
    let project = db.project("default").await;
    for limit in 1..=6 {
        for (order, expected) in [(Order::Ascending, "d b e a c"), (Order::Descending, "c a e b d")] {
            let (mut found, mut from) = (Vec::new(), None);
            loop {
                let page = db.data().list_sessions(project, None, order, from, limit).await.unwrap();
                assert!(page.items.len() <= limit);
                found.extend(page.items.into_iter().map(|session| session.session_id));
                from = page.next;
                if from.is_none() {
                    break;
                }
            }
            assert_eq!(found.join(" "), expected, "limit {limit}");
        }
    }
}

async fn a_session_is_found_by_the_id_it_was_sent_with(db: TestStore) {
    let ids = ["plain".to_owned(), "x".repeat(5_000), "nul\0".to_owned(), "ü".repeat(1_000)];
    for (id, number) in ids.iter().zip(1..) {
        db.write(request().span(span(number, 1).session(id))).await;
    }
    for id in &ids {
        let rows = db.data().session_rows(std::slice::from_ref(id)).await.unwrap();
        assert_eq!(rows.len(), 1, "{id:?}");
    }
    assert_eq!(db.data().session_rows(&[]).await.unwrap(), []);
}
