//! What a tenant or a key may use. What is not set is not limited.

/// How much may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RateLimits {
    pub spans_per_second: Option<u64>,
    /// Of bodies, inflated.
    pub bytes_per_second: Option<u64>,
}

/// All limits of a tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TenantLimits {
    pub rates: RateLimits,
    /// Of trace blocks, compressed.
    pub stored_bytes: Option<u64>,
    /// Older traces are deleted.
    pub retention_days: Option<u32>,
}
