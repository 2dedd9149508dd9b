//! Passwords: argon2id, computed away from the threads that serve others, a few at a time.

use std::sync::Arc;

use argon2::password_hash::phc::PasswordHash as PhcHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use argon2::{Algorithm, Argon2, Params, Version};
use tokio::sync::Semaphore;

/// More than any password manager makes; a longer one would only cost the server.
const LONGEST: usize = 1_024;

/// A password as it is stored, in PHC string format. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(String);

/// What a guess costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PasswordCost {
    pub memory_kib: u32,
    pub passes: u32,
    /// Computations at once. The others wait: many log-ins together must not take the processors from everything else.
    pub at_once: usize,
}

/// Which passwords are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PasswordPolicy {
    /// At least four characters.
    Basic,
    /// At least twelve, with a digit, a lower-case and an upper-case letter, and one of `!@#$%^&*()_+`.
    Strong,
}

/// What a password lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct WeakPassword(&'static str);

/// Computes and compares hashes. Cheap to clone.
#[derive(Clone)]
pub struct PasswordHasher {
    argon2: Argon2<'static>,
    places: Arc<Semaphore>,
    /// Of no password: unknown accounts cost as much time as known ones.
    nobody: PasswordHash,
}

/// A hash could not be computed.
#[derive(Debug, thiserror::Error)]
#[error("a password could not be hashed: {0}")]
pub struct HashError(String);

impl PasswordHash {
    pub fn from_stored(text: String) -> Self {
        Self(text)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PasswordHash(…)")
    }
}

impl PasswordPolicy {
    pub fn check(self, password: &str) -> Result<(), WeakPassword> {
        if password.len() > LONGEST {
            return Err(WeakPassword("must have at most 1024 characters"));
        }
        if !password.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(WeakPassword("must be ASCII without blanks"));
        }
        let has = |what: fn(&u8) -> bool| password.bytes().any(|byte| what(&byte));
        match self {
            Self::Basic if password.len() < 4 => Err(WeakPassword("must have at least 4 characters")),
            Self::Strong
                if password.len() < 12
                    || !has(u8::is_ascii_digit)
                    || !has(u8::is_ascii_lowercase)
                    || !has(u8::is_ascii_uppercase)
                    || !has(|byte| b"!@#$%^&*()_+".contains(byte)) =>
            {
                Err(WeakPassword(
                    "must have at least 12 characters, with a digit, a lower-case and an upper-case letter and one of !@#$%^&*()_+",
                ))
            }
            Self::Basic | Self::Strong => Ok(()),
        }
    }
}

impl PasswordHasher {
    pub fn new(cost: PasswordCost) -> Result<Self, HashError> {
        let params = Params::new(cost.memory_kib, cost.passes, 1, None)
            .map_err(|error| HashError(error.to_string()))?;
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let nobody = hash(&argon2, "nobody")?;
        Ok(Self { argon2, places: Arc::new(Semaphore::new(cost.at_once.max(1))), nobody })
    }

    pub async fn hash(&self, password: String) -> Result<PasswordHash, HashError> {
        let argon2 = self.argon2.clone();
        self.aside(move || hash(&argon2, &password)).await?
    }

    /// Whether it is the password; without a stored one it takes as long, and is not.
    pub async fn verify(&self, password: String, stored: Option<PasswordHash>) -> Result<bool, HashError> {
        let (argon2, known) = (self.argon2.clone(), stored.is_some());
        let stored = stored.unwrap_or_else(|| self.nobody.clone());
        let fits = move || {
            let stored = PhcHash::new(stored.as_str()).map_err(|error| HashError(error.to_string()))?;
            // An absurdly long text is no password, and hashing it would only cost.
            Ok(password.len() <= LONGEST && argon2.verify_password(password.as_bytes(), &stored).is_ok())
        };
        Ok(self.aside(fits).await?? && known)
    }

    async fn aside<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, HashError> {
        let _place = self.places.acquire().await.map_err(|error| HashError(error.to_string()))?;
        tokio::task::spawn_blocking(work).await.map_err(|error| HashError(error.to_string()))
    }
}

fn hash(argon2: &Argon2<'_>, password: &str) -> Result<PasswordHash, HashError> {
    let hash: PhcHash =
        argon2.hash_password(password.as_bytes()).map_err(|error| HashError(error.to_string()))?;
    Ok(PasswordHash(hash.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hasher() -> PasswordHasher {
        PasswordHasher::new(PasswordCost { memory_kib: 64, passes: 1, at_once: 1 }).unwrap()
    }

    #[tokio::test]
    async fn a_password_fits_its_own_hash_only() {
        let hasher = hasher();
        let stored = hasher.hash("correct".to_owned()).await.unwrap();
        assert!(stored.as_str().starts_with("$argon2id$v=19$m=64,t=1,p=1$"));
        assert!(hasher.verify("correct".to_owned(), Some(stored.clone())).await.unwrap());
        assert!(!hasher.verify("Correct".to_owned(), Some(stored)).await.unwrap());
        assert!(!hasher.verify("nobody".to_owned(), None).await.unwrap());
    }

    #[tokio::test]
    async fn hashes_of_other_costs_stay_valid() {
        let stored = hasher().hash("correct".to_owned()).await.unwrap();
        let dearer = PasswordHasher::new(PasswordCost { memory_kib: 128, passes: 2, at_once: 1 }).unwrap();
        assert!(dearer.verify("correct".to_owned(), Some(stored)).await.unwrap());
    }

    #[test]
    fn policies_say_what_a_password_lacks() {
        let basic = |text: &str| PasswordPolicy::Basic.check(text).map_err(|error| error.to_string());
        assert_eq!(basic("abcd"), Ok(()));
        assert_eq!(basic("abc"), Err("must have at least 4 characters".to_owned()));
        assert_eq!(basic("ab cd"), Err("must be ASCII without blanks".to_owned()));
        assert!(basic(&"a".repeat(1_025)).is_err());
        assert!(PasswordPolicy::Strong.check("Abcdefghij1!").is_ok());
        for weak in ["Abcdefgh1!", "abcdefghij1!", "ABCDEFGHIJ1!", "Abcdefghijk!", "Abcdefghij12"] {
            assert!(PasswordPolicy::Strong.check(weak).is_err(), "{weak}");
        }
    }
}
