//! What accounts are named by, and how their owners prove themselves.

use std::fmt;

/// The longest address that can be mailed to (RFC 5321, section 4.5.3.1, less the brackets of a path).
const LONGEST_EMAIL: usize = 254;
const LONGEST_NAME: usize = 256;
const LONGEST_SLUG: usize = 63;

macro_rules! text {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        pub struct $name(String);

        impl $name {
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text!(
    /// An e-mail address, trimmed and in lower case: people write theirs in many ways.
    Email
);
text!(
    /// What a member is called within a tenant.
    Username
);
text!(
    /// The name of a tenant in paths: lower-case letters, digits and single hyphens between them.
    TenantSlug
);

/// The text cannot be used; the message says what is wrong with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unusable(&'static str);

impl Email {
    pub fn parse(text: &str) -> Result<Self, Unusable> {
        let text = text.trim().to_lowercase();
        let (local, host) = text.split_once('@').ok_or(Unusable("must be an e-mail address"))?;
        let plain = |part: &str| {
            !part.is_empty() && !part.contains(|c: char| c.is_whitespace() || c.is_control() || c == '@')
        };
        if !plain(local) || !plain(host) || text.len() > LONGEST_EMAIL {
            return Err(Unusable("must be an e-mail address"));
        }
        Ok(Self(text))
    }
}

impl Username {
    pub fn parse(text: &str) -> Result<Self, Unusable> {
        let text = text.trim();
        if text.is_empty() {
            return Err(Unusable("must not be empty"));
        }
        if text.len() > LONGEST_NAME || text.contains(char::is_control) {
            return Err(Unusable("must have at most 256 bytes and no control characters"));
        }
        Ok(Self(text.to_owned()))
    }
}

impl TenantSlug {
    pub fn parse(text: &str) -> Result<Self, Unusable> {
        let rule = Unusable("must be 1 to 63 lower-case letters, digits and single hyphens between them");
        let words = text.split('-');
        let is_word = |word: &str| {
            !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        };
        if text.len() > LONGEST_SLUG || !words.clone().all(is_word) {
            return Err(rule);
        }
        Ok(Self(text.to_owned()))
    }
}

/// How the owner of an account proves to be it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AuthMethod {
    /// By a password.
    Local,
    OAuth2,
    Ldap,
}

impl AuthMethod {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Local => "LOCAL",
            Self::OAuth2 => "OAUTH2",
            Self::Ldap => "LDAP",
        }
    }

    pub fn from_name(text: &str) -> Option<Self> {
        [Self::Local, Self::OAuth2, Self::Ldap].into_iter().find(|method| method.as_str() == text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_trimmed_and_lower_case() {
        assert_eq!(Email::parse(" Ada@Example.COM ").unwrap().as_str(), "ada@example.com");
        assert_eq!(Email::parse("system@localhost").unwrap().as_str(), "system@localhost");
        let long = format!("{}@example.com", "a".repeat(250));
        for wrong in ["", "ada", "@b", "a@", "a@b@c", "a b@c", "a@b\u{7}", long.as_str()] {
            assert!(Email::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn slugs_fit_into_a_path() {
        for right in ["a", "acme-2", "1-2-3"] {
            assert_eq!(TenantSlug::parse(right).unwrap().as_str(), right);
        }
        let long = "a".repeat(64);
        for wrong in ["", "Acme", "a--b", "-a", "a-", "a/b", "ä", long.as_str()] {
            assert!(TenantSlug::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn names_are_trimmed_and_not_empty() {
        assert_eq!(Username::parse(" Ada ").unwrap().as_str(), "Ada");
        assert!(Username::parse("  ").is_err() && Username::parse("a\nb").is_err());
    }
}
