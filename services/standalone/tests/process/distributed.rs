//! The services as processes of their own, behind the gateway. Their programs are built beside that of the tests.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::thread;
use std::time::{Duration, Instant};

use bennu_testkit::otlp::{request, span};
use bennu_testkit::servers::Stack;
use serde_json::{Value, json};

use crate::bennu::whole_machine;
use crate::grpc;
use crate::http::{ask, get, get_json, send_one, span_names};

/// From the answer to the exporter until the span can be read: a writer that is idle takes milliseconds.
pub const VISIBLE_WITHIN: Duration = Duration::from_secs(10);
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);

/// The directory of the programs.
pub fn programs() -> PathBuf {
    Path::new(env!("CARGO_BIN_EXE_bennu")).parent().unwrap().to_owned()
}

/// Looks until it is so.
pub fn until(what: &str, within: Duration, mut is_so: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !is_so() {
        assert!(begin.elapsed() < within, "{what}: not within {within:?}");
        thread::sleep(BETWEEN_LOOKS);
    }
}

pub type Settings<'a> = &'a [(&'a str, &'a str)];

pub fn run(program: &str, arguments: &[&str], settings: Settings) -> Output {
    let directory = tempfile::tempdir().unwrap();
    let mut command = Command::new(programs().join(program));
    for (name, _) in std::env::vars_os() {
        if ["BENNU_", "AWS_"].iter().any(|prefix| name.to_string_lossy().starts_with(prefix)) {
            command.env_remove(name);
        }
    }
    let own =
        [("BENNU_HOST", "127.0.0.1"), ("BENNU_PORT", "0"), ("BENNU_GRPC_PORT", "0"), ("BENNU_LOG", "error")];
    command
        .args(arguments)
        .envs(own)
        .envs(settings.iter().copied())
        .env("BENNU_WORKING_DIR", directory.path());
    command.output().unwrap()
}

#[test]
fn spans_travel_through_all_services() {
    let _alone = whole_machine();
    let stack = Stack::start(&programs(), &[]).unwrap();
    let (url, project) = (&stack.url, "travel");
    let sent = |number: u64, name: &str| {
        request().project(project).span(span(number.into(), number).named(name)).build()
    };

    send_one(url, &sent(1, "HTTP"));
    grpc::export(stack.grpc_port, sent(2, "gRPC")).unwrap();
    // More than the broker takes in one message.
    let large = span(3, 3).named("large").attribute("input.value", "x".repeat(3 << 20));
    send_one(url, &request().project(project).span(large).build());
    until("the spans can be read", VISIBLE_WITHIN, || {
        let projects = get_json(&format!("{url}/v1/projects"));
        let known = projects["data"].as_array().unwrap().iter().any(|known| known["name"] == project);
        known && span_names(url, project).len() == 3
    });
    let mut names = span_names(url, project);
    names.sort();
    assert_eq!(names, ["HTTP", "gRPC", "large"]);

    for (method, path, status) in [
        ("GET", "/", 200),
        ("GET", "/openapi.json", 200),
        ("GET", "/nothing", 404),
        ("POST", "/v1/traces", 415),
    ] {
        assert_eq!(ask(method, &format!("{url}{path}")).status, status, "{method} {path}");
    }
    assert_eq!(ask("DELETE", &format!("{url}/v1/projects/{project}")).status, 204);
    assert_eq!(get(&format!("{url}/v1/projects/{project}/spans")).status, 404);
}

