//! `TenantScope`, the only door to tenant-owned data.

use bennu_domain::ids::TenantId;

use crate::Principal;

/// Proof that its holder may reach the data of one tenant. The field is private: a scope comes from a verified
/// [`Principal`], from an envelope stamped with the scope of one, or from a [`SystemScope`] that says why.
///
/// ```
/// use bennu_access::{Principal, TenantScope};
/// let scope = TenantScope::from(&Principal::of_open_deployment());
/// ```
///
/// There is no other way, neither to make one nor to change one:
///
/// ```compile_fail,E0451
/// use bennu_access::{Principal, TenantScope};
/// let scope = TenantScope { tenant: bennu_domain::ids::TenantId(7) };
/// ```
/// ```compile_fail,E0277
/// use bennu_access::{Principal, TenantScope};
/// let scope = TenantScope::from(&bennu_domain::ids::TenantId(7));
/// ```
/// ```compile_fail,E0616
/// use bennu_access::{Principal, TenantScope};
/// let mut scope = TenantScope::from(&Principal::of_open_deployment());
/// scope.tenant = bennu_domain::ids::TenantId(7);
/// ```
/// ```compile_fail,E0599
/// use bennu_access::{Principal, TenantScope};
/// let scope = TenantScope::default();
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TenantScope {
    tenant: TenantId,
}

impl TenantScope {
    pub fn tenant(&self) -> TenantId {
        self.tenant
    }

    /// The scope with which a receiver stamped an envelope; only brokers read envelopes.
    pub fn of_envelope(tenant: TenantId) -> Self {
        Self { tenant }
    }
}

impl From<&Principal> for TenantScope {
    fn from(principal: &Principal) -> Self {
        Self { tenant: principal.tenant() }
    }
}

/// Access for work that no caller asked for: start-up, background work, tests.
pub struct SystemScope;

impl SystemScope {
    /// Opens a tenant for the system itself; the reason goes to the log.
    pub fn for_tenant(tenant: TenantId, reason: &str) -> TenantScope {
        tracing::debug!(tenant = tenant.0, reason, "system access");
        TenantScope { tenant }
    }
}
