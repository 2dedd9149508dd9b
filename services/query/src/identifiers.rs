//! Path parameters that take a GlobalId or a name of the user's own. The GlobalId is tried first; one of another
//! type is read as a name.

use bennu_domain::global_id::Node as _;
use bennu_domain::ids::{ProjectId, SessionRowId, SpanId, SpanRowId, TraceId, TraceRowId};
use bennu_kit::http::ApiError;
use bennu_store::{Project, ScopedStore};

use crate::responses::store_failed;

pub async fn find_project(store: ScopedStore<'_>, identifier: &str) -> Result<Project, ApiError> {
    let found = match ProjectId::from_global_id(identifier) {
        Some(id) => store.project(id).await,
        None => store.project_named(identifier).await,
    };
    found.map_err(store_failed)?.ok_or_else(|| not_found("project", identifier))
}

pub async fn find_span(store: ScopedStore<'_>, identifier: &str) -> Result<SpanRowId, ApiError> {
    if let Some(row) = SpanRowId::from_global_id(identifier) {
        return Ok(row);
    }
    let mut rows = Vec::new();
    for span_id in SpanId::meant_by(identifier) {
        rows.extend(store.span_rows_with_id(span_id).await.map_err(store_failed)?);
    }
    match rows.as_slice() {
        [] => Err(not_found("span", identifier)),
        [row] => Ok(*row),
        // OTLP makes span ids unique within a trace only.
        _ => Err(ApiError::Conflict(format!(
            "Spans of several traces have the id {identifier}; name one by its GlobalId."
        ))),
    }
}

pub async fn find_trace(store: ScopedStore<'_>, identifier: &str) -> Result<TraceRowId, ApiError> {
    if let Some(row) = TraceRowId::from_global_id(identifier) {
        return Ok(row);
    }
    for trace_id in TraceId::meant_by(identifier) {
        if let Some(row) = store.trace_row_with_id(trace_id).await.map_err(store_failed)? {
            return Ok(row);
        }
    }
    Err(not_found("trace", identifier))
}

pub async fn find_session(store: ScopedStore<'_>, identifier: &str) -> Result<SessionRowId, ApiError> {
    if let Some(row) = SessionRowId::from_global_id(identifier) {
        return Ok(row);
    }
    let found = store.session_rows(&[identifier.to_owned()]).await.map_err(store_failed)?;
    found.first().copied().ok_or_else(|| not_found("session", identifier))
}

pub fn not_found(what: &str, identifier: &str) -> ApiError {
    ApiError::NotFound(format!("There is no {what} {identifier:?}."))
}
