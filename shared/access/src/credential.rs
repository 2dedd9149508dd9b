//! What callers present, and how it becomes a [`Principal`].

use std::fmt;
use std::str::FromStr;

use async_trait::async_trait;
use bennu_domain::ids::UserId;

use crate::api_key::ApiKeyName;
use crate::principal::Principal;

/// What a principal was verified by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    /// Nothing, where authentication is off.
    Anonymous,
    /// A log-in, by the id that its tokens share.
    Session(String),
    /// A key of a person.
    UserKey(ApiKeyName),
    /// A key of the tenant.
    SystemKey(ApiKeyName),
    /// The administration secret of the deployment.
    AdminSecret,
}

/// The public name of what can be revoked; it travels in events.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum CredentialName {
    ApiKey(ApiKeyName),
    Session(String),
    /// Everything that acts for an account.
    User(UserId),
    /// Everything that acts in the tenant of the event.
    Tenant,
}

impl Credential {
    pub fn name(&self) -> Option<CredentialName> {
        match self {
            Self::Anonymous | Self::AdminSecret => None,
            Self::Session(id) => Some(CredentialName::Session(id.clone())),
            Self::UserKey(name) | Self::SystemKey(name) => Some(CredentialName::ApiKey(name.clone())),
        }
    }

    pub fn is_key(&self) -> bool {
        matches!(self, Self::UserKey(_) | Self::SystemKey(_))
    }
}

impl fmt::Display for CredentialName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ApiKey(name) => write!(f, "key:{name}"),
            Self::Session(id) => write!(f, "session:{id}"),
            Self::User(id) => write!(f, "user:{}", id.0),
            Self::Tenant => f.write_str("tenant"),
        }
    }
}

/// The text names nothing that can be revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no name of a credential")]
pub struct NoCredentialName;

impl FromStr for CredentialName {
    type Err = NoCredentialName;

    fn from_str(text: &str) -> Result<Self, NoCredentialName> {
        match text.split_once(':') {
            Some(("key", name)) => name.parse().map(Self::ApiKey).map_err(|_| NoCredentialName),
            Some(("session", id)) => Ok(Self::Session(id.to_owned())),
            Some(("user", id)) => id.parse().map(|id| Self::User(UserId(id))).map_err(|_| NoCredentialName),
            None if text == "tenant" => Ok(Self::Tenant),
            _ => Err(NoCredentialName),
        }
    }
}

/// Why a caller is not known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CredentialError {
    #[error("Invalid token")]
    Invalid,
    #[error("Expired token")]
    Expired,
    /// The credential is good, in no tenant of this name.
    #[error("Not Found")]
    UnknownTenant,
    #[error("This tenant is suspended.")]
    Suspended,
    #[error("credentials cannot be verified: {0}")]
    Unavailable(String),
}

/// Verifies what callers present: directly, or by asking the service that can.
#[async_trait]
pub trait CredentialLookup: Send + Sync {
    /// `token` is an API key, an access token or the administration secret; `tenant` the slug of the tenant that a person
    /// with several has chosen by the path.
    async fn principal(&self, token: &str, tenant: Option<&str>) -> Result<Principal, CredentialError>;

    /// Who calls without a credential.
    fn anonymous(&self) -> Option<Principal> {
        None
    }
}

/// The look-up of a deployment with authentication off: credentials are not looked at.
#[derive(Debug, Clone, Copy)]
pub struct OpenDeployment;

#[async_trait]
impl CredentialLookup for OpenDeployment {
    async fn principal(&self, _: &str, _: Option<&str>) -> Result<Principal, CredentialError> {
        Ok(Principal::of_open_deployment())
    }

    fn anonymous(&self) -> Option<Principal> {
        Some(Principal::of_open_deployment())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_credentials_are_read_as_they_are_written() {
        let key: ApiKeyName = "0123456789ab".parse().unwrap();
        let names = [
            CredentialName::ApiKey(key),
            CredentialName::Session("a-b".to_owned()),
            CredentialName::User(UserId(7)),
            CredentialName::Tenant,
        ];
        for name in names {
            assert_eq!(name.to_string().parse(), Ok(name));
        }
        for text in ["", "key:", "key:x", "user:x", "tenants"] {
            assert_eq!(text.parse::<CredentialName>(), Err(NoCredentialName), "{text}");
        }
    }
}
