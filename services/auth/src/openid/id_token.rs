//! The ID token: what the provider says about who logged in, signed by it (OpenID Connect Core, section 3.1.3.7).

use bennu_domain::time::Timestamp;
use jsonwebtoken::errors::{Error, ErrorKind};
use jsonwebtoken::jwk::{Jwk, JwkSet, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Header, Validation, decode, decode_header};
use serde_json::{Map, Value};

/// How far two clocks may be apart.
const LEEWAY_SECONDS: i64 = 60;
/// A token without the id of its key is tried with each, and a provider has two or three.
const MOST_KEYS: usize = 16;
const MICROS: i64 = 1_000_000;

/// What providers call a person, and more about them.
pub type Claims = Map<String, Value>;

/// Whose signatures are taken.
pub struct Trusted<'a> {
    /// As the provider publishes them.
    pub keys: &'a JwkSet,
    /// What the provider shares with this client, for the algorithms by which it says that it signs with that.
    pub secret: Option<&'a [u8]>,
    pub algorithms: &'a [String],
}

/// What a token must say to be for this log-in.
pub struct Expected<'a> {
    pub issuer: &'a str,
    pub client_id: &'a str,
    pub nonce: &'a str,
    pub now: Timestamp,
}

#[derive(Debug, thiserror::Error)]
pub enum IdTokenError {
    /// The provider may have new keys.
    #[error("it is signed with a key that the provider does not publish")]
    UnknownKey,
    #[error("it is signed with the secret of the client, and the provider does not say that it does so")]
    UnexpectedSecret,
    #[error("it is signed with the secret of the client, which is too short for that")]
    ShortSecret,
    #[error("{0}")]
    Invalid(#[from] Error),
    #[error("it is expired, or from the future")]
    Time,
    #[error("it is for another log-in")]
    Nonce,
    #[error("it is for another client")]
    AuthorizedParty,
}

/// The claims of a token that is right in everything.
pub fn verify(token: &str, trusted: &Trusted<'_>, expected: &Expected<'_>) -> Result<Claims, IdTokenError> {
    let header = decode_header(token)?;
    // A token chooses neither: each kind of algorithm has its own kind of key.
    let claims = match shortest_secret(header.alg) {
        Some(shortest) => {
            let key = shared_key(trusted, header.alg, shortest)?;
            claims_by(token, &key, header.alg, expected)
        }
        None => claims_by_published(token, &header, trusted.keys, expected),
    }?;
    check_time(&claims, expected.now)?;
    // What binds the token to the browser that began the log-in.
    if claims.get("nonce").and_then(Value::as_str) != Some(expected.nonce) {
        return Err(IdTokenError::Nonce);
    }
    let several = claims.get("aud").and_then(Value::as_array).is_some_and(|audiences| audiences.len() > 1);
    match claims.get("azp").map(Value::as_str) {
        Some(party) if party != Some(expected.client_id) => Err(IdTokenError::AuthorizedParty),
        None if several => Err(IdTokenError::AuthorizedParty),
        _ => Ok(claims),
    }
}

/// For algorithms that sign with a secret, how long that is: as long as the hash (RFC 7518, section 3.2).
fn shortest_secret(algorithm: Algorithm) -> Option<usize> {
    match algorithm {
        Algorithm::HS256 => Some(32),
        Algorithm::HS384 => Some(48),
        Algorithm::HS512 => Some(64),
        _ => None,
    }
}

/// The secret of the client, which nobody else but the provider knows (OpenID Connect Core, section 10.1).
fn shared_key(
    trusted: &Trusted<'_>,
    algorithm: Algorithm,
    shortest: usize,
) -> Result<DecodingKey, IdTokenError> {
    let is_announced = trusted.algorithms.iter().any(|name| name.parse() == Ok(algorithm));
    let secret = trusted.secret.filter(|_| is_announced).ok_or(IdTokenError::UnexpectedSecret)?;
    if secret.len() < shortest {
        return Err(IdTokenError::ShortSecret);
    }
    Ok(DecodingKey::from_secret(secret))
}

fn claims_by_published(
    token: &str,
    header: &Header,
    keys: &JwkSet,
    expected: &Expected<'_>,
) -> Result<Claims, IdTokenError> {
    let fitting = keys.keys.iter().filter(|key| fits(key, header.kid.as_deref(), header.alg));
    let mut outcome = Err(IdTokenError::UnknownKey);
    for key in fitting.take(MOST_KEYS) {
        outcome = claims_by(token, &DecodingKey::from_jwk(key)?, header.alg, expected);
        let is_of_another = matches!(&outcome, Err(IdTokenError::Invalid(error)) if *error.kind() == ErrorKind::InvalidSignature);
        if !is_of_another {
            break;
        }
    }
    outcome
}

/// Keys are public: a symmetric one among them would be known to everybody.
fn fits(key: &Jwk, id: Option<&str>, algorithm: Algorithm) -> bool {
    use jsonwebtoken::jwk::AlgorithmParameters as Parameters;
    let is_of_kind = match algorithm {
        Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512 => false,
        Algorithm::ES256 | Algorithm::ES384 => matches!(key.algorithm, Parameters::EllipticCurve(_)),
        Algorithm::EdDSA => matches!(key.algorithm, Parameters::OctetKeyPair(_)),
        _ => matches!(key.algorithm, Parameters::RSA(_)),
    };
    let common = &key.common;
    let is_for_it = common.key_algorithm.is_none_or(|named| named == KeyAlgorithm::from(algorithm));
    is_of_kind
        && is_for_it
        && common.public_key_use.as_ref().is_none_or(|usage| *usage == PublicKeyUse::Signature)
        && id.is_none_or(|id| common.key_id.as_deref() == Some(id))
}

fn claims_by(
    token: &str,
    key: &DecodingKey,
    algorithm: Algorithm,
    expected: &Expected<'_>,
) -> Result<Claims, IdTokenError> {
    let mut validation = Validation::new(algorithm);
    validation.set_audience(&[expected.client_id]);
    validation.set_issuer(&[expected.issuer]);
    validation.set_required_spec_claims(&["aud", "iss", "exp"]);
    // Compared by `check_time`, with the clock that is handed in.
    validation.validate_exp = false;
    Ok(decode(token, key, &validation)?.claims)
}

fn check_time(claims: &Claims, now: Timestamp) -> Result<(), IdTokenError> {
    #[expect(clippy::cast_possible_truncation, reason = "whole seconds; some providers send fractions")]
    let seconds = |name| claims.get(name).and_then(Value::as_f64).map(|seconds| seconds as i64);
    let now = now.0.div_euclid(MICROS);
    let expires = seconds("exp").ok_or(IdTokenError::Time)?;
    let begins = seconds("nbf").into_iter().chain(seconds("iat")).max();
    let too_late = now >= expires.saturating_add(LEEWAY_SECONDS);
    let too_early = begins.is_some_and(|begins| now < begins.saturating_sub(LEEWAY_SECONDS));
    if too_late || too_early { Err(IdTokenError::Time) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::{EncodingKey, encode};
    use serde_json::json;

    use super::*;

    const NOW: Timestamp = Timestamp(1_800_000_000 * MICROS);
    const PRIVATE: &str = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIHLEp5BabpEsUEEGTOMfxPKyUm9Uu+QiecLzNblqO/K1\n-----END PRIVATE KEY-----\n";
    const SECRET: &[u8] = b"a-secret-of-the-client-of-32-byte";
    const PUBLIC: &str = "8vBiA04Pe-YxV_kBAXRFyFATh26H6IPI2ezgoEgc_-s";

    fn keys() -> JwkSet {
        let keys = json!({ "keys": [
            { "kty": "OKP", "crv": "Ed25519", "x": PUBLIC, "kid": "one", "use": "sig", "alg": "EdDSA" },
            { "kty": "oct", "k": "c2VjcmV0", "kid": "shared" },
        ]});
        serde_json::from_value(keys).unwrap()
    }

    fn signed(changes: &Value) -> String {
        let mut claims = json!({
            "iss": "https://id", "aud": "bennu", "sub": "7", "nonce": "n", "iat": 1_800_000_000, "exp": 1_800_000_300,
        });
        for (name, value) in changes.as_object().unwrap() {
            claims[name] = value.clone();
        }
        let header = Header { kid: Some("one".to_owned()), ..Header::new(Algorithm::EdDSA) };
        encode(&header, &claims, &EncodingKey::from_ed_pem(PRIVATE.as_bytes()).unwrap()).unwrap()
    }

    fn told(token: &str) -> Result<Claims, IdTokenError> {
        let expected = Expected { issuer: "https://id", client_id: "bennu", nonce: "n", now: NOW };
        let trusted = Trusted { keys: &keys(), secret: Some(SECRET), algorithms: &["EdDSA".to_owned()] };
        verify(token, &trusted, &expected)
    }

    #[test]
    fn a_token_for_this_log_in_is_taken() {
        assert_eq!(told(&signed(&json!({}))).unwrap()["sub"], "7");
        assert!(told(&signed(&json!({ "aud": ["bennu", "other"], "azp": "bennu" }))).is_ok());
        assert!(told(&signed(&json!({ "exp": 1_799_999_950 }))).is_ok(), "clocks differ");
    }

    #[test]
    fn a_token_that_is_wrong_in_anything_is_refused() {
        for changes in [
            json!({ "iss": "https://evil" }),
            json!({ "aud": "other" }),
            json!({ "aud": null }),
            json!({ "aud": ["bennu", "other"] }),
            json!({ "azp": "other" }),
            json!({ "nonce": "other" }),
            json!({ "nonce": null }),
            json!({ "exp": 1_799_999_940 }),
            json!({ "exp": null }),
            json!({ "iat": 1_800_000_061 }),
            json!({ "nbf": 1_800_000_061 }),
        ] {
            assert!(told(&signed(&changes)).is_err(), "{changes}");
        }
    }

    #[test]
    fn a_signature_by_anybody_else_is_refused() {
        let token = signed(&json!({}));
        let (signed_part, signature) = token.rsplit_once('.').unwrap();
        let claims = json!({ "iss": "https://id", "aud": "bennu", "nonce": "n", "exp": 1_800_000_300 });
        let changed = format!("{}.{}", signed_part.replacen('J', "K", 1), signature);
        let with_shared = |id: Option<&str>, secret: &[u8]| {
            let header = Header { kid: id.map(str::to_owned), ..Header::new(Algorithm::HS256) };
            encode(&header, &claims, &EncodingKey::from_secret(secret)).unwrap()
        };
        // `{"alg":"none"}`
        let unsigned = format!("eyJhbGciOiJub25lIn0.{}.", signed_part.split('.').nth(1).unwrap());
        for forged in [
            changed,
            with_shared(Some("shared"), b"secret"),
            with_shared(None, b"secret"),
            with_shared(Some("one"), b"secret"),
            with_shared(Some("one"), PUBLIC.as_bytes()),
            // The provider does not say that it signs so.
            with_shared(None, SECRET),
            unsigned,
        ] {
            assert!(told(&forged).is_err(), "{forged}");
        }
        let expected = Expected { issuer: "https://id", client_id: "bennu", nonce: "n", now: NOW };
        let empty = Trusted { keys: &JwkSet { keys: Vec::new() }, secret: None, algorithms: &[] };
        assert!(matches!(verify(&token, &empty, &expected), Err(IdTokenError::UnknownKey)));
    }

    #[test]
    fn the_secret_of_the_client_signs_where_the_provider_says_so() {
        let claims = json!({ "iss": "https://id", "aud": "bennu", "nonce": "n", "exp": 1_800_000_300 });
        let by = |algorithm, secret: &[u8]| {
            encode(&Header::new(algorithm), &claims, &EncodingKey::from_secret(secret)).unwrap()
        };
        let expected = Expected { issuer: "https://id", client_id: "bennu", nonce: "n", now: NOW };
        let told = |token: &str, secret: Option<&[u8]>| {
            let algorithms = ["RS256".to_owned(), "HS256".to_owned(), "HS512".to_owned()];
            verify(token, &Trusted { keys: &keys(), secret, algorithms: &algorithms }, &expected)
        };
        let token = by(Algorithm::HS256, SECRET);
        assert!(told(&token, Some(SECRET)).is_ok());
        assert!(told(&token, Some(b"another-secret-of-another-client-x")).is_err());
        assert!(matches!(told(&token, None), Err(IdTokenError::UnexpectedSecret)), "a public client");
        let unannounced = by(Algorithm::HS384, &[7; 64]);
        assert!(matches!(told(&unannounced, Some(&[7; 64])), Err(IdTokenError::UnexpectedSecret)));
        // Whoever has a token could guess it.
        for (token, secret) in
            [(by(Algorithm::HS256, b"short"), &b"short"[..]), (by(Algorithm::HS512, SECRET), SECRET)]
        {
            assert!(matches!(told(&token, Some(secret)), Err(IdTokenError::ShortSecret)));
        }
        // With what everybody knows nobody signs.
        assert!(told(&by(Algorithm::HS256, PUBLIC.as_bytes()), Some(SECRET)).is_err());
    }
}
