//! What was sent, and what the server said to it.

use std::collections::HashMap;
use std::sync::{Condvar, Mutex};
use std::time::Duration;

use crate::traffic::SentRequest;

/// A working server acknowledges within milliseconds.
const ACKNOWLEDGED_WITHIN: Duration = Duration::from_secs(30);

/// What a sender knows of a request when it is done with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Acknowledged,
    /// Sent, but the answer never came: stored or not, as a whole.
    Unknown,
}

#[derive(Default)]
pub struct Ledger {
    requests: Mutex<HashMap<usize, Entry>>,
    grew: Condvar,
}

/// A request under its number.
pub struct Entry {
    pub fate: Fate,
    /// Trace id and span id of each span.
    pub spans: Vec<(String, String)>,
}

impl Ledger {
    pub fn record(&self, number: usize, request: SentRequest, fate: Fate) {
        self.requests.lock().unwrap().insert(number, Entry { fate, spans: request.spans });
        self.grew.notify_all();
    }

    /// Requests acknowledged so far.
    pub fn acknowledged(&self) -> usize {
        count_acknowledged(&self.requests.lock().unwrap())
    }

    /// Waits until that many requests are acknowledged.
    pub fn wait_for_acknowledged(&self, count: usize) {
        let requests = self.requests.lock().unwrap();
        let missing = |requests: &mut HashMap<usize, Entry>| count_acknowledged(requests) < count;
        let (requests, waited) =
            self.grew.wait_timeout_while(requests, ACKNOWLEDGED_WITHIN, missing).unwrap();
        assert!(!waited.timed_out(), "{} of {count} requests acknowledged", count_acknowledged(&requests));
    }

    /// Everything, once the senders are done.
    pub fn into_entries(self) -> Vec<Entry> {
        self.requests.into_inner().unwrap().into_values().collect()
    }
}

fn count_acknowledged(requests: &HashMap<usize, Entry>) -> usize {
    requests.values().filter(|entry| entry.fate == Fate::Acknowledged).count()
}
