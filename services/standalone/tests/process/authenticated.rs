//! Callers in the distributed shape: verified by one service, believed by all of them, and forgotten at once.

use std::time::Duration;

use bennu_loadtests::otlp_client::plain_agent;
use bennu_testkit::otlp::{request, span};
use bennu_testkit::servers::Stack;
use prost::Message as _;
use serde_json::{Value, json};
use ureq::http::Request;

use crate::bennu::whole_machine;
use crate::distributed::{programs, until};

const ADMIN_SECRET: &str = "the-admin-secret-of-the-tests-0123456789";
const SETTINGS: [(&str, &str); 3] = [
    ("BENNU_ENABLE_AUTH", "true"),
    ("BENNU_SECRET", "the-secret-of-the-tests-0123456789-abcdef"),
    ("BENNU_ADMIN_SECRET", ADMIN_SECRET),
];
/// The promise is a second, on a machine that does nothing else; the caches alone would take thirty.
const FORGOTTEN_WITHIN: Duration = Duration::from_secs(10);

/// Sends JSON with a bearer token; answers status and body.
fn call(url: &str, token: &str, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let request = Request::builder()
        .method(method)
        .uri(format!("{url}{path}"))
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", "application/json")
        .body(body.to_string())
        .unwrap();
    let mut response = plain_agent().run(request).unwrap();
    let text = response.body_mut().read_to_string().unwrap();
    (response.status().as_u16(), serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

fn send(url: &str, token: &str, project: &str, number: u64) -> u16 {
    let body = request().project(project).span(span(number.into(), number)).build().encode_to_vec();
    let request = Request::builder()
        .method("POST")
        .uri(format!("{url}/v1/traces"))
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", "application/x-protobuf")
        .body(body)
        .unwrap();
    plain_agent().run(request).unwrap().status().as_u16()
}

/// A new tenant, and a key of it.
fn tenant(url: &str, slug: &str) -> (String, String) {
    let (status, made) = call(url, ADMIN_SECRET, "POST", "/platform/v1/tenants", &json!({ "slug": slug }));
    assert_eq!(status, 201, "{made}");
    let path = format!("/s/{slug}/v1/system/api_keys");
    let (status, key) = call(url, ADMIN_SECRET, "POST", &path, &json!({ "data": { "name": "key" } }));
    assert_eq!(status, 201, "{key}");
    (key["data"]["key"].as_str().unwrap().to_owned(), key["data"]["id"].as_str().unwrap().to_owned())
}

#[test]
fn a_key_opens_its_tenant_in_every_service_until_it_is_revoked() {
    let _alone = whole_machine();
    let stack = Stack::start(&programs(), &SETTINGS).unwrap();
    let url = &stack.url;
    let ((one, one_id), (other, _)) = (tenant(url, "one"), tenant(url, "other"));

    assert_eq!(send(url, &one, "shared", 1), 200);
    assert_eq!(send(url, &other, "shared", 1), 200);
    assert_eq!(send(url, "nonsense", "shared", 1), 401);
    let spans = |token: &str| call(url, token, "GET", "/v1/projects/shared/spans", &Value::Null);
    for token in [&one, &other] {
        until("the span can be read", FORGOTTEN_WITHIN, || {
            let (status, listed) = spans(token);
            status == 200 && listed["data"].as_array().is_some_and(|listed| listed.len() == 1)
        });
    }
    let (status, _) = call(url, &one, "GET", "/s/other/v1/projects/shared/spans", &Value::Null);
    assert_eq!(status, 404);
    let (status, user) = call(url, &one, "GET", "/v1/user", &Value::Null);
    assert_eq!((status, user["data"]["username"].as_str()), (200, Some("system")));

    let path = format!("/s/one/v1/system/api_keys/{one_id}");
    assert_eq!(call(url, ADMIN_SECRET, "DELETE", &path, &Value::Null).0, 204);
    until("ingest has forgotten the key", FORGOTTEN_WITHIN, || send(url, &one, "shared", 2) == 401);
    until("query has forgotten the key", FORGOTTEN_WITHIN, || spans(&one).0 == 401);

    // Both receivers of a larger deployment would count in the same place.
    let limits = json!({ "limits": { "spans_per_second": 1, "bytes_per_second": null, "stored_bytes": null, "retention_days": null } });
    assert_eq!(call(url, ADMIN_SECRET, "PATCH", "/platform/v1/tenants/other", &limits).0, 200);
    until("the tenant is over its quota", FORGOTTEN_WITHIN, || send(url, &other, "shared", 1) == 429);

    let suspend = json!({ "suspended": true });
    assert_eq!(call(url, ADMIN_SECRET, "PATCH", "/platform/v1/tenants/other", &suspend).0, 200);
    until("ingest refuses the tenant", FORGOTTEN_WITHIN, || send(url, &other, "shared", 3) == 403);
    until("query refuses the tenant", FORGOTTEN_WITHIN, || spans(&other).0 == 403);
}

#[test]
fn without_the_service_that_knows_callers_nobody_new_is_let_in_and_spans_wait_for_it() {
    let _alone = whole_machine();
    let mut stack = Stack::start(&programs(), &SETTINGS).unwrap();
    let url = stack.url.clone();
    let (key, _) = tenant(&url, "one");
    assert_eq!(send(&url, &key, "p", 1), 200);
    stack.auth.kill();
    // Who is known stays known for a while; who is not is told to come again.
    assert_eq!(send(&url, &key, "p", 2), 200);
    assert_eq!(send(&url, ADMIN_SECRET, "p", 3), 503);
    assert_eq!(call(&url, ADMIN_SECRET, "GET", "/v1/projects", &Value::Null).0, 503);
    stack.auth.start_again().unwrap();
    until("callers are verified again", FORGOTTEN_WITHIN, || send(&url, ADMIN_SECRET, "p", 3) == 200);
}
