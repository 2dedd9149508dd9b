//! What a member of a tenant is.

use std::fmt;
use std::str::FromStr;

/// From the weakest to the strongest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Reads.
    Viewer,
    /// Reads and writes.
    Member,
    /// The tenant itself, as its system keys act: like a member, with no account of its own.
    System,
    /// Manages users, keys and projects, too.
    Admin,
}

impl Role {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "VIEWER",
            Self::Member => "MEMBER",
            Self::System => "SYSTEM",
            Self::Admin => "ADMIN",
        }
    }

    /// Whether a person may be given it.
    pub fn is_for_people(self) -> bool {
        self != Self::System
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text is no role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be ADMIN, MEMBER or VIEWER")]
pub struct UnknownRole;

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, UnknownRole> {
        let all = [Self::Viewer, Self::Member, Self::System, Self::Admin];
        all.into_iter().find(|role| role.as_str() == text).ok_or(UnknownRole)
    }
}
