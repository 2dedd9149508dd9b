//! The API document against the served API.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::bennu::{Bennu, printed};
use crate::http::{ask, get};

/// What the reference serves of projects, spans, traces and sessions, and OTLP, which its document leaves out.
const OF_THE_REFERENCE: [(&str, &str); 15] = [
    ("POST", "/v1/traces"),
    ("GET", "/v1/projects"),
    ("POST", "/v1/projects"),
    ("GET", "/v1/projects/{project_identifier}"),
    ("PUT", "/v1/projects/{project_identifier}"),
    ("DELETE", "/v1/projects/{project_identifier}"),
    ("GET", "/v1/projects/{project_identifier}/spans"),
    ("GET", "/v1/projects/{project_identifier}/spans/otlpv1"),
    ("DELETE", "/v1/spans/{span_identifier}"),
    ("GET", "/v1/projects/{project_identifier}/traces"),
    ("DELETE", "/v1/traces/{trace_identifier}"),
    ("GET", "/v1/projects/{project_identifier}/sessions"),
    ("GET", "/v1/sessions/{session_identifier}"),
    ("DELETE", "/v1/sessions/{session_identifier}"),
    ("POST", "/v1/sessions/delete"),
];

/// Method and path of every operation.
fn documented() -> BTreeSet<(String, String)> {
    let document: Value = serde_json::from_str(&printed("openapi")).unwrap();
    let paths = document["paths"].as_object().unwrap();
    let operations = |(path, operations): (&String, &Value)| {
        let methods = operations.as_object().unwrap().keys().filter(|key| *key != "parameters");
        methods.map(|method| (method.to_uppercase(), path.clone())).collect::<Vec<_>>()
    };
    paths.iter().flat_map(operations).collect()
}

/// `path` with something in place of its parameters.
fn filled(path: &str) -> String {
    let fill =
        |segment: &str| if segment.starts_with('{') { "nobody".to_owned() } else { segment.to_owned() };
    path.split('/').map(fill).collect::<Vec<_>>().join("/")
}

#[test]
fn the_operations_of_the_reference_are_documented() {
    let documented = documented();
    for (method, path) in OF_THE_REFERENCE {
        assert!(documented.contains(&(method.to_owned(), path.to_owned())), "{method} {path}");
    }
}

#[test]
fn every_documented_operation_is_served() {
    let directory = tempfile::tempdir().unwrap();
    let bennu = Bennu::start(directory.path(), &[]);
    let unknown = ask("GET", &bennu.at("/v1/nothing/of/this/kind"));
    assert_eq!((unknown.status, unknown.text()), (404, "Not Found"));
    let (directory, secret) = (tempfile::tempdir().unwrap(), "a-secret-of-the-tests-0123456789-abcdef");
    let with_accounts =
        Bennu::start(directory.path(), &[("BENNU_ENABLE_AUTH", "true"), ("BENNU_SECRET", secret)]);
    for (method, path) in documented() {
        // Logging in is for those alone who let only some people in.
        let of_log_ins = ["/auth/", "/oauth2/", "/.well-known/"].iter().any(|root| path.starts_with(root));
        let server = if of_log_ins { &with_accounts } else { &bennu };
        let answer = ask(&method, &server.at(&filled(&path)));
        let unserved = (answer.status == 404 && answer.text() == "Not Found") || answer.status == 405;
        assert!(!unserved && answer.status < 500, "{method} {path}: {} {}", answer.status, answer.text());
    }
}

#[test]
fn the_served_document_is_the_printed_one() {
    let directory = tempfile::tempdir().unwrap();
    let bennu = Bennu::start(directory.path(), &[]);
    let served = get(&bennu.at("/openapi.json"));
    assert_eq!((served.status, served.header("content-type")), (200, Some("application/json")));
    assert_eq!(served.text().trim(), printed("openapi").trim());
}
