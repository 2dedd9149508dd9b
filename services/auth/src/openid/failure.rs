//! Why a log-in did not succeed, as the page of log-ins is told.

use std::fmt;

use bennu_kit::http::ApiError;

use crate::outside_accounts::Refusal;

/// The codes are those of the reference server, whose pages have a sentence for each.
#[derive(Debug)]
pub enum Failure {
    /// No such provider is set up.
    UnknownProvider,
    /// The provider, or what it says about the person, does not let them in.
    NotAuthenticated(String),
    /// The answer does not belong to a log-in that this browser began.
    InvalidState,
    /// The page to go to afterwards is on another host.
    UnsafeReturnUrl,
    /// The provider cannot be reached, or does not take the code.
    Exchange(String),
    /// It answered without an ID token: it speaks OAuth 2.0 alone.
    NoIdToken,
    NoEmail,
    Refused(Refusal),
}

impl Failure {
    pub fn code(&self) -> &'static str {
        match self {
            Self::UnknownProvider => "unknown_idp",
            Self::NotAuthenticated(_) => "auth_failed",
            Self::InvalidState => "invalid_state",
            Self::UnsafeReturnUrl => "unsafe_return_url",
            Self::Exchange(_) => "oauth_error",
            Self::NoIdToken => "no_oidc_support",
            Self::NoEmail => "missing_email_scope",
            Self::Refused(Refusal::EmailInUse) => "email_in_use",
            Self::Refused(_) => "sign_in_not_allowed",
        }
    }

    /// What is nobody's fault but ours is no failed log-in.
    pub fn into_internal(self) -> Result<ApiError, Self> {
        match self {
            Self::Refused(Refusal::Internal(error)) => Ok(error),
            other => Err(other),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAuthenticated(reason) | Self::Exchange(reason) => {
                write!(f, "{}: {reason}", self.code())
            }
            Self::Refused(refusal) => write!(f, "{}: {refusal}", self.code()),
            _ => f.write_str(self.code()),
        }
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}
