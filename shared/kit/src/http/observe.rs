//! The layer next to the routes: a log line and a measurement for each answer, and opaque bodies for failures.

use std::fmt::Write as _;
use std::time::Instant;

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage as _, web};
use tracing::Instrument as _;

use super::request_id::RequestId;
use super::{ApiError, Frame};

/// A shorter body gains nothing from compression, and an acknowledgement would pay for a deflate window.
const SHORTEST_COMPRESSED: u64 = 1000;

pub(super) async fn observe(
    frame: web::Data<Frame>,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let started = Instant::now();
    let id = request.extensions().get::<RequestId>().map_or_else(String::new, |id| id.0.clone());
    let span = tracing::info_span!("request", request_id = %id);
    let response = next.call(request).instrument(span.clone()).await?.map_into_boxed_body();
    Ok(span.in_scope(|| {
        report(&frame, &response, started);
        finish(response, &id)
    }))
}

fn report(frame: &Frame, response: &ServiceResponse, started: Instant) {
    let (request, status, took) = (response.request(), response.status().as_u16(), started.elapsed());
    // Paths that match no route would make a label each.
    let route = request.match_pattern().unwrap_or_else(|| "unmatched".to_owned());
    frame.metrics.http.answered(request.method().as_str(), &route, status, took);
    match response.response().error() {
        // Busy, not broken: under load there are many, and clients come back.
        Some(error) if status == 503 => tracing::warn!(status, error = %chain(error), "request put off"),
        Some(error) if status >= 500 => tracing::error!(status, error = %chain(error), "request failed"),
        _ => {}
    }
    // The query string is left out: it may hold what users look for.
    let (method, path) = (request.method().as_str(), request.path());
    let ms = took.as_secs_f64() * 1000.0;
    if super::health::is_probe(path) {
        tracing::debug!(method, path, status, ms, "answered");
    } else {
        tracing::info!(method, path, status, ms, "answered");
    }
}

/// The error with its sources, outermost first.
fn chain(error: &Error) -> String {
    // The text of an internal `ApiError` is only its opaque body: its source tells.
    let Some(ApiError::Internal(source)) = error.as_error::<ApiError>() else { return error.to_string() };
    let mut text = source.to_string();
    let mut next = source.source();
    // Sixteen, as a chain that refers to itself would never end.
    for _ in 0..16 {
        let Some(source) = next else { break };
        let _ = write!(text, ": {source}");
        next = source.source();
    }
    text
}

/// Gives bare answers their body, and marks those that shall not be compressed.
fn finish(response: ServiceResponse, id: &str) -> ServiceResponse {
    let status = response.status();
    let empty = matches!(response.response().body().size(), BodySize::None | BodySize::Sized(0));
    let failed = status == StatusCode::INTERNAL_SERVER_ERROR && response.response().error().is_some();
    let mut response = if failed {
        with_text(response, format!("Internal Server Error (request {id})"))
    } else if status == StatusCode::METHOD_NOT_ALLOWED && empty {
        with_text(response, "Method Not Allowed".to_owned())
    } else {
        response
    };
    let short =
        matches!(response.response().body().size(), BodySize::Sized(size) if size < SHORTEST_COMPRESSED);
    if short && !response.headers().contains_key(CONTENT_ENCODING) {
        response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("identity"));
    }
    response
}

fn with_text(response: ServiceResponse, text: String) -> ServiceResponse {
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    let mut response = response.map_body(|_, _| BoxBody::new(text));
    response.headers_mut().insert(CONTENT_TYPE, plain);
    response
}
