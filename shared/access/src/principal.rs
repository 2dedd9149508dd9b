//! The verified caller of a request.

use bennu_domain::ids::TenantId;

/// A caller whose right to act was established; there is no other way to get one than the constructors here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    tenant: TenantId,
}

impl Principal {
    /// Everybody who can reach a deployment that runs with authentication off: all of them are the default tenant.
    pub fn of_open_deployment() -> Self {
        Self { tenant: TenantId::DEFAULT }
    }

    pub(crate) fn tenant(&self) -> TenantId {
        self.tenant
    }
}
