//! Who is calling, what they may do, and whose data that lets them reach.

mod actor;
mod api_key;
mod cached;
mod credential;
mod password;
mod permission;
mod principal;
mod role;
mod scope;
mod secret;
mod signing_keys;
mod token;

pub use actor::{Actor, ActorKind};
pub use api_key::{ApiKeyHash, ApiKeyName, KeyTraffic, NewApiKey, PresentedApiKey};
pub use cached::CachedCredentials;
pub use credential::{Credential, CredentialError, CredentialLookup, CredentialName, OpenDeployment};
pub use password::{PasswordCost, PasswordHash, PasswordHasher, PasswordPolicy, WeakPassword};
pub use permission::{Administer, Ingest, ManagePlatform, Own, Permission, Query, Read, Rule, Write};
pub use principal::{Principal, PrincipalParts, ProjectLimit, Refusal};
pub use role::Role;
pub use scope::{SystemScope, TenantScope};
pub use secret::{DeploymentSecret, WeakSecret};
pub use signing_keys::{SigningKeyError, SigningKeys};
pub use token::{AccessClaims, Claims, RefreshClaims, ResetClaims, TokenError};
