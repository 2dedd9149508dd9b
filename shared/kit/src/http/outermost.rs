//! The outermost layer: what holds for every request and every answer, whatever answers it.

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{
    ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, HeaderMap, HeaderName, HeaderValue,
};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage as _, web};

use super::path::rewrite_path;
use super::request_id::REQUEST_ID;
use super::{Frame, IMITATED_VERSION};

const VERSION: HeaderName = HeaderName::from_static("x-phoenix-server-version");
const NOTEBOOK_CACHE: HeaderName = HeaderName::from_static("x-colab-notebook-cache-control");

/// Takes the root path off, gives the request its id, and puts the headers of every answer on it.
pub(super) async fn outermost(
    frame: web::Data<Frame>,
    mut request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    strip_root_path(&frame, &mut request);
    // HEAD is GET without the body (RFC 9110, section 9.3.2), which the HTTP layer leaves out by itself.
    if request.method() == Method::HEAD {
        request.head_mut().method = Method::GET;
    }
    if names_multipart_mixed(request.headers()) {
        request.headers_mut().remove(ACCEPT_ENCODING);
    }
    let id = frame.request_ids.of(request.headers());
    let id_header = HeaderValue::from_str(&id.0);
    request.extensions_mut().insert(id);

    let mut response = next.call(request).await?;
    let headers = response.headers_mut();
    headers.insert(VERSION, HeaderValue::from_static(IMITATED_VERSION));
    headers.insert(NOTEBOOK_CACHE, HeaderValue::from_static("no-cache"));
    if let Ok(id) = id_header {
        headers.insert(HeaderName::from_static(REQUEST_ID), id);
    }
    // The mark of an answer that shall not be compressed has done its work.
    if headers.get(CONTENT_ENCODING).is_some_and(|encoding| encoding == "identity") {
        headers.remove(CONTENT_ENCODING);
    }
    Ok(response)
}

/// A proxy may pass the prefix on or take it off itself: both reach the same routes.
fn strip_root_path(frame: &Frame, request: &mut ServiceRequest) {
    let Some(path) = frame.root_path.strip(request.path()) else { return };
    let path = path.to_owned();
    rewrite_path(request, &path);
}

/// Such a client reads the parts as they come; compression would hold them back.
fn names_multipart_mixed(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(ACCEPT).filter_map(|value| value.to_str().ok());
    accepted.into_iter().any(|value| value.to_ascii_lowercase().contains("multipart/mixed"))
}
