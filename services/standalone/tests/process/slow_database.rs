//! A Postgres that takes too long: callers hear of it in time, and nothing stays stuck.

use bennu_loadtests::otlp_client::plain_agent;
use bennu_testkit::databases;
use bennu_testkit::otlp::{request, span};

use crate::bennu::Bennu;
use crate::http::{get, send, send_one, span_names};
use crate::rows::Rows;

const PROJECT: &str = "slow";

#[test]
fn a_statement_that_takes_too_long_is_a_503_and_then_all_is_well() {
    let directory = tempfile::tempdir().unwrap();
    let database = tokio::runtime::Runtime::new().unwrap().block_on(databases::postgres());
    let settings = [
        ("BENNU_DATABASE_URL", database.as_str()),
        ("BENNU_DATABASE_STATEMENT_SECONDS", "1"),
        ("BENNU_DATABASE_CONNECTIONS", "2"),
    ];
    let bennu = Bennu::start(directory.path(), &settings);
    let otlp = |number: u64| request().project(PROJECT).span(span(1, number).named("kept"));
    send_one(&bennu.url, &otlp(1).build());

    let holder = Rows::open(&database);
    holder.execute("BEGIN; LOCK TABLE spans IN ACCESS EXCLUSIVE MODE");
    // More often than there are connections.
    for _ in 0..3 {
        let answer = get(&bennu.at("/v1/projects/slow/spans"));
        assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")), "{}", answer.text());
        assert!(answer.text().starts_with("the database took too long"), "{}", answer.text());
    }
    let refused = send(&plain_agent(), &bennu.url, &otlp(2).bytes()).unwrap();
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")), "{}", refused.text());

    holder.execute("ROLLBACK");
    send_one(&bennu.url, &otlp(2).build());
    assert_eq!(span_names(&bennu.url, PROJECT), ["kept", "kept"]);
    bennu.stop();
}
