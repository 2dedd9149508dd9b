//! Whether the process can serve, and what is missing if it cannot.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A register of named checks; ready when none of them misses anything. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Readiness {
    /// Reason by name; none when the check is fulfilled.
    checks: Arc<Mutex<BTreeMap<&'static str, Option<String>>>>,
}

/// One check, for its owner to report on.
#[derive(Clone, Debug)]
pub struct Check {
    name: &'static str,
    readiness: Readiness,
}

/// A check that is not fulfilled.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Missing {
    pub name: &'static str,
    pub reason: String,
}

impl Readiness {
    pub fn new() -> Self {
        Self::default()
    }

    /// A check that counts as missing until its owner calls [`Check::ready`].
    pub fn check(&self, name: &'static str) -> Check {
        let check = Check { name, readiness: self.clone() };
        check.missing("starting");
        check
    }

    /// The checks that are not fulfilled, by name; empty when the process can serve.
    pub fn missing(&self) -> Vec<Missing> {
        let missing = |(name, reason): (&&'static str, &Option<String>)| {
            reason.clone().map(|reason| Missing { name, reason })
        };
        self.lock().iter().filter_map(missing).collect()
    }

    /// A map of plain values is whole even if a holder of the lock panicked.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<&'static str, Option<String>>> {
        self.checks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Check {
    pub fn ready(&self) {
        self.readiness.lock().insert(self.name, None);
    }

    /// `reason` is shown by `/readyz`: no secrets.
    pub fn missing(&self, reason: impl Into<String>) {
        self.readiness.lock().insert(self.name, Some(reason.into()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_is_when_nothing_is_missing() {
        let readiness = Readiness::new();
        let (database, writer) = (readiness.check("database"), readiness.check("writer"));
        database.ready();
        let starting = Missing { name: "writer", reason: "starting".to_owned() };
        assert_eq!(readiness.missing(), [starting]);
        writer.ready();
        assert_eq!(readiness.missing(), []);
        database.missing("connection refused");
        assert_eq!(readiness.missing()[0].reason, "connection refused");
    }
}
