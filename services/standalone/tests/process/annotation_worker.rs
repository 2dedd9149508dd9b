//! Annotations without `sync` on their way through the worker: killed in the middle, over TLS, and what operators do about those
//! that failed.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use bennu_loadtests::otlp_client::plain_agent;
use bennu_testkit::otlp::{request, span, span_id};
use bennu_testkit::servers::{Server, Stack, redis};
use serde_json::{Value, json};

use crate::bennu::{Bennu, whole_machine};
use crate::distributed::{VISIBLE_WITHIN, programs, run, until};
use crate::http::{get, get_all, get_json, send_one, span_names};
use crate::rows::Rows;

const SPANS: u64 = 100;
/// Of 100 annotations, enough for some more transactions of a worker than it is killed.
const REQUESTS: usize = 600;
const KILLS: usize = 3;
/// Of a worker that died; short, because its jobs wait for that long.
const LEASE: (&str, &str) = ("BENNU_ANNOTATION_LEASE_SECONDS", "1");
/// The debug build applies thousands a second.
const APPLIED_WITHIN: Duration = Duration::from_mins(1);

/// Queues an annotation of each span; answers the receipt.
fn annotate(url: &str, name: &str, spans: impl Iterator<Item = u64>) -> String {
    let item = |id| json!({"span_id": span_id(id).to_string(), "name": name, "annotator_kind": "CODE", "result": {"score": 1}});
    let body = json!({ "data": spans.map(item).collect::<Vec<_>>() }).to_string();
    let posted =
        plain_agent().post(format!("{url}/v1/span_annotations")).content_type("application/json").send(body);
    let mut answer = posted.unwrap();
    assert_eq!(answer.status(), 200, "{}", answer.body_mut().read_to_string().unwrap());
    answer.headers()["x-bennu-receipt"].to_str().unwrap().to_owned()
}

fn receipt(url: &str, receipt: &str) -> Value {
    get_json(&format!("{url}/v1/receipts/{receipt}?wait=30s"))["data"].clone()
}

fn store_spans(url: &str, project: &str) {
    send_one(url, &request().project(project).spans((1..=SPANS).map(|id| span(1, id))).build());
    until("the spans can be read", VISIBLE_WITHIN, || {
        get(&format!("{url}/v1/projects/{project}/spans")).status == 200
            && span_names(url, project).len() == usize::try_from(SPANS).unwrap()
    });
}

#[test]
fn a_killed_worker_applies_everything_once_from_redis() {
    let _alone = whole_machine();
    let stack = Stack::start(&programs(), &[LEASE]).unwrap();
    let redis = stack.redis.variables[0].1.trim_start_matches("redis://").to_owned();
    kill_in_the_middle(stack, |_| pending_entries(&redis));
}

#[test]
fn a_killed_worker_applies_everything_once_from_the_table() {
    let _alone = whole_machine();
    let stack = Stack::start(&programs(), &[LEASE, ("BENNU_ANNOTATION_QUEUE_URL", "")]).unwrap();
    kill_in_the_middle(stack, |rows| {
        let now = "CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT)";
        rows.count(&format!("SELECT count(*) FROM annotation_jobs WHERE due_at > {now}"))
    });
}

