//! Changing the path of a request before it is routed.

use actix_web::dev::ServiceRequest;
use actix_web::http::Uri;
use actix_web::http::uri::PathAndQuery;

/// Gives the request another path; its query stays.
pub(super) fn rewrite_path(request: &mut ServiceRequest, path: &str) {
    let query = request.query_string();
    let rewritten = if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") };
    let mut parts = request.uri().clone().into_parts();
    parts.path_and_query = PathAndQuery::try_from(rewritten).ok();
    let Ok(uri) = Uri::from_parts(parts) else { return };
    request.match_info_mut().get_mut().update(&uri);
    request.head_mut().uri = uri;
}
