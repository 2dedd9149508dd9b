//! The routes by which machines ask how the process is.

use actix_web::http::header::ContentType;
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpResponse, Responder};
use serde_json::json;

use super::Frame;

/// Version of the reference server whose API this is; clients switch features by it.
pub const IMITATED_VERSION: &str = "20.26.1";

/// Adds `/healthz`, `/readyz`, `/metrics` and `/arize_phoenix_version`.
pub(super) fn routes(config: &mut ServiceConfig) {
    config
        .service(web::resource("/healthz").get(alive))
        .service(web::resource("/readyz").get(ready))
        .service(web::resource("/metrics").get(metrics))
        .service(web::resource("/arize_phoenix_version").get(version));
}

/// Whether requests to `path` come from machines every few seconds.
pub(super) fn is_probe(path: &str) -> bool {
    matches!(path, "/healthz" | "/readyz" | "/metrics")
}

async fn alive() -> impl Responder {
    HttpResponse::Ok().content_type(ContentType::plaintext()).body("OK")
}

async fn ready(frame: web::Data<Frame>) -> impl Responder {
    let missing = frame.readiness.missing();
    if missing.is_empty() {
        return HttpResponse::Ok().json(json!({}));
    }
    HttpResponse::ServiceUnavailable().json(json!({ "missing": missing }))
}

async fn metrics(frame: web::Data<Frame>) -> impl Responder {
    HttpResponse::Ok().content_type("text/plain; version=0.0.4").body(frame.metrics.render())
}

async fn version() -> impl Responder {
    HttpResponse::Ok().content_type(ContentType::plaintext()).body(IMITATED_VERSION)
}
