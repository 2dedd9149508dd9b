//! The verified caller of a request.

use bennu_domain::ids::{ProjectId, TenantId, UserId};
use bennu_domain::limits::RateLimits;

use crate::api_key::KeyTraffic;
use crate::credential::{Credential, CredentialName};
use crate::permission::Permission;
use crate::role::Role;

/// A caller whose right to act was established; there is no other way to get one than the constructors here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal(PrincipalParts);

/// What whoever verified a credential found out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrincipalParts {
    pub tenant: TenantId,
    pub credential: Credential,
    /// The account behind it, if there is one.
    pub user: Option<UserId>,
    /// The name of the account, or of what acts instead of one.
    pub name: String,
    pub role: Role,
    /// Whether it may manage tenants.
    pub manages_platform: bool,
    /// What a key is restricted to.
    pub traffic: KeyTraffic,
    pub project: Option<ProjectLimit>,
    /// What the tenant may send, and what the key may beside it.
    pub tenant_rates: RateLimits,
    pub key_rates: RateLimits,
    /// Whether the tenant stores as much as it may.
    pub storage_full: bool,
}

/// The one project that a key may reach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectLimit {
    pub id: ProjectId,
    pub name: String,
}

/// Why a caller may not do it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("Viewers cannot perform this action.")]
    Viewer,
    #[error("Only admin or system users can perform this action.")]
    NotAdmin,
    #[error("This API key may only send spans.")]
    IngestOnly,
    #[error("This API key may only read.")]
    ReadOnly,
    #[error("This API key is restricted to the project {0:?}.")]
    OtherProject(String),
    #[error("Only platform administrators can perform this action.")]
    NotPlatform,
}

impl Principal {
    /// Everybody who can reach a deployment that runs with authentication off: all of them are the default tenant.
    pub fn of_open_deployment() -> Self {
        Self(PrincipalParts {
            tenant: TenantId::DEFAULT,
            credential: Credential::Anonymous,
            user: None,
            name: "anonymous".to_owned(),
            role: Role::Admin,
            manages_platform: true,
            traffic: KeyTraffic::Any,
            project: None,
            tenant_rates: RateLimits::default(),
            key_rates: RateLimits::default(),
            storage_full: false,
        })
    }

    /// For who has just verified the credential.
    pub fn verified(parts: PrincipalParts) -> Self {
        Self(parts)
    }

    pub fn parts(&self) -> &PrincipalParts {
        &self.0
    }

    pub(crate) fn tenant(&self) -> TenantId {
        self.0.tenant
    }

    /// The account that a person is logged in to, without a key.
    pub fn session_user(&self) -> Option<UserId> {
        matches!(self.0.credential, Credential::Session(_)).then_some(self.0.user)?
    }

    /// Roles come first, then what a key is restricted to.
    pub fn allow(&self, permission: Permission) -> Result<(), Refusal> {
        if permission == Permission::ManagePlatform {
            return if self.0.manages_platform { Ok(()) } else { Err(Refusal::NotPlatform) };
        }
        if !permission.is_granted_to(self.0.role) {
            let needs_admin = permission == Permission::Administer;
            return Err(if needs_admin { Refusal::NotAdmin } else { Refusal::Viewer });
        }
        if !permission.fits(self.0.traffic) {
            let ingest_only = self.0.traffic == KeyTraffic::IngestOnly;
            return Err(if ingest_only { Refusal::IngestOnly } else { Refusal::ReadOnly });
        }
        Ok(())
    }

    /// Whether it reaches this project, named as clients do; `None` for what concerns more than one project.
    pub fn allow_project(&self, identifier: Option<&str>) -> Result<(), Refusal> {
        use bennu_domain::global_id::Node as _;
        let Some(limit) = &self.0.project else { return Ok(()) };
        match identifier {
            Some(named) if named == limit.name || ProjectId::from_global_id(named) == Some(limit.id) => {
                Ok(())
            }
            _ => Err(Refusal::OtherProject(limit.name.clone())),
        }
    }

    /// Whether a cached answer about it is void once this credential, account or tenant is revoked.
    pub fn depends_on(&self, revoked: &CredentialName) -> bool {
        match revoked {
            CredentialName::Tenant => true,
            CredentialName::User(user) => self.0.user == Some(*user),
            CredentialName::ApiKey(_) | CredentialName::Session(_) => {
                self.0.credential.name().as_ref() == Some(revoked)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn principal(role: Role, traffic: KeyTraffic) -> Principal {
        let open = Principal::of_open_deployment();
        Principal::verified(PrincipalParts { role, traffic, ..open.parts().clone() })
    }

    #[test]
    fn roles_and_keys_restrict_what_may_be_done() {
        use Permission::{Administer, Ingest, Own, Query, Read, Write};
        let allowed = |role, traffic| {
            let caller = principal(role, traffic);
            [Read, Query, Ingest, Write, Own, Administer].map(|permission| caller.allow(permission).is_ok())
        };
        assert_eq!(allowed(Role::Admin, KeyTraffic::Any), [true; 6]);
        assert_eq!(allowed(Role::System, KeyTraffic::Any), [true, true, true, true, true, false]);
        assert_eq!(allowed(Role::Member, KeyTraffic::Any), [true, true, true, true, true, false]);
        assert_eq!(allowed(Role::Viewer, KeyTraffic::Any), [true, false, false, false, true, false]);
        assert_eq!(allowed(Role::Admin, KeyTraffic::IngestOnly), [false, false, true, false, false, false]);
        assert_eq!(allowed(Role::Admin, KeyTraffic::ReadOnly), [true, true, false, false, false, false]);
        assert_eq!(allowed(Role::Viewer, KeyTraffic::IngestOnly), [false; 6]);
    }

    #[test]
    fn a_key_of_one_project_reaches_no_other() {
        use bennu_domain::global_id::Node as _;
        let open = Principal::of_open_deployment();
        assert_eq!(open.allow_project(None), Ok(()));
        let limit = ProjectLimit { id: ProjectId(3), name: "mine".to_owned() };
        let caller = Principal::verified(PrincipalParts { project: Some(limit), ..open.parts().clone() });
        let refused = Err(Refusal::OtherProject("mine".to_owned()));
        assert_eq!(caller.allow_project(Some("mine")), Ok(()));
        assert_eq!(caller.allow_project(Some(&ProjectId(3).global_id())), Ok(()));
        assert_eq!(caller.allow_project(Some("other")), refused);
        assert_eq!(caller.allow_project(Some(&ProjectId(4).global_id())), refused);
        assert_eq!(caller.allow_project(None), refused);
    }
}
