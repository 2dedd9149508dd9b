//! API keys: `bnu_<name>_<secret>`. The name is public and finds the row; the secret has 256 random bits, of which only a
//! keyed hash is stored.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bennu_domain::ids::encode_hex;
use hmac::{Hmac, Mac as _};
use sha2::Sha256;

use crate::secret::DeploymentSecret;

const PREFIX: &str = "bnu_";
const NAME_BYTES: usize = 6;
const SECRET_BYTES: usize = 32;

/// Separates the hashes of keys from other uses of the deployment's secret.
const PURPOSE: &[u8] = b"bennu api key v1";

/// The public part of a key: 12 hexadecimal digits, unique in the deployment.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ApiKeyName(String);

/// The text is not the public part of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no name of an API key")]
pub struct NoApiKeyName;

/// A keyed hash of a secret, as it is stored.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKeyHash(Vec<u8>);

/// What a key may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyTraffic {
    Any,
    IngestOnly,
    ReadOnly,
}

/// A key that was just made. Its text is shown once.
pub struct NewApiKey {
    pub name: ApiKeyName,
    pub text: String,
    pub hash: ApiKeyHash,
}

/// A key as a caller presents it. `Debug` shows its name only.
pub struct PresentedApiKey<'a> {
    pub name: ApiKeyName,
    secret: &'a str,
}

impl NewApiKey {
    /// Takes randomness from the system.
    pub fn generate(deployment: &DeploymentSecret) -> Result<Self, getrandom::Error> {
        let (mut name, mut secret) = ([0; NAME_BYTES], [0; SECRET_BYTES]);
        getrandom::fill(&mut name)?;
        getrandom::fill(&mut secret)?;
        let (name, secret) = (encode_hex(&name), URL_SAFE_NO_PAD.encode(secret));
        let hash = ApiKeyHash(mac(deployment, &name, &secret).finalize().into_bytes().to_vec());
        Ok(Self { text: format!("{PREFIX}{name}_{secret}"), name: ApiKeyName(name), hash })
    }
}

impl<'a> PresentedApiKey<'a> {
    /// `None` if the text has not the form of a key.
    pub fn parse(text: &'a str) -> Option<Self> {
        let (name, secret) = text.strip_prefix(PREFIX)?.split_once('_')?;
        Some(Self { name: name.parse().ok()?, secret })
    }

    /// Takes the same time whether there is a hash to compare with or not, and wherever they differ.
    pub fn matches(&self, deployment: &DeploymentSecret, stored: Option<&ApiKeyHash>) -> bool {
        let mac = mac(deployment, &self.name.0, self.secret);
        let nobody = ApiKeyHash(vec![0; 32]);
        let same = mac.verify_slice(&stored.unwrap_or(&nobody).0).is_ok();
        same && stored.is_some()
    }
}

fn mac(deployment: &DeploymentSecret, name: &str, secret: &str) -> Hmac<Sha256> {
    let mut mac = deployment.derived(PURPOSE);
    mac.update(name.as_bytes());
    mac.update(b"_");
    mac.update(secret.as_bytes());
    mac
}

impl ApiKeyHash {
    pub fn from_stored(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl KeyTraffic {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Any => "ANY",
            Self::IngestOnly => "INGEST_ONLY",
            Self::ReadOnly => "READ_ONLY",
        }
    }

    pub fn from_name(text: &str) -> Option<Self> {
        [Self::Any, Self::IngestOnly, Self::ReadOnly].into_iter().find(|traffic| traffic.as_str() == text)
    }
}

impl FromStr for ApiKeyName {
    type Err = NoApiKeyName;

    fn from_str(text: &str) -> Result<Self, NoApiKeyName> {
        let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        let is_name = text.len() == 2 * NAME_BYTES && text.bytes().all(is_hex);
        is_name.then(|| Self(text.to_owned())).ok_or(NoApiKeyName)
    }
}

impl fmt::Display for ApiKeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for PresentedApiKey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PresentedApiKey({})", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::tests::deployment_secret;

    #[test]
    fn a_key_matches_its_own_hash_only() {
        let deployment = deployment_secret("first");
        let (one, other) =
            (NewApiKey::generate(&deployment).unwrap(), NewApiKey::generate(&deployment).unwrap());
        let presented = PresentedApiKey::parse(&one.text).unwrap();
        assert_eq!(presented.name, one.name);
        assert!(presented.matches(&deployment, Some(&one.hash)));
        assert!(!presented.matches(&deployment, Some(&other.hash)));
        assert!(!presented.matches(&deployment, None));
        assert!(!presented.matches(&deployment_secret("second"), Some(&one.hash)));
        let changed = format!("{}A", one.text);
        assert!(!PresentedApiKey::parse(&changed).unwrap().matches(&deployment, Some(&one.hash)));
    }

    #[test]
    fn a_key_has_its_name_in_front_and_random_secrets() {
        let deployment = deployment_secret("first");
        let (one, other) =
            (NewApiKey::generate(&deployment).unwrap(), NewApiKey::generate(&deployment).unwrap());
        assert!(one.text.starts_with(&format!("bnu_{}_", one.name)));
        assert_eq!(one.text.len(), 4 + 12 + 1 + 43);
        assert_ne!(one.text, other.text);
        assert_ne!(one.name, other.name);
    }

    #[test]
    fn other_text_is_no_key() {
        for text in ["", "bnu_", "bnu_0123456789ab", "bnu_0123456789AB_x", "px_0123456789ab_x", "bnu_012_x"] {
            assert!(PresentedApiKey::parse(text).is_none(), "{text}");
        }
    }
}
