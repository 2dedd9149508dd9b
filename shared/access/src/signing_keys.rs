//! The keys that sign tokens. The first signs; all of them verify, so that keys can be changed without logging people out.

use bennu_domain::ids::encode_hex;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header};
use sha2::{Digest as _, Sha256};

use crate::secret::DeploymentSecret;

const PURPOSE: &[u8] = b"bennu tokens v1";

/// A key with the name (`kid`) by which tokens refer to it.
#[derive(Clone)]
struct VerifyingKey {
    id: String,
    algorithm: Algorithm,
    key: DecodingKey,
}

/// Signs with one key and verifies with several.
#[derive(Clone)]
pub struct SigningKeys {
    header: Header,
    signing: EncodingKey,
    verifying: Vec<VerifyingKey>,
}

/// A key cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("an Ed25519 key in PEM (openssl genpkey -algorithm ed25519): {0}")]
pub struct SigningKeyError(#[from] jsonwebtoken::errors::Error);

impl SigningKeys {
    /// HS256 with a key derived from the secret; tokens of earlier secrets stay valid.
    pub fn symmetric(secret: &DeploymentSecret, earlier: &[DeploymentSecret]) -> Self {
        let verifying: Vec<VerifyingKey> = [secret]
            .into_iter()
            .chain(earlier)
            .map(|secret| {
                let key = secret.derived_key(PURPOSE);
                VerifyingKey {
                    id: id_of(&key),
                    algorithm: Algorithm::HS256,
                    key: DecodingKey::from_secret(&key),
                }
            })
            .collect();
        let key = secret.derived_key(PURPOSE);
        let header = Header { kid: Some(id_of(&key)), ..Header::new(Algorithm::HS256) };
        Self { header, signing: EncodingKey::from_secret(&key), verifying }
    }

    /// From now on signs with this Ed25519 key (PKCS#8 in PEM; the public part beside it); tokens of the earlier keys stay valid.
    pub fn signing_with(mut self, private_pem: &str, public_pem: &str) -> Result<Self, SigningKeyError> {
        self = self.accepting(public_pem)?;
        self.signing = EncodingKey::from_ed_pem(private_pem.as_bytes())?;
        self.header =
            Header { kid: Some(id_of(public_pem.trim().as_bytes())), ..Header::new(Algorithm::EdDSA) };
        Ok(self)
    }

    /// Accepts tokens that were signed with the private part of this key, too.
    pub fn accepting(mut self, public_pem: &str) -> Result<Self, SigningKeyError> {
        let (id, key) =
            (id_of(public_pem.trim().as_bytes()), DecodingKey::from_ed_pem(public_pem.as_bytes())?);
        self.verifying.push(VerifyingKey { id, algorithm: Algorithm::EdDSA, key });
        Ok(self)
    }

    pub(crate) fn signing(&self) -> (&Header, &EncodingKey) {
        (&self.header, &self.signing)
    }

    /// The key of this name, with the one algorithm that it is for: a token does not choose how it is verified.
    pub(crate) fn verifying(&self, id: &str) -> Option<(Algorithm, &DecodingKey)> {
        self.verifying.iter().find(|key| key.id == id).map(|key| (key.algorithm, &key.key))
    }
}

/// The first 8 bytes of the hash of a key tell keys apart and nothing else.
fn id_of(key: &[u8]) -> String {
    encode_hex(&Sha256::digest(key)[..8])
}
