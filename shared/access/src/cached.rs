//! Remembers who is behind a credential, so that a request in hand asks nobody.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bennu_domain::ids::TenantId;
use moka::sync::Cache;
use sha2::{Digest as _, Sha256};

use crate::credential::{CredentialError, CredentialLookup, CredentialName};
use crate::principal::Principal;

/// A revocation that no event told is noticed after this time.
const LONGEST_AGE: Duration = Duration::from_secs(30);
/// Credentials in use at a time; a principal is a few hundred bytes.
const REMEMBERED: u64 = 20_000;

/// A hash of token and tenant: the cache holds no credential.
type Key = [u8; 32];

/// A look-up that remembers answers of another one. Refusals are not remembered: what becomes valid is valid at once.
/// Cheap to clone.
#[derive(Clone)]
pub struct CachedCredentials {
    lookup: Arc<dyn CredentialLookup>,
    known: Cache<Key, Principal>,
}

impl CachedCredentials {
    pub fn new(lookup: Arc<dyn CredentialLookup>) -> Self {
        let known = Cache::builder()
            .max_capacity(REMEMBERED)
            .time_to_live(LONGEST_AGE)
            .support_invalidation_closures()
            .build();
        Self { lookup, known }
    }

    /// Forgets what depends on something that was revoked; the tenant matters where that is the tenant itself.
    pub fn revoke(&self, tenant: TenantId, revoked: CredentialName) {
        let depends = move |_: &Key, principal: &Principal| {
            let everywhere = !matches!(revoked, CredentialName::Tenant);
            (everywhere || principal.tenant() == tenant) && principal.depends_on(&revoked)
        };
        if self.known.invalidate_entries_if(depends).is_err() {
            self.known.invalidate_all();
        }
    }

    /// Forgets everything: for when news may have been missed.
    pub fn forget(&self) {
        self.known.invalidate_all();
    }
}

#[async_trait]
impl CredentialLookup for CachedCredentials {
    async fn principal(&self, token: &str, tenant: Option<&str>) -> Result<Principal, CredentialError> {
        let key = key(token, tenant);
        if let Some(principal) = self.known.get(&key) {
            return Ok(principal);
        }
        let principal = self.lookup.principal(token, tenant).await?;
        self.known.insert(key, principal.clone());
        Ok(principal)
    }

    fn anonymous(&self) -> Option<Principal> {
        self.lookup.anonymous()
    }
}

fn key(token: &str, tenant: Option<&str>) -> Key {
    let mut hash = Sha256::new();
    hash.update(tenant.unwrap_or_default());
    hash.update([0]);
    hash.update(token);
    hash.finalize().into()
}