#[test]
fn what_is_away_is_said_and_comes_back_without_a_restart() {
    let _alone = whole_machine();
    let mut stack = Stack::start(&programs(), &[]).unwrap();
    let ready = |address: &str| get(&format!("http://{address}/readyz"));
    let (receiver, query) = (stack.receiver.variables[0].1.clone(), stack.query.variables[0].1.clone());
    let missing =
        |answer: &[u8]| serde_json::from_slice::<Value>(answer).unwrap()["missing"][0]["name"].clone();

    stack.rabbitmq.stop();
    until("the receiver misses its broker", VISIBLE_WITHIN, || ready(&receiver).status == 503);
    assert_eq!(missing(&ready(&receiver).body), json!("broker"));
    let busy = crate::http::send(
        &bennu_loadtests::otlp_client::plain_agent(),
        &stack.url,
        &request().span(span(1, 1)).bytes(),
    );
    let busy = busy.unwrap();
    assert_eq!((busy.status, busy.header("retry-after")), (503, Some("1")), "{}", busy.text());
    stack.rabbitmq.start_again().unwrap();
    until("both have their broker back", VISIBLE_WITHIN, || {
        [&receiver, &query].iter().all(|address| ready(address).status == 200)
    });

    stack.postgres.stop();
    until("query misses its database", VISIBLE_WITHIN * 2, || ready(&query).status == 503);
    assert_eq!(missing(&ready(&query).body), json!("database"));
    // The broker takes what cannot be written yet.
    send_one(&stack.url, &request().project("later").span(span(2, 2).named("kept")).build());
    stack.postgres.start_again().unwrap();
    until("query has its database back", VISIBLE_WITHIN, || ready(&query).status == 200);
    until("what was kept is stored", VISIBLE_WITHIN * 2, || {
        get(&format!("{}/v1/projects/later/spans", stack.url)).text().contains("kept")
    });

    stack.s3.stop();
    until("query misses its objects", VISIBLE_WITHIN * 2, || ready(&query).status == 503);
    assert_eq!(missing(&ready(&query).body), json!("objects"));
    assert_eq!(ready(&receiver).status, 200, "it takes what is not large");
    send_one(&stack.url, &request().project("small").span(span(4, 4)).build());
    stack.s3.start_again().unwrap();
    until("query has its objects back", VISIBLE_WITHIN, || ready(&query).status == 200);

    stack.query.stop();
    let away = get(&format!("{}/v1/projects", stack.url));
    assert_eq!((away.status, away.header("retry-after")), (503, Some("1")));
    stack.receiver.stop();
    let away = grpc::export(stack.grpc_port, request().span(span(3, 3)).build()).unwrap_err();
    assert_eq!(away.code(), tonic::Code::Unavailable);
}

#[test]
fn a_backend_that_cannot_be_used_ends_the_start_with_its_variable() {
    let postgres = std::env::var(bennu_testkit::servers::postgres::URL_VARIABLE).unwrap() + "/postgres";
    let postgres = ("BENNU_DATABASE_URL", postgres.as_str());
    let objects = tempfile::tempdir().unwrap();
    let objects_url = format!("file://{}", objects.path().display());
    let objects = ("BENNU_OBJECT_STORE_URL", objects_url.as_str());
    let writer = ("BENNU_INGEST_ROLES", "writer");
    let enabled = ("BENNU_ENABLE_AUTH", "true");
    let bucket = ("BENNU_OBJECT_STORE_URL", "s3://bennu-test/start");
    let s3 = std::env::var(bennu_testkit::servers::s3::URL_VARIABLE).unwrap();
    let [endpoint, nowhere] = [s3.as_str(), "http://127.0.0.1:1"].map(|url| ("BENNU_S3_ENDPOINT", url));
    let http = ("BENNU_S3_ALLOW_HTTP", "true");
    let access = ("AWS_ACCESS_KEY_ID", bennu_testkit::servers::s3::ACCESS_KEY);
    let wrong = ("AWS_SECRET_ACCESS_KEY", "hunter2");
    let cases: [(&str, Settings, &str); 15] = [
        ("bennu-ingest", &[], "BENNU_DATABASE_URL"),
        ("bennu-query", &[], "BENNU_DATABASE_URL"),
        ("bennu-query", &[postgres], "BENNU_OBJECT_STORE_URL"),
        ("bennu-query", &[("BENNU_DATABASE_URL", "sqlite:///a.db"), objects], "BENNU_DATABASE_URL"),
        (
            "bennu-query",
            &[("BENNU_DATABASE_URL", "postgresql://127.0.0.1:1/x"), objects],
            "BENNU_DATABASE_URL",
        ),
        (
            "bennu-query",
            &[postgres, ("BENNU_OBJECT_STORE_URL", "file:///proc/nowhere")],
            "BENNU_OBJECT_STORE_URL",
        ),
        ("bennu-query", &[postgres, bucket, endpoint, http, access, wrong], "BENNU_OBJECT_STORE_URL"),
        ("bennu-ingest", &[postgres, bucket, nowhere, http, access, wrong], "BENNU_OBJECT_STORE_URL"),
        ("bennu-query", &[postgres, bucket, endpoint, access, wrong], "BENNU_S3_ENDPOINT"),
        ("bennu-query", &[postgres, bucket, endpoint, http, wrong], "BENNU_S3_ACCESS_KEY_ID"),
        ("bennu-ingest", &[postgres, objects, writer], "BENNU_BROKER_URL"),
        ("bennu-query", &[postgres, objects, enabled], "BENNU_SECRET"),
        ("bennu-auth", &[postgres, objects, enabled], "BENNU_SECRET"),
        ("bennu-auth", &[postgres, objects, enabled, ("BENNU_AUTH_URL", "http://auth:1")], "BENNU_AUTH_URL"),
        (
            "bennu-ingest",
            &[postgres, objects, ("BENNU_BROKER_URL", "amqp://me:hunter2@127.0.0.1:1")],
            "BENNU_BROKER_URL",
        ),
    ];
    for (program, settings, variable) in cases {
        let done = run(program, &["serve"], settings);
        let said = String::from_utf8(done.stderr).unwrap();
        assert_eq!(done.status.code(), Some(1), "{program} {settings:?}: {said}");
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(said.starts_with(&format!("{program}: {variable}")), "{said}");
        assert!(!said.contains("hunter2"), "{said}");
    }
}

