//! The secret of a deployment, from which everything that needs a key has its own.

use std::fmt;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// As the reference server demands: at least so many characters, one of them a digit and one a lower-case letter.
const SHORTEST: usize = 32;

/// At least 32 ASCII characters without blanks. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct DeploymentSecret(String);

/// What a secret lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("at least 32 ASCII characters without blanks, with a digit and a lower-case letter among them")]
pub struct WeakSecret;

impl DeploymentSecret {
    pub fn parse(text: &str) -> Result<Self, WeakSecret> {
        let fits = text.len() >= SHORTEST
            && text.bytes().all(|byte| byte.is_ascii_graphic())
            && text.bytes().any(|byte| byte.is_ascii_digit())
            && text.bytes().any(|byte| byte.is_ascii_lowercase());
        fits.then(|| Self(text.to_owned())).ok_or(WeakSecret)
    }

    /// Whether a caller presents this secret; the time does not tell how much of it is right.
    pub fn is(&self, presented: &str) -> bool {
        // Comparing keyed hashes is constant in time for texts of any lengths.
        let mut mac = self.derived(b"bennu comparison v1");
        mac.update(presented.as_bytes());
        let mut own = self.derived(b"bennu comparison v1");
        own.update(self.0.as_bytes());
        mac.verify_slice(&own.finalize().into_bytes()).is_ok()
    }

    /// A keyed hash for one purpose: what leaks of one tells nothing of another.
    pub(crate) fn derived(&self, purpose: &[u8]) -> Hmac<Sha256> {
        let mut derive = keyed(self.0.as_bytes());
        derive.update(purpose);
        keyed(&derive.finalize().into_bytes())
    }

    /// Bytes of a key for one purpose.
    pub(crate) fn derived_key(&self, purpose: &[u8]) -> Vec<u8> {
        let mut derive = keyed(self.0.as_bytes());
        derive.update(purpose);
        derive.finalize().into_bytes().to_vec()
    }
}

fn keyed(key: &[u8]) -> Hmac<Sha256> {
    #[expect(clippy::expect_used, reason = "HMAC takes keys of every length (RFC 2104)")]
    Hmac::new_from_slice(key).expect("any key will do")
}

impl fmt::Debug for DeploymentSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DeploymentSecret(…)")
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn deployment_secret(name: &str) -> DeploymentSecret {
        DeploymentSecret::parse(&format!("{name}-0123456789-abcdefghijklmnopqrstuvwxyz")).unwrap()
    }

    #[test]
    fn a_secret_is_long_and_mixed() {
        for weak in [
            "short1a",
            "abcdefghijklmnopqrstuvwxyzabcdefghij",
            "0123456789012345678901234567890123",
            "abcdefghijklmnopqrstuvwxyz 0123456789",
            "abcdefghijklmnopqrstuvwxyz0123456789é",
        ] {
            assert_eq!(DeploymentSecret::parse(weak), Err(WeakSecret), "{weak}");
        }
        assert!(DeploymentSecret::parse("abcdefghijklmnopqrstuvwxyz0123456789").is_ok());
    }

    #[test]
    fn only_the_same_text_is_the_secret_and_it_is_not_shown() {
        let secret = deployment_secret("one");
        assert!(secret.is("one-0123456789-abcdefghijklmnopqrstuvwxyz"));
        assert!(!secret.is("one-0123456789-abcdefghijklmnopqrstuvwxy") && !secret.is(""));
        assert_eq!(format!("{secret:?}"), "DeploymentSecret(…)");
    }
}
