//! Tokens of people who logged in: JSON Web Tokens (RFC 7519) of three kinds.

use bennu_domain::ids::UserId;
use bennu_domain::time::Timestamp;
use jsonwebtoken::{Validation, decode, decode_header, encode};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::signing_keys::SigningKeys;

const MICROS: i64 = 1_000_000;

/// What a kind of token says.
pub trait Claims: Serialize + DeserializeOwned {
    /// The `aud` of the kind: a token of one kind never passes for another.
    const AUDIENCE: &'static str;
}

/// Opens the API for some minutes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessClaims {
    #[serde(rename = "sid")]
    pub session: String,
    /// The rotation of the session that it belongs to.
    #[serde(rename = "gen")]
    pub generation: i64,
}

/// Is changed for a new pair of tokens, once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefreshClaims {
    #[serde(rename = "sid")]
    pub session: String,
    #[serde(rename = "gen")]
    pub generation: i64,
}

/// Sets a new password, once: it names the password that it replaces.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResetClaims {
    pub user: i64,
    /// Microseconds since 1970 at which the password was set.
    #[serde(rename = "pwd")]
    pub password_set_at: i64,
}

impl Claims for AccessClaims {
    const AUDIENCE: &'static str = "access";
}

impl Claims for RefreshClaims {
    const AUDIENCE: &'static str = "refresh";
}

impl Claims for ResetClaims {
    const AUDIENCE: &'static str = "password-reset";
}

impl ResetClaims {
    pub fn user(&self) -> UserId {
        UserId(self.user)
    }
}

/// Why a token is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    #[error("the token is not valid")]
    Invalid,
    #[error("the token is expired")]
    Expired,
}

#[derive(Serialize, Deserialize)]
struct Registered<C> {
    aud: String,
    iat: i64,
    exp: i64,
    #[serde(flatten)]
    claims: C,
}

impl SigningKeys {
    pub fn sign<C: Claims>(
        &self,
        claims: C,
        now: Timestamp,
        expires: Timestamp,
    ) -> Result<String, jsonwebtoken::errors::Error> {
        let (header, key) = self.signing();
        let (iat, exp) = (now.0.div_euclid(MICROS), expires.0.div_euclid(MICROS));
        encode(header, &Registered { aud: C::AUDIENCE.to_owned(), iat, exp, claims }, key)
    }

    pub fn verify<C: Claims>(&self, token: &str, now: Timestamp) -> Result<C, TokenError> {
        let invalid = |_| TokenError::Invalid;
        let id = decode_header(token).map_err(invalid)?.kid.ok_or(TokenError::Invalid)?;
        let (algorithm, key) = self.verifying(&id).ok_or(TokenError::Invalid)?;
        let mut validation = Validation::new(algorithm);
        validation.set_audience(&[C::AUDIENCE]);
        // Compared below with the clock that is handed in.
        validation.validate_exp = false;
        let read: Registered<C> = decode(token, key, &validation).map_err(invalid)?.claims;
        if now.0 >= read.exp.saturating_mul(MICROS) { Err(TokenError::Expired) } else { Ok(read.claims) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::tests::deployment_secret;

    const NOW: Timestamp = Timestamp(1_800_000_000_000_000);
    const LATER: Timestamp = Timestamp(NOW.0 + 600 * MICROS);

    const PRIVATE: &str = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIHLEp5BabpEsUEEGTOMfxPKyUm9Uu+QiecLzNblqO/K1\n-----END PRIVATE KEY-----\n";
    const PUBLIC: &str = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA8vBiA04Pe+YxV/kBAXRFyFATh26H6IPI2ezgoEgc/+s=\n-----END PUBLIC KEY-----\n";

    fn access() -> AccessClaims {
        AccessClaims { session: "s".to_owned(), generation: 2 }
    }

    fn keys(name: &str) -> SigningKeys {
        SigningKeys::symmetric(&deployment_secret(name), &[])
    }

    #[test]
    fn a_token_says_what_was_signed_until_it_expires() {
        let keys = keys("one");
        let token = keys.sign(access(), NOW, LATER).unwrap();
        assert_eq!(keys.verify(&token, NOW), Ok(access()));
        assert_eq!(keys.verify::<AccessClaims>(&token, LATER), Err(TokenError::Expired));
    }

    #[test]
    fn other_kinds_other_keys_and_changed_tokens_are_refused() {
        let one = keys("one");
        let token = one.sign(access(), NOW, LATER).unwrap();
        assert_eq!(one.verify::<RefreshClaims>(&token, NOW), Err(TokenError::Invalid));
        assert_eq!(keys("two").verify::<AccessClaims>(&token, NOW), Err(TokenError::Invalid));
        let mut parts: Vec<&str> = token.split('.').collect();
        parts[2] = "AAAA";
        for broken in [parts.join("."), String::new(), "a.b.c".to_owned(), format!("{token}x")] {
            assert_eq!(one.verify::<AccessClaims>(&broken, NOW), Err(TokenError::Invalid), "{broken}");
        }
    }

    #[test]
    fn a_token_without_signature_is_refused() {
        use base64::Engine as _;
        let keys = keys("one");
        let token = keys.sign(access(), NOW, LATER).unwrap();
        let id = decode_header(&token).unwrap().kid.unwrap();
        let encode = |text: String| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text);
        let header = encode(format!(r#"{{"alg":"none","kid":"{id}"}}"#));
        let body = token.split('.').nth(1).unwrap();
        assert_eq!(keys.verify::<AccessClaims>(&format!("{header}.{body}."), NOW), Err(TokenError::Invalid));
    }

    #[test]
    fn keys_can_be_changed_while_tokens_are_out() {
        let old = keys("old");
        let token = old.sign(access(), NOW, LATER).unwrap();
        let changed = SigningKeys::symmetric(&deployment_secret("new"), &[deployment_secret("old")]);
        assert_eq!(changed.verify(&token, NOW), Ok(access()));
        assert!(old.verify::<AccessClaims>(&changed.sign(access(), NOW, LATER).unwrap(), NOW).is_err());
        let asymmetric = changed.signing_with(PRIVATE, PUBLIC).unwrap();
        let signed = asymmetric.sign(access(), NOW, LATER).unwrap();
        assert_eq!(decode_header(&signed).unwrap().alg, jsonwebtoken::Algorithm::EdDSA);
        assert_eq!(asymmetric.verify(&signed, NOW), Ok(access()));
        assert_eq!(asymmetric.verify(&token, NOW), Ok(access()));
        let verifies_only = old.accepting(PUBLIC).unwrap();
        assert_eq!(verifies_only.verify(&signed, NOW), Ok(access()));
        assert!(keys("old").signing_with("no key", PUBLIC).is_err());
    }
}