#[test]
fn help_teaches() {
    for (program, arguments, words) in [
        ("bennu-ingest", &["--help"][..], "BENNU_INGEST_ROLES"),
        ("bennu-ingest", &["serve", "--help"], "BENNU_BROKER_URL"),
        ("bennu-ingest", &["dead-letters", "--help"], "replay"),
        ("bennu-query", &["serve", "--help"], "BENNU_DATABASE_URL"),
        ("bennu-auth", &["serve", "--help"], "BENNU_AUTH_URL"),
    ] {
        let done = run(program, arguments, &[]);
        let text = String::from_utf8(done.stdout).unwrap();
        assert!(done.status.success() && text.contains(words), "{program} {arguments:?}: {text}");
    }
}

#[test]
fn operators_look_after_dead_letters() {
    let _alone = whole_machine();
    let stack = Stack::start(&programs(), &[]).unwrap();
    let objects = tempfile::tempdir().unwrap();
    let objects_url = format!("file://{}", objects.path().display());
    let settings = [
        ("BENNU_BROKER_URL", stack.rabbitmq.variables[0].1.as_str()),
        ("BENNU_OBJECT_STORE_URL", &objects_url),
    ];
    let letters = |arguments: &[&str]| {
        let done = run("bennu-ingest", &[&["dead-letters"], arguments].concat(), &settings);
        let (out, error) = (String::from_utf8(done.stdout).unwrap(), String::from_utf8(done.stderr).unwrap());
        (done.status.code().unwrap(), out, error)
    };
    assert_eq!(letters(&["list"]), (0, String::new(), String::new()));
    publish_poison(&stack.rabbitmq.variables[0].1);
    until("the poison is parked", VISIBLE_WITHIN, || !letters(&["list"]).1.is_empty());
    let (_, listed, _) = letters(&["list"]);
    let id = listed.split('\t').next().unwrap().to_owned();
    assert_eq!(listed.lines().count(), 1, "{listed}");
    let (code, shown, _) = letters(&["show", &id]);
    assert!(code == 0 && shown.contains("its spans cannot be read"), "{shown}");
    assert_eq!(letters(&["replay", &id]), (0, "1 replayed\n".to_owned(), String::new()));
    until("it comes back", VISIBLE_WITHIN, || letters(&["list"]).1.starts_with(&id));
    let (code, _, error) = letters(&["drop", "no-such-id"]);
    assert!(code == 1 && error.contains("0 of 1"), "{error}");
    assert_eq!(letters(&["drop", "--all"]).1, "1 dropped\n");
    assert_eq!(letters(&["list"]).1, "");
    // The writer has not been held up.
    send_one(&stack.url, &request().project("after").span(span(1, 1).named("after")).build());
    until("later spans are stored", VISIBLE_WITHIN, || {
        get(&format!("{}/v1/projects/after/spans", stack.url)).text().contains("after")
    });
}

/// A message that no receiver would publish.
pub fn publish_poison(url: &str) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let connection =
            lapin::Connection::connect(url, lapin::ConnectionProperties::default()).await.unwrap();
        let channel = connection.create_channel().await.unwrap();
        channel.confirm_select(lapin::options::ConfirmSelectOptions::default()).await.unwrap();
        let named = lapin::BasicProperties::default().with_message_id("poison".into());
        let options = lapin::options::BasicPublishOptions::default();
        let sent = channel.basic_publish("bennu.spans".into(), "1".into(), options, b"\xff\xff", named).await;
        assert!(sent.unwrap().await.unwrap().is_ack());
        connection.close(200, "".into()).await.unwrap();
    });
}
