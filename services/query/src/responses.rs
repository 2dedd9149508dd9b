//! What answers have in common.

use std::time::Duration;

use actix_web::HttpResponse;
use bennu_access::CredentialError;
use bennu_domain::cost::{Cost, CostDetail};
use bennu_kit::http::ApiError;
pub use bennu_kit::http::{DataBody, PageBody};
use bennu_store::StoreError;
use serde::Serialize;
use utoipa::ToSchema;

/// Lists without a documented maximum give at most this many items a page; more follow under the cursor.
pub const LARGEST_PAGE: usize = 10_000;

/// A database that is overloaded or away is asked again after this time.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// What language models cost, in US dollars, as far as their prices are known.
#[derive(Serialize, ToSchema)]
#[schema(as = Cost)]
pub struct CostBody {
    prompt: f64,
    completion: f64,
    total: f64,
}

impl From<Cost> for CostBody {
    fn from(cost: Cost) -> Self {
        Self {
            prompt: Cost::dollars(cost.prompt),
            completion: Cost::dollars(cost.completion),
            total: Cost::dollars(cost.total()),
        }
    }
}

/// What tokens of one kind cost, in US dollars.
#[derive(Serialize, ToSchema)]
#[schema(as = CostDetail)]
pub struct CostDetailBody {
    /// `cache_read`, `cache_write`, `audio` or `reasoning`; `input` and `output` are the rest of prompt and completion
    token_type: &'static str,
    is_prompt: bool,
    tokens: i64,
    /// null if it is not known (any more)
    cost: Option<f64>,
}

impl From<CostDetail> for CostDetailBody {
    fn from(CostDetail { token_type, is_prompt, tokens, cost, .. }: CostDetail) -> Self {
        Self { token_type, is_prompt, tokens, cost }
    }
}

pub fn no_content() -> HttpResponse {
    HttpResponse::NoContent().finish()
}

/// The answer to a failure of the store: except for a condition that asks for too much work, it never is the caller's fault.
pub fn store_failed(error: StoreError) -> ApiError {
    if let StoreError::Condition(too_costly) = error {
        ApiError::Unprocessable(too_costly.to_string())
    } else if matches!(error, StoreError::TenantErased) {
        // The caller was verified a moment before, and will not be again.
        ApiError::Unauthorized(CredentialError::Invalid.to_string())
    } else if error.is_transient() {
        ApiError::Unavailable { message: error.to_string(), retry_after: RETRY_AFTER }
    } else {
        ApiError::internal(error)
    }
}

pub fn invalid_cursor(cursor: &str) -> ApiError {
    ApiError::Unprocessable(format!("cursor {cursor:?} does not belong to this list."))
}
