//! Which pages of other origins may read answers, with the cookies of a log-in (Fetch standard, "CORS protocol").

use actix_cors::Cors;
use actix_web::http::Method;
use actix_web::http::header::RETRY_AFTER;
use actix_web::middleware::Condition;

use super::request_id::REQUEST_ID;

/// What pages may ask for; of headers, all.
const METHODS: [Method; 5] = [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];

/// Headers of answers that pages may read, beside those that every page may.
const EXPOSED: [&str; 4] = [REQUEST_ID, "x-bennu-receipt", "x-phoenix-server-version", "content-disposition"];

/// A browser asks again after this time; some take no longer one.
const KEPT_SECONDS: usize = 600;

/// A layer that answers browsers that ask what pages may do, and tells them in the other answers. Who is of no such origin
/// is answered as ever: what a page may read is for its browser to keep from it.
pub(super) fn cors(origins: &[String]) -> Condition<Cors> {
    let base = Cors::default()
        .allowed_methods(METHODS)
        .allow_any_header()
        .expose_headers(EXPOSED)
        .expose_headers([RETRY_AFTER])
        .supports_credentials()
        .block_on_origin_mismatch(false)
        .max_age(KEPT_SECONDS);
    let layer = origins.iter().fold(base, |cors, origin| cors.allowed_origin(origin));
    Condition::new(!origins.is_empty(), layer)
}
