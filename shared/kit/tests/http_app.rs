//! What surrounds the routes, seen by a client of the served application.

#![allow(clippy::unwrap_used, clippy::expect_used)] // clippy knows only functions marked as tests, not their helpers

use std::io::Read as _;
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::header::HeaderMap;
use actix_web::test::{self, TestRequest};
use actix_web::web::{self, ServiceConfig};
use bennu_kit::config::RootPath;
use bennu_kit::http::{Access, ApiError, Frame, IMITATED_VERSION, JsonBody, QueryString, app, bind, serve};
use bennu_kit::lifecycle::{Readiness, Shutdown};
use bennu_kit::telemetry::Metrics;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

#[derive(Debug, serde::Deserialize, serde::Serialize)]
struct Project {
    name: String,
    description: Option<String>,
}

fn routes(config: &mut ServiceConfig) {
    config
        .route(
            "/v1/projects",
            web::post().to(|JsonBody(project): JsonBody<Project>| async { web::Json(project) }),
        )
        .route("/v1/projects/{id}", web::get().to(list))
        .route("/long", web::get().to(|| async { "long ".repeat(1000) }))
        .route("/broken", web::get().to(broken))
        .route("/misconfigured", web::get().to(|_: web::Data<Project>| async { "unreachable" }));
}

async fn list(mut query: QueryString) -> Result<HttpResponse, ApiError> {
    let limit = query.limit(100, 1000);
    query.choice("sort", &[("id", ()), ("start_time", ())]);
    query.finish()?;
    Ok(HttpResponse::Ok().json(limit))
}

async fn broken() -> Result<&'static str, ApiError> {
    Err(ApiError::internal(std::io::Error::other("the password is hunter2")))
}

struct Answer {
    status: u16,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// A frame whose parts the test can reach.
struct Parts {
    metrics: Metrics,
    readiness: Readiness,
    root_path: &'static str,
}

impl Parts {
    fn new() -> Self {
        Self { metrics: Metrics::new().unwrap(), readiness: Readiness::new(), root_path: "" }
    }

    fn frame(&self) -> Frame {
        let root_path = RootPath::parse(self.root_path).unwrap();
        Frame::new(root_path, Access::open(), self.metrics.clone(), self.readiness.clone())
    }

    async fn answer(&self, request: TestRequest) -> Answer {
        let service = test::init_service(app(self.frame(), routes)).await;
        let response = test::call_service(&service, request.to_request()).await;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Answer { status, headers, body: test::read_body(response).await.to_vec() }
    }

