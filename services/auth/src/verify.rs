//! From what callers present to who they are, by what the database says at the moment.

use std::sync::Arc;

use async_trait::async_trait;
use bennu_access::{
    AccessClaims, Credential, CredentialError, CredentialLookup, DeploymentSecret, KeyTraffic,
    PresentedApiKey, Principal, PrincipalParts, ProjectLimit, Role, SigningKeys, TokenError,
};
use bennu_domain::ids::{TenantId, UserId};
use bennu_domain::limits::RateLimits;
use bennu_domain::time::Clock;
use bennu_store::{Directory, KeyHolder, Membership, Store, StoreError, Tenant};

use crate::key_use::KeyUse;

/// Verifies credentials with the database. Cheap to clone.
#[derive(Clone)]
pub struct StoreCredentials {
    pub store: Store,
    /// The present secret and earlier ones: a key is hashed with that of its day.
    pub secrets: Vec<DeploymentSecret>,
    pub admin_secret: Option<DeploymentSecret>,
    pub keys: SigningKeys,
    pub clock: Arc<dyn Clock>,
    pub key_use: KeyUse,
}

#[async_trait]
impl CredentialLookup for StoreCredentials {
    async fn principal(&self, token: &str, tenant: Option<&str>) -> Result<Principal, CredentialError> {
        let parts = if self.admin_secret.as_ref().is_some_and(|secret| secret.is(token)) {
            self.deployment(tenant).await?
        } else if let Some(key) = PresentedApiKey::parse(token) {
            self.key(&key, tenant).await?
        } else {
            self.session(token, tenant).await?
        };
        Ok(Principal::verified(parts))
    }
}

impl StoreCredentials {
    fn directory(&self) -> Directory<'_> {
        self.store.directory("a credential is verified")
    }

    /// The administration secret acts as the deployment itself, in any tenant.
    async fn deployment(&self, tenant: Option<&str>) -> Result<PrincipalParts, CredentialError> {
        let found = match tenant {
            None => self.directory().tenant(TenantId::DEFAULT).await,
            Some(slug) => self.directory().tenant_named(slug).await,
        };
        let tenant = found.map_err(unavailable)?.ok_or(CredentialError::UnknownTenant)?;
        Ok(PrincipalParts {
            tenant: tenant.id,
            credential: Credential::AdminSecret,
            user: Some(UserId::SYSTEM),
            name: "system".to_owned(),
            role: Role::Admin,
            manages_platform: true,
            traffic: KeyTraffic::Any,
            project: None,
            tenant_rates: tenant.limits.rates,
            key_rates: RateLimits::default(),
            storage_full: tenant.storage_full,
        })
    }

    async fn key(
        &self,
        presented: &PresentedApiKey<'_>,
        slug: Option<&str>,
    ) -> Result<PrincipalParts, CredentialError> {
        let holder = self.directory().key(&presented.name).await.map_err(unavailable)?;
        let hash = holder.as_ref().map(|holder| &holder.hash);
        // All of them, whichever fits: the time tells nothing.
        let fitting = self.secrets.iter().filter(|secret| presented.matches(secret, hash)).count();
        if fitting == 0 {
            return Err(CredentialError::Invalid);
        }
        let KeyHolder { tenant, key, project_name, .. } = holder.ok_or(CredentialError::Invalid)?;
        let now = self.clock.now();
        if key.expires_at.is_some_and(|expires| now >= expires) {
            return Err(CredentialError::Expired);
        }
        let owner = key.user.unwrap_or(UserId::SYSTEM);
        let membership = self.directory().membership(owner, tenant).await.map_err(unavailable)?;
        let membership = usable(membership, slug)?;
        let project = match (key.project, project_name) {
            (None, _) => None,
            (Some(id), Some(name)) => Some(ProjectLimit { id, name }),
            // The project is gone, and a key for it reaches nothing.
            (Some(_), None) => return Err(CredentialError::Invalid),
        };
        self.key_use.note(tenant, key.id, now);
        let (credential, role) = match key.user {
            Some(_) => (Credential::UserKey(presented.name.clone()), membership.role),
            None => (Credential::SystemKey(presented.name.clone()), Role::System),
        };
        Ok(PrincipalParts {
            tenant,
            credential,
            user: Some(owner),
            name: membership.username,
            role,
            manages_platform: false,
            traffic: key.traffic,
            project,
            tenant_rates: membership.tenant.limits.rates,
            key_rates: key.rates,
            storage_full: membership.tenant.storage_full,
        })
    }

    async fn session(&self, token: &str, slug: Option<&str>) -> Result<PrincipalParts, CredentialError> {
        let claims: AccessClaims =
            self.keys.verify(token, self.clock.now()).map_err(|error| match error {
                TokenError::Invalid => CredentialError::Invalid,
                TokenError::Expired => CredentialError::Expired,
            })?;
        let directory = self.directory();
        let log_in = directory.log_in(&claims.session).await.map_err(unavailable)?;
        let log_in =
            log_in.filter(|log_in| log_in.generation == claims.generation).ok_or(CredentialError::Invalid)?;
        let account =
            directory.account(log_in.user).await.map_err(unavailable)?.ok_or(CredentialError::Invalid)?;
        let is_program = log_in.client.is_some();
        let membership = match slug {
            None => directory.membership(log_in.user, log_in.tenant).await.map_err(unavailable)?,
            // Whoever let the program act did so in one tenant.
            Some(_) if is_program => {
                directory.membership(log_in.user, log_in.tenant).await.map_err(unavailable)?
            }
            Some(slug) => {
                let memberships = directory.memberships(log_in.user).await.map_err(unavailable)?;
                let chosen = memberships.into_iter().find(|membership| membership.tenant.slug == slug);
                Some(chosen.ok_or(CredentialError::UnknownTenant)?)
            }
        };
        let Membership { tenant, username, role } = usable(membership, slug)?;
        Ok(PrincipalParts {
            tenant: tenant.id,
            credential: Credential::Session(claims.session),
            user: Some(log_in.user),
            name: username,
            role,
            // That is for people themselves.
            manages_platform: account.manages_platform && !is_program,
            traffic: KeyTraffic::Any,
            project: None,
            tenant_rates: tenant.limits.rates,
            key_rates: RateLimits::default(),
            storage_full: tenant.storage_full,
        })
    }
}

/// The membership, if its tenant may be used and is the one that the path names.
fn usable(membership: Option<Membership>, slug: Option<&str>) -> Result<Membership, CredentialError> {
    let membership = membership.ok_or(CredentialError::Invalid)?;
    let Tenant { slug: own, suspended_at, .. } = &membership.tenant;
    if slug.is_some_and(|slug| slug != own) {
        return Err(CredentialError::UnknownTenant);
    }
    if suspended_at.is_some() {
        return Err(CredentialError::Suspended);
    }
    Ok(membership)
}

#[expect(clippy::needless_pass_by_value, reason = "it is mapped over")]
fn unavailable(error: StoreError) -> CredentialError {
    CredentialError::Unavailable(error.to_string())
}
