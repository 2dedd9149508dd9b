//! Shapes and errors that several routes share.

use std::time::Duration;

use actix_web::HttpResponse;
use bennu_access::CredentialError;
use bennu_domain::account::Unusable;
use bennu_kit::http::{ApiError, FieldError};
use bennu_store::StoreError;
use serde_json::Value;

pub fn no_content() -> HttpResponse {
    HttpResponse::NoContent().finish()
}

pub fn store_failed(error: StoreError) -> ApiError {
    if matches!(error, StoreError::TenantErased) {
        // The caller was verified a moment before, and will not be again.
        ApiError::Unauthorized(CredentialError::Invalid.to_string())
    } else if error.is_transient() {
        ApiError::Unavailable { message: error.to_string(), retry_after: Duration::from_secs(1) }
    } else {
        ApiError::internal(error)
    }
}

/// A field of the body that cannot be used.
pub fn unusable(path: &[&'static str], reason: &Unusable, given: &str) -> ApiError {
    field_error(path, "value_error", reason.to_string(), given)
}

pub fn field_error(
    path: &[&'static str],
    kind: &'static str,
    message: impl Into<String>,
    given: &str,
) -> ApiError {
    let loc = ["body"].iter().chain(path).map(|part| (*part).into()).collect();
    ApiError::Validation(vec![FieldError::body(loc, kind, message, &Value::from(given))])
}
