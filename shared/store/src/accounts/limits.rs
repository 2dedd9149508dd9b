//! What a tenant may use, and what it uses.

use bennu_domain::ids::TenantId;
use bennu_domain::limits::{RateLimits, TenantLimits};
use sea_orm::sea_query::{Alias, Expr, ExprTrait as _};
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _, QuerySelect as _};

use super::Directory;
use crate::entities::{tenant, trace_block};
use crate::error::StoreError;
use crate::store::ScopedStore;

/// What a tenant stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StoredUsage {
    pub spans: u64,
    /// Of trace blocks, compressed.
    pub bytes: u64,
}

impl ScopedStore<'_> {
    /// Counts what is stored; it reads a row for each trace block.
    pub async fn stored_usage(self) -> Result<StoredUsage, StoreError> {
        // Sums are numeric on Postgres.
        let sum = |column: trace_block::Column| Expr::col(column).sum().cast_as(Alias::new("BIGINT"));
        let sums: Option<(Option<i64>, Option<i64>)> = trace_block::Entity::find()
            .select_only()
            .expr_as(sum(trace_block::Column::SpanCount), "spans")
            .expr_as(sum(trace_block::Column::StoredBytes), "bytes")
            .filter(trace_block::Column::TenantId.eq(self.tenant))
            .into_tuple()
            .one(&self.reads())
            .await?;
        let (spans, bytes) = sums.unwrap_or_default();
        let count = |sum: Option<i64>| sum.and_then(|sum| u64::try_from(sum).ok()).unwrap_or_default();
        Ok(StoredUsage { spans: count(spans), bytes: count(bytes) })
    }
}

impl Directory<'_> {
    pub async fn limit_tenant(self, id: TenantId, limits: &TenantLimits) -> Result<(), StoreError> {
        let number = |value: Option<u64>| value.and_then(|value| i64::try_from(value).ok());
        let transaction = self.begin().await?;
        tenant::Entity::update_many()
            .col_expr(tenant::Column::SpansPerSecond, Expr::value(number(limits.rates.spans_per_second)))
            .col_expr(tenant::Column::BytesPerSecond, Expr::value(number(limits.rates.bytes_per_second)))
            .col_expr(tenant::Column::StoredBytes, Expr::value(number(limits.stored_bytes)))
            .col_expr(
                tenant::Column::RetentionDays,
                Expr::value(number(limits.retention_days.map(u64::from))),
            )
            .filter(tenant::Column::Id.eq(id.0))
            .exec(&transaction)
            .await?;
        transaction.commit().await
    }

    /// Notes whether a tenant stores as much as it may.
    pub async fn set_storage_full(self, id: TenantId, full: bool) -> Result<(), StoreError> {
        let transaction = self.begin().await?;
        tenant::Entity::update_many()
            .col_expr(tenant::Column::StorageFull, Expr::value(full))
            .filter(tenant::Column::Id.eq(id.0))
            .exec(&transaction)
            .await?;
        transaction.commit().await
    }
}

/// Rates as two columns hold them.
pub(super) fn read_rates(spans: Option<i64>, bytes: Option<i64>) -> RateLimits {
    let number = |value: Option<i64>| value.and_then(|value| u64::try_from(value).ok());
    RateLimits { spans_per_second: number(spans), bytes_per_second: number(bytes) }
}

pub(super) fn read_limits(row: &tenant::Model) -> TenantLimits {
    TenantLimits {
        rates: read_rates(row.spans_per_second, row.bytes_per_second),
        stored_bytes: row.stored_bytes.and_then(|bytes| u64::try_from(bytes).ok()),
        retention_days: row.retention_days.and_then(|days| u32::try_from(days).ok()),
    }
}
