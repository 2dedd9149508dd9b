//! The audit log from outside: what the API tells of it, and what the command line finds out.

use std::path::Path;

use bennu_testkit::otlp::{request, span};
use sea_orm::{ConnectionTrait as _, Database};
use serde_json::{Value, json};

use crate::bennu::{Bennu, run};
use crate::http::{ask, get, get_all, get_json, send_one};

/// Exit code and output of `bennu audit verify`.
fn verify(directory: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    run(directory, &[&["audit", "verify"], arguments].concat())
}

fn told(entry: &Value) -> Value {
    json!([entry["sequence"], entry["action"], entry["actor"], entry["details"]])
}

#[test]
fn deletes_and_exports_are_told_with_who_and_from_where() {
    let directory = tempfile::tempdir().unwrap();
    let bennu = Bennu::start(directory.path(), &[]);
    send_one(&bennu.url, &request().project("p").span(span(1, 1)).build());
    let project = get_json(&bennu.at("/v1/projects/p"))["data"]["id"].clone();
    for path in ["/v1/projects/p/spans.jsonl", "/v1/projects/p/spans.parquet?limit=1"] {
        assert_eq!(get(&bennu.at(path)).status, 200);
    }
    assert_eq!(ask("DELETE", &bennu.at("/v1/projects/p")).status, 204);
    assert_eq!(ask("DELETE", &bennu.at("/v1/projects/p")).status, 404);

    let log = get_all(&bennu.at("/v1/audit?limit=2"));
    let system = json!({ "kind": "system", "name": "bennu", "address": null });
    let caller = json!({ "kind": "anonymous", "name": "anonymous", "address": "127.0.0.1" });
    let expected = [
        json!([4, "project.delete", caller, { "name": "p" }]),
        json!([3, "span.export", caller, { "format": "parquet", "limit": 1 }]),
        json!([2, "span.export", caller, { "format": "jsonl", "limit": null }]),
        json!([1, "project.create", system, { "name": "default" }]),
    ];
    assert_eq!(log.iter().map(told).collect::<Vec<_>>(), expected);
    assert!(log[..3].iter().all(|entry| entry["target"] == project));
    let exports = get_json(&bennu.at("/v1/audit?action=span.export&actor=anonymous&limit=1"));
    assert_eq!((told(&exports["data"][0]), &exports["next_cursor"]), (expected[1].clone(), &json!("2")));

    for (query, status) in [
        ("action=nothing", 422),
        ("actor=", 422),
        ("limit=0", 422),
        ("start_time=x", 422),
        ("cursor=x", 422),
        ("start_time=2000-01-01T00:00:00Z&end_time=2000-01-02T00:00:00Z", 200),
    ] {
        assert_eq!(get(&bennu.at(&format!("/v1/audit?{query}"))).status, status, "{query}");
    }
    bennu.stop();
}

#[tokio::test]
async fn the_command_line_names_the_first_broken_entry() {
    let directory = tempfile::tempdir().unwrap();
    let bennu = Bennu::start(directory.path(), &[]);
    for name in ["a", "b", "c"] {
        send_one(&bennu.url, &request().project(name).span(span(1, 1)).build());
        assert_eq!(ask("DELETE", &bennu.at(&format!("/v1/projects/{name}"))).status, 204);
    }
    let hash = get_json(&bennu.at("/v1/audit"))["data"][0]["hash"].as_str().unwrap().to_owned();
    let intact = (Some(0), format!("default\tintact\t4 entries\tlast hash {hash}\n"));
    assert_eq!(verify(directory.path(), &[]), intact, "while the server runs");
    bennu.stop();
    assert_eq!(verify(directory.path(), &["--tenant", "default"]), intact);
    let unknown = verify(directory.path(), &["--tenant", "nobody"]);
    assert_eq!(unknown, (Some(1), "bennu: --tenant: there is no tenant \"nobody\"\n".to_owned()));

    let database = directory.path().join("bennu.db");
    let database = Database::connect(format!("sqlite://{}", database.display())).await.unwrap();
    let tamper =
        "DROP TRIGGER audit_log_keeps_entries; UPDATE audit_log SET details = '{}' WHERE sequence = 3";
    database.execute_unprepared(tamper).await.unwrap();
    database.close().await.unwrap();
    let broken =
        "default\tBROKEN\tentry 3 was changed, or one was put in its place\nbennu: 1 audit logs are broken\n";
    assert_eq!(verify(directory.path(), &[]), (Some(1), broken.to_owned()));
}
