//! The id that ties an answer to its log lines.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use actix_web::http::header::HeaderMap;

/// The header that carries the id, both ways.
pub(super) const REQUEST_ID: &str = "x-request-id";

/// Longer ids of clients are replaced; 128 has room for two UUIDs and some punctuation.
const LONGEST: usize = 128;

/// The id of the request in hand, kept in its extensions.
#[derive(Clone, Debug)]
pub(super) struct RequestId(pub(super) String);

/// Makes ids that no two requests of a deployment share: a random word per process, and a count.
#[derive(Clone)]
pub(super) struct RequestIds {
    process: u64,
    count: Arc<AtomicU64>,
}

impl RequestIds {
    pub(super) fn new() -> Self {
        // The standard library seeds each `RandomState` from the system's randomness.
        Self { process: RandomState::new().hash_one(std::process::id()), count: Arc::default() }
    }

    /// The client's id if it is harmless in logs and headers, else a new one.
    pub(super) fn of(&self, headers: &HeaderMap) -> RequestId {
        let given = headers.get(REQUEST_ID).and_then(|value| value.to_str().ok()).filter(|id| is_sane(id));
        RequestId(given.map_or_else(|| self.next(), str::to_owned))
    }

    fn next(&self) -> String {
        format!("{:016x}-{:x}", self.process, self.count.fetch_add(1, Ordering::Relaxed))
    }
}

fn is_sane(id: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.:/+=@".contains(&b);
    !id.is_empty() && id.len() <= LONGEST && id.bytes().all(plain)
}
