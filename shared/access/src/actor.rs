//! Who acts, for the record: names that stay readable when the account is gone. Rights come from a principal.

use std::net::IpAddr;

use crate::credential::Credential;
use crate::principal::Principal;

/// Carried beside a scope by what changes data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    pub kind: ActorKind,
    pub name: String,
    /// Where the request came from; `None` for work of the system's own.
    pub address: Option<IpAddr>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ActorKind {
    /// Anybody, where authentication is off.
    Anonymous,
    User,
    ApiKey,
    AdminSecret,
    System,
}

impl Actor {
    /// A caller by the name of the account that it acts for.
    pub fn of(principal: &Principal, address: Option<IpAddr>) -> Self {
        let parts = principal.parts();
        let kind = match parts.credential {
            Credential::Anonymous => ActorKind::Anonymous,
            Credential::Session(_) => ActorKind::User,
            Credential::UserKey(_) | Credential::SystemKey(_) => ActorKind::ApiKey,
            Credential::AdminSecret => ActorKind::AdminSecret,
        };
        Self { kind, name: parts.name.clone(), address }
    }

    /// Start-up and background work.
    pub fn system() -> Self {
        Self { kind: ActorKind::System, name: "bennu".to_owned(), address: None }
    }
}

impl ActorKind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Anonymous => "anonymous",
            Self::User => "user",
            Self::ApiKey => "api_key",
            Self::AdminSecret => "admin_secret",
            Self::System => "system",
        }
    }
}
