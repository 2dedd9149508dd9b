//! How long a page and a batch take on Postgres: `cargo test -p bennu-store --test store -- --ignored timing --nocapture`.

use std::time::{Duration, Instant};

use bennu_domain::page::Order;
use bennu_domain::span_filter::SpanFilter;
use bennu_store::SpanPageRequest;
use bennu_testkit::otlp::{request, span};

use crate::support::{TestStore, prepared, span_id, span_list};

const BATCHES: u64 = 40;
const SPANS_A_BATCH: u64 = 1_000;
const PAGES: usize = 300;

fn report(what: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    println!("{what}: fastest {:?}, median {:?}", times[0], times[times.len() / 2]);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "measures, and asserts nothing"]
async fn pages_and_batches() {
    let db = TestStore::postgres().await;
    let mut times = Vec::new();
    for batch in 0..BATCHES {
        let spans = (0..SPANS_A_BATCH).map(|place| {
            let id = 1 + batch * SPANS_A_BATCH + place;
            span(u128::from(1 + id / 8), id)
                .session(&format!("session {}", id / 80))
                .attribute("text", "x".repeat(500))
        });
        let spans = prepared(request().project("p").spans(spans));
        let begin = Instant::now();
        db.data().write_spans(spans).await.unwrap();
        times.push(begin.elapsed());
    }
    report("a batch of 1,000 spans", times);
    let project = db.project("p").await;
    let page = SpanPageRequest { order: Order::Descending, ..span_list(project, SpanFilter::default()) };
    let (mut pages, mut projects, mut ids) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..PAGES {
        let begin = Instant::now();
        assert_eq!(db.data().span_page(&page).await.unwrap().items.len(), 100);
        pages.push(begin.elapsed());
        let begin = Instant::now();
        db.data().project(project).await.unwrap().unwrap();
        projects.push(begin.elapsed());
        let begin = Instant::now();
        assert_eq!(db.data().span_rows_with_id(span_id(77)).await.unwrap().len(), 1);
        ids.push(begin.elapsed());
    }
    report("a page of 100 spans", pages);
    report("a project by its id", projects);
    report("a span by its id", ids);
}
