//! Pages of other origins, as browsers ask for them.
#![allow(clippy::unwrap_used)] // clippy knows only functions marked as tests, not their helpers

use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::body::MessageBody;
use actix_web::dev::ServiceResponse;
use actix_web::http::Method;
use actix_web::test::{TestRequest, call_service, init_service};
use actix_web::web::{self, ServiceConfig};
use async_trait::async_trait;
use bennu_access::{CredentialError, CredentialLookup, Principal};
use bennu_kit::config::RootPath;
use bennu_kit::http::{Access, Frame, app};
use bennu_kit::lifecycle::Readiness;
use bennu_kit::telemetry::Metrics;

const ALLOWED: &str = "https://app.example.com";

/// Nobody is known.
struct Nobody;

#[async_trait]
impl CredentialLookup for Nobody {
    async fn principal(&self, _: &str, _: Option<&str>) -> Result<Principal, CredentialError> {
        Err(CredentialError::Invalid)
    }
}

fn routes(config: &mut ServiceConfig) {
    config
        .route("/healthy", web::get().to(HttpResponse::Ok))
        .route("/v1/known", web::get().to(HttpResponse::Ok));
}

/// The status, and the headers of the protocol by the rest of their names.
async fn answer(
    allowed: &[&str],
    trusted: Option<&str>,
    request: TestRequest,
) -> (u16, Vec<(String, String)>) {
    let access = Access::new(Arc::new(Nobody), trusted.map(|host| vec![host.to_owned()]));
    let frame =
        Frame::new(RootPath::parse("/base").unwrap(), access, Metrics::new().unwrap(), Readiness::new());
    let allowed: Vec<String> = allowed.iter().map(|origin| (*origin).to_owned()).collect();
    let service = init_service(app(frame.allowing_origins(&allowed), routes)).await;
    let response: ServiceResponse<_> = call_service(&service, request.to_request()).await;
    (response.status().as_u16(), granted(&response))
}

fn granted(response: &ServiceResponse<impl MessageBody>) -> Vec<(String, String)> {
    let headers = response.headers().iter().filter_map(|(name, value)| {
        let name = name.as_str().strip_prefix("access-control-")?;
        let mut words: Vec<String> =
            value.to_str().unwrap().split(',').map(|word| word.trim().to_lowercase()).collect();
        words.sort();
        Some((name.to_owned(), words.join(" ")))
    });
    let mut headers: Vec<(String, String)> = headers.collect();
    headers.sort();
    headers
}

fn preflight(origin: &str) -> TestRequest {
    TestRequest::default()
        .method(Method::OPTIONS)
        .uri("/base/v1/known")
        .insert_header(("origin", origin))
        .insert_header(("access-control-request-method", "DELETE"))
        .insert_header(("access-control-request-headers", "authorization, x-own"))
}

fn get(path: &str, origin: &str) -> TestRequest {
    TestRequest::get().uri(path).insert_header(("origin", origin))
}

fn header(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

#[actix_web::test]
async fn a_browser_asks_without_a_credential_and_is_told() {
    let (status, granted) = answer(&["http://other", ALLOWED], None, preflight(ALLOWED)).await;
    assert_eq!(status, 200);
    assert_eq!(
        granted,
        [
            header("allow-credentials", "true"),
            header("allow-headers", "authorization x-own"),
            header("allow-methods", "delete get patch post put"),
            header("allow-origin", ALLOWED),
            header("max-age", "600"),
        ]
    );
}

#[actix_web::test]
async fn answers_may_be_read_refusals_among_them() {
    let exposed = "content-disposition retry-after x-bennu-receipt x-phoenix-server-version x-request-id";
    let expected = [
        header("allow-credentials", "true"),
        header("allow-origin", ALLOWED),
        header("expose-headers", exposed),
    ];
    // One that needs no caller, one whose caller is not known, one that is not there.
    for (path, expected_status) in [("/healthy", 200), ("/base/v1/known", 401), ("/nothing", 404)] {
        let (status, granted) = answer(&[ALLOWED], None, get(path, ALLOWED)).await;
        assert_eq!(status, expected_status, "{path}");
        assert_eq!(granted, expected, "{path}");
    }
}

#[actix_web::test]
async fn other_origins_are_granted_nothing_and_answered_as_ever() {
    for other in ["https://evil.example.com", "http://app.example.com", "null"] {
        let (status, granted) = answer(&[ALLOWED], None, get("/healthy", other)).await;
        assert_eq!(status, 200, "{other}");
        let (_, granted_ahead) = answer(&[ALLOWED], None, preflight(other)).await;
        for (name, value) in granted.into_iter().chain(granted_ahead) {
            // What else is said means nothing without it.
            assert_ne!(name, "allow-origin", "{other}: {value}");
        }
    }
    let no_browser = TestRequest::get().uri("/healthy");
    let (status, granted) = answer(&[ALLOWED], None, no_browser).await;
    assert_eq!(status, 200);
    assert!(granted.iter().all(|(name, _)| name != "allow-origin"), "{granted:?}");
}

#[actix_web::test]
async fn without_the_setting_nobody_is_granted_anything() {
    assert_eq!(answer(&[], None, get("/healthy", ALLOWED)).await, (200, Vec::new()));
    let (status, granted) = answer(&[], None, preflight(ALLOWED)).await;
    assert_eq!((status, granted), (401, Vec::new()));
}

#[actix_web::test]
async fn whom_the_origin_check_refuses_a_page_may_read_it_of() {
    let (status, granted) =
        answer(&[ALLOWED], Some("other.example.com"), get("/base/v1/known", ALLOWED)).await;
    assert_eq!(status, 401);
    assert!(granted.contains(&header("allow-origin", ALLOWED)));
}
