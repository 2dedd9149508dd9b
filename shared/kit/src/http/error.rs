//! The one error of request handlers, and how each kind is answered.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{ContentType, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpResponse, ResponseError};

use super::FieldError;

/// An answer other than success. All but [`ApiError::Validation`] are sent as plain text, the bare message.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// 400
    #[error("{0}")]
    BadRequest(String),
    /// 401
    #[error("{0}")]
    Unauthorized(String),
    /// 401 for a page that may not send requests; no credential would help
    #[error("{0}")]
    Untrusted(&'static str),
    /// 403
    #[error("{0}")]
    Forbidden(String),
    /// 404
    #[error("{0}")]
    NotFound(String),
    /// 409
    #[error("{0}")]
    Conflict(String),
    /// 413
    #[error("{0}")]
    TooLarge(String),
    /// 415
    #[error("{0}")]
    UnsupportedMediaType(String),
    /// 422 for a rule that is not about one field
    #[error("{0}")]
    Unprocessable(String),
    /// 422 as JSON: `{"detail":[…]}`
    #[error("{} invalid field(s)", .0.len())]
    Validation(Vec<FieldError>),
    /// 429, with `Retry-After` where it is known when there is room again
    #[error("{message}")]
    TooMany { message: String, retry_after: Option<Duration> },
    /// 503 with `Retry-After`, rounded up to whole seconds
    #[error("{message}")]
    Unavailable { message: String, retry_after: Duration },
    /// 500; the source is logged, the client sees only the request id
    #[error("Internal Server Error")]
    Internal(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl ApiError {
    pub fn internal(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Internal(source.into())
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::BadRequest(_) => StatusCode::BAD_REQUEST,
            Self::Unauthorized(_) | Self::Untrusted(_) => StatusCode::UNAUTHORIZED,
            Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::Conflict(_) => StatusCode::CONFLICT,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Unprocessable(_) | Self::Validation(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::TooMany { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::Unavailable { .. } => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status_code());
        match self {
            Self::Validation(errors) => return response.json(serde_json::json!({ "detail": errors })),
            Self::Unavailable { retry_after, .. } | Self::TooMany { retry_after: Some(retry_after), .. } => {
                response.insert_header((RETRY_AFTER, whole_seconds(*retry_after)));
            }
            Self::Unauthorized(_) => {
                response.insert_header((WWW_AUTHENTICATE, r#"Bearer realm="Bennu""#));
            }
            _ => {}
        }
        response.content_type(ContentType::plaintext()).body(self.to_string())
    }
}

/// Rounded up, and never 0: a client that retries at once would only add to the load.
fn whole_seconds(duration: Duration) -> u64 {
    let seconds = duration.as_secs() + u64::from(duration.subsec_nanos() > 0);
    seconds.max(1)
}

#[cfg(test)]
mod tests {
    use actix_web::body::to_bytes;

    use super::*;

    async fn answer(error: ApiError) -> (u16, String, String) {
        let response = error.error_response();
        let content_type = response.headers().get("content-type").unwrap().to_str().unwrap().to_owned();
        let status = response.status().as_u16();
        let body = to_bytes(response.into_body()).await.unwrap();
        (status, content_type, String::from_utf8(body.to_vec()).unwrap())
    }

    #[actix_web::test]
    async fn the_body_is_the_bare_message() {
        let text =
            |status, message: &str| (status, "text/plain; charset=utf-8".to_owned(), message.to_owned());
        let message = || "no such thing".to_owned();
        assert_eq!(answer(ApiError::BadRequest(message())).await, text(400, "no such thing"));
        assert_eq!(answer(ApiError::Unauthorized(message())).await, text(401, "no such thing"));
        assert_eq!(answer(ApiError::Forbidden(message())).await, text(403, "no such thing"));
        assert_eq!(answer(ApiError::NotFound(message())).await, text(404, "no such thing"));
        assert_eq!(answer(ApiError::Conflict(message())).await, text(409, "no such thing"));
        assert_eq!(answer(ApiError::TooLarge(message())).await, text(413, "no such thing"));
        assert_eq!(answer(ApiError::UnsupportedMediaType(message())).await, text(415, "no such thing"));
        assert_eq!(answer(ApiError::Unprocessable(message())).await, text(422, "no such thing"));
        let internal = ApiError::internal("the password is hunter2");
        assert_eq!(answer(internal).await, text(500, "Internal Server Error"));
    }

    #[actix_web::test]
    async fn validation_lists_its_fields_as_json() {
        let error = FieldError::query("limit", "int_parsing", "must be a whole number", "abc");
        let (status, content_type, body) = answer(ApiError::Validation(vec![error])).await;
        assert_eq!((status, content_type.as_str()), (422, "application/json"));
        let expected = r#"{"detail":[{"type":"int_parsing","loc":["query","limit"],"msg":"must be a whole number","input":"abc"}]}"#;
        assert_eq!(body, expected);
    }

    #[test]
    fn a_full_server_says_when_to_come_back() {
        let full = |retry_after| ApiError::Unavailable { message: "full".to_owned(), retry_after };
        let header =
            |error: ApiError| error.error_response().headers().get("retry-after").unwrap().to_owned();
        assert_eq!(header(full(Duration::from_millis(1200))), "2");
        assert_eq!(header(full(Duration::ZERO)), "1");
    }
}