    async fn get(&self, path: &str) -> Answer {
        self.answer(TestRequest::get().uri(path)).await
    }
}

#[actix_web::test]
async fn every_answer_carries_the_headers_of_the_reference() {
    let parts = Parts::new();
    for (path, status) in
        [("/healthz", 200), ("/nothing", 404), ("/broken", 500), ("/v1/projects/1?limit=x", 422)]
    {
        let answer = parts.get(path).await;
        assert_eq!(answer.status, status, "{path}");
        assert_eq!(answer.header("x-phoenix-server-version"), Some(IMITATED_VERSION), "{path}");
        assert_eq!(answer.header("x-colab-notebook-cache-control"), Some("no-cache"), "{path}");
        assert!(answer.header("x-request-id").is_some_and(|id| id.len() > 16), "{path}");
    }
}

#[actix_web::test]
async fn a_sane_request_id_is_kept_and_any_other_replaced() {
    let parts = Parts::new();
    let id = async |given: &str| {
        let answer =
            parts.answer(TestRequest::get().uri("/healthz").insert_header(("x-request-id", given))).await;
        answer.header("x-request-id").unwrap().to_owned()
    };
    assert_eq!(id("3f2a-77").await, "3f2a-77");
    let long = "a".repeat(129);
    for given in ["", "a b", "{\"log\":1}", long.as_str()] {
        assert_ne!(id(given).await, given);
    }
    assert_ne!(id("").await, id("").await);
}

#[actix_web::test]
async fn unknown_paths_and_methods_are_answered_in_text() {
    let parts = Parts::new();
    let unknown = parts.get("/v1/nothing").await;
    assert_eq!((unknown.status, unknown.text()), (404, "Not Found"));
    assert_eq!(unknown.header("content-type"), Some("text/plain; charset=utf-8"));
    let wrong_method = parts.answer(TestRequest::delete().uri("/healthz")).await;
    assert_eq!((wrong_method.status, wrong_method.text()), (405, "Method Not Allowed"));
}

#[actix_web::test]
async fn a_failure_shows_nothing_but_the_request_id() {
    let parts = Parts::new();
    for path in ["/broken", "/misconfigured"] {
        let answer = parts.answer(TestRequest::get().uri(path).insert_header(("x-request-id", "r-1"))).await;
        assert_eq!((answer.status, answer.text()), (500, "Internal Server Error (request r-1)"), "{path}");
        assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"));
    }
}

#[actix_web::test]
async fn long_answers_are_compressed_for_clients_that_can_read_it() {
    let parts = Parts::new();
    let gzip = |path| TestRequest::get().uri(path).insert_header(("accept-encoding", "gzip, deflate"));
    let compressed = parts.answer(gzip("/long")).await;
    assert_eq!(compressed.header("content-encoding"), Some("gzip"));
    let mut text = String::new();
    flate2::read::GzDecoder::new(compressed.body.as_slice()).read_to_string(&mut text).unwrap();
    assert_eq!(text, "long ".repeat(1000));

    let plain = [
        parts.get("/long").await,
        parts.answer(gzip("/healthz")).await,
        parts.answer(gzip("/long").insert_header(("accept", "multipart/mixed; deferSpec=20220824"))).await,
    ];
    for answer in plain {
        assert_eq!(answer.header("content-encoding"), None);
        assert!(answer.text().starts_with("long ") || answer.text() == "OK");
    }
}

#[actix_web::test]
async fn the_root_path_may_be_there_or_be_taken_off_by_the_proxy() {
    let parts = Parts { root_path: "/tools/bennu", ..Parts::new() };
    for path in ["/tools/bennu/v1/projects/1?limit=7", "/v1/projects/1?limit=7"] {
        assert_eq!(parts.get(path).await.text(), "7", "{path}");
    }
    assert_eq!(parts.get("/tools/bennus/healthz").await.status, 404);
}

#[actix_web::test]
async fn readiness_says_what_is_missing() {
    let parts = Parts::new();
    let database = parts.readiness.check("database");
    let missing = parts.get("/readyz").await;
    assert_eq!(missing.status, 503);
    assert_eq!(missing.json(), json!({"missing": [{"name": "database", "reason": "starting"}]}));
    database.ready();
    let ready = parts.get("/readyz").await;
    assert_eq!((ready.status, ready.text()), (200, "{}"));
    assert_eq!(ready.header("content-type"), Some("application/json"));
}

#[actix_web::test]
async fn probes_answer_like_the_reference() {
    let parts = Parts::new();
    for (path, body) in [("/healthz", "OK"), ("/arize_phoenix_version", "20.26.1")] {
        let answer = parts.get(path).await;
        assert_eq!((answer.status, answer.text()), (200, body));
        assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"));
    }
}

#[actix_web::test]
async fn requests_are_counted_by_route_and_not_by_path() {
    let parts = Parts::new();
    for path in ["/v1/projects/1", "/v1/projects/2", "/v1/projects/3?limit=0", "/made/up"] {
        parts.get(path).await;
    }
    let metrics = parts.get("/metrics").await;
    assert_eq!(metrics.header("content-type"), Some("text/plain; version=0.0.4"));
    for line in [
        r#"bennu_http_requests_total{method="GET",route="/v1/projects/{id}",status="2xx"} 2"#,
        r#"bennu_http_requests_total{method="GET",route="/v1/projects/{id}",status="4xx"} 1"#,
        r#"bennu_http_requests_total{method="GET",route="unmatched",status="4xx"} 1"#,
    ] {
        assert!(metrics.text().contains(line), "{line} is not in\n{}", metrics.text());
    }
}

#[actix_web::test]
async fn query_errors_are_listed_as_the_reference_does() {
    let answer = Parts::new().get("/v1/projects/1?limit=0&sort=foo").await;
    assert_eq!(answer.status, 422);
    assert_eq!(
        answer.json(),
        json!({"detail": [
            {"type": "greater_than", "loc": ["query", "limit"], "msg": "must be greater than 0", "input": "0",
             "ctx": {"gt": 0}},
            {"type": "literal_error", "loc": ["query", "sort"], "msg": "must be 'id' or 'start_time'", "input": "foo",
             "ctx": {"expected": "'id' or 'start_time'"}},
        ]})
    );
}

#[actix_web::test]
async fn bodies_are_json_or_refused() {
    let parts = Parts::new();
    let post = |content_type: &'static str, body: &str| {
        let request = TestRequest::post().uri("/v1/projects").set_payload(body.to_owned());
        parts.answer(request.insert_header(("content-type", content_type)))
    };
    let created = post("application/json; charset=utf-8", r#"{"name":"a","description":null}"#).await;
    assert_eq!((created.status, created.json()), (200, json!({"name": "a", "description": null})));
    assert_eq!(post("application/vnd.api+json", r#"{"name":"a"}"#).await.status, 200);

    let as_text = post("text/plain", r#"{"name":"a"}"#).await;
    assert_eq!((as_text.status, &as_text.json()["detail"][0]["loc"]), (422, &json!(["body"])));

    let unnamed = post("application/json", "{}").await;
    let expected = json!({"type": "missing", "loc": ["body", "name"], "msg": "is required", "input": {}});
    assert_eq!((unnamed.status, &unnamed.json()["detail"][0]), (422, &expected));

    let huge = format!("\"{}\"", "x".repeat(4 << 20));
    assert_eq!(post("application/json", &huge).await.status, 413);
}

#[actix_web::test]
async fn a_served_application_ends_after_the_requests_in_hand() {
    let listener = bind("127.0.0.1", 0).unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = Shutdown::new();
    let server = serve(listener, Parts::new().frame(), routes, shutdown.clone(), Duration::from_secs(5));
    let server = actix_web::rt::spawn(server);

    let mut client = tokio::net::TcpStream::connect(address).await.unwrap();
    client.write_all(b"GET /healthz HTTP/1.1\r\nhost: bennu\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut text = String::new();
    client.read_to_string(&mut text).await.unwrap();
    assert!(text.starts_with("HTTP/1.1 200 OK\r\n") && text.ends_with("\r\n\r\nOK"), "{text}");

    shutdown.fire(0);
    let ended = tokio::time::timeout(Duration::from_secs(10), server).await;
    ended.expect("the server ends in time").unwrap().unwrap();
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}
