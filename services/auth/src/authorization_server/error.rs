//! What programs are told when something is wrong (RFC 6749, section 5.2, and RFC 7591, section 3.2.2).

use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, PRAGMA};
use actix_web::{HttpResponse, ResponseError};
use bennu_kit::http::ApiError;
use bennu_store::StoreError;
use serde::Serialize;
use utoipa::ToSchema;

use crate::responses::store_failed;

/// An answer other than success.
#[derive(Debug, thiserror::Error)]
pub enum OAuthError {
    #[error("{code}: {description}")]
    Refused { code: &'static str, description: &'static str },
    /// What has nothing to do with the protocol.
    #[error("{0}")]
    Other(#[from] ApiError),
}

#[derive(Serialize, ToSchema)]
pub struct OAuthErrorBody {
    /// A word of the specification
    error: &'static str,
    error_description: &'static str,
}

impl OAuthError {
    pub fn invalid_request(description: &'static str) -> Self {
        Self::Refused { code: "invalid_request", description }
    }

    /// The code or the refresh token is not taken. Which of several reasons it is would help nobody who means well.
    pub fn invalid_grant(description: &'static str) -> Self {
        Self::Refused { code: "invalid_grant", description }
    }
}

impl From<StoreError> for OAuthError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::TenantErased => Self::invalid_grant("The tenant is gone."),
            error => Self::Other(store_failed(error)),
        }
    }
}

impl ResponseError for OAuthError {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::Refused { code: "invalid_client", .. } => StatusCode::UNAUTHORIZED,
            Self::Refused { .. } => StatusCode::BAD_REQUEST,
            Self::Other(error) => error.status_code(),
        }
    }

    fn error_response(&self) -> HttpResponse {
        match self {
            Self::Refused { code, description } => {
                let body = OAuthErrorBody { error: code, error_description: description };
                json(self.status_code(), body)
            }
            Self::Other(error) => error.error_response(),
        }
    }
}

/// An answer that nobody keeps, as it may hold tokens (RFC 6749, section 5.1).
pub fn json(status: StatusCode, body: impl Serialize) -> HttpResponse {
    HttpResponse::build(status)
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header((PRAGMA, "no-cache"))
        .json(body)
}
