//! The address of an account, or what stands in its place.

use bennu_domain::account::Email;
use bennu_domain::ids::encode_hex;
use sha2::{Digest as _, Sha256};

/// Begins what stands in the place of an address, and no address: these have an at sign, and this has none.
const UNTOLD: &str = "untold:";

/// No two accounts have the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccountEmail {
    Known(Email),
    /// Of somebody whose directory tells no addresses, and knows them by this id.
    Untold {
        unique_id: String,
    },
}

impl AccountEmail {
    pub fn known(&self) -> Option<&Email> {
        match self {
            Self::Known(email) => Some(email),
            Self::Untold { .. } => None,
        }
    }

    pub(super) fn unique_id(&self) -> Option<&str> {
        match self {
            Self::Known(_) => None,
            Self::Untold { unique_id } => Some(unique_id),
        }
    }

    pub(super) fn as_stored(&self) -> String {
        match self {
            Self::Known(email) => email.as_str().to_owned(),
            Self::Untold { unique_id } => format!("{UNTOLD}{}", encode_hex(&Sha256::digest(unique_id))),
        }
    }
}

impl From<Email> for AccountEmail {
    fn from(email: Email) -> Self {
        Self::Known(email)
    }
}

/// The address, if what is stored is one.
pub(super) fn read_address(stored: String) -> Option<String> {
    (!stored.starts_with(UNTOLD)).then_some(stored)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_the_place_of_an_address_is_none() {
        let untold = |id: &str| AccountEmail::Untold { unique_id: id.to_owned() }.as_stored();
        assert!(Email::parse(&untold("7")).is_err());
        assert_eq!(read_address(untold("7")), None);
        assert_ne!(untold("7"), untold("8"));
        let known = AccountEmail::from(Email::parse("Ada@example.com").unwrap());
        assert_eq!(read_address(known.as_stored()).as_deref(), Some("ada@example.com"));
    }
}
