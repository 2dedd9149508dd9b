//! Clients that send without pause to a server that may die at any moment.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex};
use std::thread;
use std::time::Duration;

use bennu_loadtests::otlp_client::plain_agent;
use fastrand::Rng;
use ureq::Agent;

use crate::http::{Answer, send};
use crate::ledger::{Fate, Ledger};
use crate::traffic::{SentRequest, Traffic};

/// A server that was killed is back long before.
const BACK_WITHIN: Duration = Duration::from_mins(2);
/// An exporter would wait a second or more; this keeps the pressure up.
const RETRY_AFTER: Duration = Duration::from_millis(50);
/// One acknowledged request in this many is sent again, as by an exporter that missed the answer.
const REPEATED_ONCE_IN: u8 = 6;
/// After a broken connection one request in this many is given up, as by an exporter that ends.
const GIVEN_UP_ONCE_IN: u8 = 4;

/// Where the server is now.
#[derive(Default)]
pub struct Target {
    place: Mutex<Place>,
    moved: Condvar,
}

#[derive(Clone, Default)]
struct Place {
    /// A gateway, which stays when what is behind it goes.
    lasting: bool,
    /// None while the server is down.
    url: Option<String>,
    /// How often it was started.
    start: usize,
}

impl Target {
    /// A gateway that is never restarted.
    pub fn lasting(url: &str) -> Self {
        let place = Place { lasting: true, url: Some(url.to_owned()), start: 1 };
        Self { place: Mutex::new(place), moved: Condvar::new() }
    }

    /// The server was started, here.
    pub fn is_at(&self, url: &str) {
        let mut place = self.place.lock().unwrap();
        *place = Place { url: Some(url.to_owned()), start: place.start + 1, lasting: false };
        self.moved.notify_all();
    }

    /// Its port may soon be another server's.
    pub fn is_down(&self) {
        self.place.lock().unwrap().url = None;
    }

    /// The place of the server, of a later start than `start` and the number of that one. A server that breaks connections
    /// without being killed is found out here.
    fn after(&self, start: usize) -> (String, usize) {
        let place = self.place.lock().unwrap();
        if let Place { lasting: true, url: Some(url), .. } = place.clone() {
            if start > 0 {
                drop(place);
                thread::sleep(RETRY_AFTER);
            }
            return (url, start + 1);
        }
        let waiting = |place: &mut Place| place.start <= start || place.url.is_none();
        let (place, _) = self.moved.wait_timeout_while(place, BACK_WITHIN, waiting).unwrap();
        let Place { url: Some(url), start: now, .. } = place.clone() else {
            panic!("the server is not started again")
        };
        assert!(now > start, "the connection broke, but the server was not started again");
        (url, now)
    }
}

/// What all senders share.
pub struct Senders<'a> {
    pub traffic: &'a Traffic,
    pub target: &'a Target,
    pub ledger: &'a Ledger,
    /// Attempts to send what was acknowledged, or may have been stored, before.
    pub repeated: AtomicUsize,
    next: AtomicUsize,
    stopped: AtomicBool,
}

impl<'a> Senders<'a> {
    pub fn new(traffic: &'a Traffic, target: &'a Target, ledger: &'a Ledger) -> Self {
        Self {
            traffic,
            target,
            ledger,
            next: AtomicUsize::new(0),
            stopped: AtomicBool::new(false),
            repeated: AtomicUsize::new(0),
        }
    }

    /// Sends from `count` threads while `meanwhile` runs; then each finishes its request.
    pub fn run_during<T>(&self, count: u64, meanwhile: impl FnOnce() -> T) -> T {
        thread::scope(|scope| {
            // Also when `meanwhile` fails: the scope waits for the threads.
            let _stop = StopOnDrop(&self.stopped);
            for seed in 0..count {
                scope.spawn(move || self.send_until_stopped(Rng::with_seed(seed)));
            }
            meanwhile()
        })
    }

    fn send_until_stopped(&self, mut rng: Rng) {
        let agent = plain_agent();
        while !self.stopped.load(Ordering::Relaxed) {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            let request = self.traffic.request(number);
            let fate = self.deliver(&agent, &request, &mut rng);
            if fate == Fate::Acknowledged && rng.u8(..REPEATED_ONCE_IN) == 0 {
                self.repeated.fetch_add(1, Ordering::Relaxed);
                self.deliver(&agent, &request, &mut rng);
            }
            self.ledger.record(number, request, fate);
        }
    }

    /// Sends until the server answers, over all its restarts.
    fn deliver(&self, agent: &Agent, request: &SentRequest, rng: &mut Rng) -> Fate {
        let (mut url, mut start) = self.target.after(0);
        loop {
            match send(agent, &url, &request.body) {
                Ok(Answer { status: 200, body, .. }) if body.is_empty() => return Fate::Acknowledged,
                // 503: it is on its way out.
                Ok(answer) => assert_eq!(answer.status, 503, "{}", answer.text()),
                Err(_) if rng.u8(..GIVEN_UP_ONCE_IN) == 0 => return Fate::Unknown,
                Err(_) => {}
            }
            (url, start) = self.target.after(start);
            self.repeated.fetch_add(1, Ordering::Relaxed);
        }
    }
}

struct StopOnDrop<'a>(&'a AtomicBool);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