/// `claimed` counts the jobs that a worker has and did not settle.
fn kill_in_the_middle(mut stack: Stack, claimed: impl Fn(&Rows) -> i64) {
    store_spans(&stack.url, "killed");
    stack.annotation_worker.kill();
    let name = |number: usize| format!("round {number}");
    let receipts: Vec<String> =
        (0..REQUESTS).map(|number| annotate(&stack.url, &name(number), 1..=SPANS)).collect();

    let rows = Rows::open(&stack.database);
    let applied = || rows.count("SELECT count(*) FROM annotations");
    let total = i64::try_from(REQUESTS).unwrap() * i64::try_from(SPANS).unwrap();
    let mut in_the_middle = 0;
    for kill in 0..KILLS {
        let before = applied();
        stack.annotation_worker.start_again().unwrap();
        until("some more are applied", APPLIED_WITHIN, || applied() > before);
        stack.annotation_worker.kill();
        in_the_middle += usize::from(claimed(&rows) > 0);
        assert!(applied() < total, "all were applied before kill {kill}: there was no middle");
    }
    assert!(in_the_middle > 0, "no kill met a worker that had jobs");
    stack.annotation_worker.start_again().unwrap();

    for id in &receipts {
        let found = receipt(&stack.url, id);
        assert_eq!((&found["status"], &found["applied"]), (&json!("applied"), &json!(SPANS)), "{found}");
    }
    assert_eq!(applied(), total);
    let project = format!("{}/v1/projects/killed", stack.url);
    let sums = get_json(&format!("{project}/annotation_summaries"));
    let sums: Vec<(&str, i64)> = sums["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row["name"].as_str().unwrap(), row["count"].as_i64().unwrap()))
        .collect();
    let mut expected: Vec<(String, i64)> =
        (0..REQUESTS).map(|number| (name(number), i64::try_from(SPANS).unwrap())).collect();
    expected.sort();
    assert_eq!(sums, expected.iter().map(|(name, count)| (name.as_str(), *count)).collect::<Vec<_>>());
    let of_one = format!("{project}/span_annotations?span_ids={}&limit=1000", span_id(7));
    let mut names: Vec<String> =
        get_all(&of_one).iter().map(|found| found["name"].as_str().unwrap().to_owned()).collect();
    names.sort();
    assert_eq!(names, expected.into_iter().map(|(name, _)| name).collect::<Vec<_>>());
}

/// Entries of the stream that a worker has and did not settle.
fn pending_entries(redis: &str) -> i64 {
    let mut stream = TcpStream::connect(redis).unwrap();
    stream.write_all(b"XPENDING bennu:{annotations}:jobs workers\r\n").unwrap();
    // An array whose first element is the number: `*4`, `:10`.
    let mut lines = BufReader::new(stream).lines().map(Result::unwrap);
    assert_eq!(lines.next().unwrap(), "*4");
    lines.next().unwrap().trim_start_matches(':').parse().unwrap()
}

#[test]
fn the_queue_may_be_reached_over_tls() {
    let redis = redis::start_with_tls().unwrap();
    let value = |variable: &str| {
        redis.variables.iter().find(|(name, _)| *name == variable).map(|(_, value)| value.as_str()).unwrap()
    };
    let url = ("BENNU_ANNOTATION_QUEUE_URL", value(redis::URL_VARIABLE));
    let authority = (redis::AUTHORITY_VARIABLE, value(redis::AUTHORITY_VARIABLE));
    let directory = tempfile::tempdir().unwrap();
    let bennu = Bennu::start(directory.path(), &[url, authority]);
    store_spans(&bennu.url, "secret");
    let queued = annotate(&bennu.url, "n", 1..=SPANS);
    let found = receipt(&bennu.url, &queued);
    assert_eq!((&found["status"], &found["applied"]), (&json!("applied"), &json!(SPANS)), "{found}");
    bennu.stop();

    let database = format!("sqlite:///{}", directory.path().join("other.db").display());
    let database = ("BENNU_DATABASE_URL", database.as_str());
    let unknown = run("bennu-annotation-worker", &["dead-letters", "list"], &[database, url]);
    assert_refused(&unknown, "certificate");
    let plain = url.1.replace("rediss://", "redis://");
    let plain = ("BENNU_ANNOTATION_QUEUE_URL", plain.as_str());
    assert_refused(&run("bennu-annotation-worker", &["dead-letters", "list"], &[database, plain]), "");
}

fn assert_refused(done: &std::process::Output, reason: &str) {
    let said = String::from_utf8(done.stderr.clone()).unwrap();
    assert_eq!((done.status.code(), said.lines().count()), (Some(1), 1), "{said}");
    assert!(said.starts_with("bennu-annotation-worker: BENNU_ANNOTATION_QUEUE_URL"), "{said}");
    assert!(said.contains(reason), "{said}");
}

#[test]
fn operators_look_after_annotations_that_failed() {
    let _alone = whole_machine();
    let stack = Stack::start(&programs(), &[("BENNU_ANNOTATION_PATIENCE_SECONDS", "0")]).unwrap();
    let url = &stack.url;
    let settings = [
        ("BENNU_DATABASE_URL", stack.database.as_str()),
        ("BENNU_ANNOTATION_QUEUE_URL", address(&stack.redis)),
    ];
    let letters = |arguments: &[&str]| {
        let done = run("bennu-annotation-worker", &[&["dead-letters"], arguments].concat(), &settings);
        let (out, error) = (String::from_utf8(done.stdout).unwrap(), String::from_utf8(done.stderr).unwrap());
        (done.status.code().unwrap(), out, error)
    };
    assert_eq!(letters(&["list"]), (0, String::new(), String::new()));

    let queued = annotate(url, "too early", [7, 8].into_iter());
    assert_eq!(receipt(url, &queued)["status"], "failed");
    let (_, listed, _) = letters(&["list"]);
    let ids: Vec<&str> = listed.lines().map(|line| word_behind(line, "id")).collect();
    assert_eq!(ids.len(), 2, "{listed}");
    let of_seven = listed.lines().find(|line| line.contains(&span_id(7).to_string())).unwrap();
    assert!(of_seven.starts_with("tenant 1  id ") && of_seven.contains("too early of span"), "{of_seven}");
    assert!(of_seven.ends_with("did not come in time"), "{of_seven}");
    assert_eq!(letters(&["list", "--tenant", "2"]).1, "");

    let (code, shown, _) = letters(&["show", word_behind(of_seven, "id")]);
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!((code, &shown["receipt"], &shown["index"]), (0, &json!(queued), &json!(0)), "{shown}");
    assert_eq!(shown["annotation"]["name"], "too early");
    let (code, _, error) = letters(&["show", "4711"]);
    assert!(code == 1 && error.contains("tenant 1 has no failed annotation 4711"), "{error}");
    assert_eq!(letters(&["replay"]).0, 2, "which ones must be said");

    store_spans(url, "late");
    let (_, replayed, _) = letters(&["replay", "--all"]);
    assert!(replayed.starts_with("2 queued again, receipt "), "{replayed}");
    let again = receipt(url, replayed.trim().rsplit(' ').next().unwrap());
    assert_eq!((&again["status"], &again["applied"]), (&json!("applied"), &json!(2)), "{again}");
    assert_eq!(letters(&["list"]).1, "");
    let of_seven = format!("{url}/v1/projects/late/span_annotations?span_ids={}", span_id(7));
    assert_eq!(get_all(&of_seven)[0]["name"], "too early");

    assert_eq!(receipt(url, &annotate(url, "never", 500..503))["failed"], 3);
    let (_, listed, _) = letters(&["list"]);
    let first = word_behind(listed.lines().next().unwrap(), "id");
    assert_eq!(letters(&["drop", first]).1, "1 dropped\n");
    assert_eq!(letters(&["drop", "--all"]).1, "2 dropped\n");
    assert_eq!(letters(&["list"]).1, "");
}

fn address(server: &Server) -> &str {
    &server.variables[0].1
}

fn word_behind<'t>(line: &'t str, word: &str) -> &'t str {
    let mut words = line.split_whitespace().skip_while(|found| *found != word);
    words.nth(1).unwrap()
}
