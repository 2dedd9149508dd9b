//! `/v1/usage`: what the tenant may use, and what it uses.

use std::sync::Arc;
use std::time::Duration;

use actix_web::web;
use bennu_access::Read;
use bennu_domain::ids::TenantId;
use bennu_domain::limits::TenantLimits;
use bennu_kit::http::{ApiError, Authorized, DataBody};
use bennu_store::StoredUsage;
use moka::future::Cache;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::responses::{field_error, store_failed};
use crate::service::AuthState;

/// Counting reads a row for each trace block of the tenant; that is done at most so often.
const COUNTED_EVERY: Duration = Duration::from_secs(10);
const REMEMBERED: u64 = 10_000;

#[derive(utoipa::OpenApi)]
#[openapi(paths(usage))]
pub struct ApiDoc;

pub fn routes(config: &mut web::ServiceConfig) {
    config.service(web::resource("/v1/usage").get(usage));
}

/// Counts of the last seconds.
pub type Counted = Cache<TenantId, StoredUsage>;

pub fn counted() -> Counted {
    Cache::builder().max_capacity(REMEMBERED).time_to_live(COUNTED_EVERY).build()
}

/// Limits; null where there is none.
#[derive(Serialize, Deserialize, ToSchema)]
#[schema(as = Limits)]
pub struct LimitsBody {
    pub spans_per_second: Option<u64>,
    /// Of bodies, inflated
    pub bytes_per_second: Option<u64>,
    /// Of trace blocks, compressed
    pub stored_bytes: Option<u64>,
    /// Traces that began longer ago are deleted
    pub retention_days: Option<u32>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Usage)]
struct UsageBody {
    limits: LimitsBody,
    stored_spans: u64,
    stored_bytes: u64,
    /// Whether spans are refused because too much is stored
    storage_full: bool,
}

impl From<&TenantLimits> for LimitsBody {
    fn from(limits: &TenantLimits) -> Self {
        Self {
            spans_per_second: limits.rates.spans_per_second,
            bytes_per_second: limits.rates.bytes_per_second,
            stored_bytes: limits.stored_bytes,
            retention_days: limits.retention_days,
        }
    }
}

impl LimitsBody {
    /// Zero would be a way to switch a tenant off, and there is another one for that.
    pub fn read(self) -> Result<TenantLimits, ApiError> {
        let numbers = [
            ("spans_per_second", self.spans_per_second),
            ("bytes_per_second", self.bytes_per_second),
            ("stored_bytes", self.stored_bytes),
            ("retention_days", self.retention_days.map(u64::from)),
        ];
        let unusable = |value: &u64| *value == 0 || i64::try_from(*value).is_err();
        if let Some((name, Some(value))) =
            numbers.into_iter().find(|(_, value)| value.as_ref().is_some_and(unusable))
        {
            let message = "must be a whole number from 1 on, or null for no limit";
            return Err(field_error(&["limits", name], "value_error", message, &value.to_string()));
        }
        Ok(TenantLimits {
            rates: bennu_domain::limits::RateLimits {
                spans_per_second: self.spans_per_second,
                bytes_per_second: self.bytes_per_second,
            },
            stored_bytes: self.stored_bytes,
            retention_days: self.retention_days,
        })
    }
}

/// Tells the limits of the tenant, and what it stores as of the last ten seconds.
#[utoipa::path(
    get, path = "/v1/usage", operation_id = "getUsage", tag = "tenants",
    responses((status = 200, body = DataBody<UsageBody>))
)]
async fn usage(
    caller: Authorized<Read>,
    state: web::Data<AuthState>,
) -> Result<web::Json<DataBody<UsageBody>>, ApiError> {
    let scope = caller.scope();
    let tenant = state.directory().tenant(scope.tenant()).await.map_err(store_failed)?;
    let tenant = tenant.ok_or_else(|| ApiError::NotFound("Not Found".to_owned()))?;
    let count = state.store.scoped(&scope).stored_usage();
    let counted = state.counted.try_get_with(scope.tenant(), count).await;
    let stored = counted.map_err(|error: Arc<_>| ApiError::internal(error.to_string()))?;
    let data = UsageBody {
        limits: (&tenant.limits).into(),
        stored_spans: stored.spans,
        stored_bytes: stored.bytes,
        storage_full: tenant.storage_full,
    };
    Ok(web::Json(DataBody { data }))
}
