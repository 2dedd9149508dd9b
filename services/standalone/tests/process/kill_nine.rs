//! `kill -9` under load: what was acknowledged is there, once, and adds up.

use std::io::Write as _;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use bennu_testkit::databases;
use fastrand::Rng;

use crate::bennu::{Bennu, whole_machine};
use crate::ledger::{Fate, Ledger};
use crate::rows::Rows;
use crate::senders::{Senders, Target};
use crate::stored::Stored;
use crate::traffic::Traffic;

const PROJECT: &str = "kill-nine";
const SENDERS: u64 = 6;
/// Requests acknowledged in the life of a server before it may be killed: some die young.
const REQUESTS_OF_A_LIFE: std::ops::Range<usize> = 1..40;
/// Longer than a commit takes, so that the moment falls anywhere in one.
const LONGEST_AIM: Duration = Duration::from_millis(60);
/// One start in this many is killed as well, while it opens what the last kill left behind.
const KILLED_STARTING_ONCE_IN: u8 = 4;

#[test]
fn acknowledged_spans_survive_kills_on_sqlite() {
    let directory = tempfile::tempdir().unwrap();
    let rows = format!("sqlite://{}", directory.path().join("bennu.db").display());
    survive(20, directory.path(), &[], &rows);
}

#[test]
fn acknowledged_spans_survive_kills_on_postgres() {
    let directory = tempfile::tempdir().unwrap();
    let database = tokio::runtime::Runtime::new().unwrap().block_on(databases::postgres());
    survive(5, directory.path(), &[("BENNU_DATABASE_URL", &database)], &database);
}

fn survive(kills: usize, directory: &Path, settings: &[(&str, &str)], database: &str) {
    let _alone = whole_machine();
    let (traffic, target, ledger) = (Traffic::new(9, PROJECT), Target::default(), Ledger::default());
    let senders = Senders::new(&traffic, &target, &ledger);
    let bennu = senders.run_during(SENDERS, || kill_repeatedly(kills, directory, settings, &target, &ledger));
    let repeated = senders.repeated.load(Ordering::Relaxed);

    let stored = Stored::read(&bennu.url, PROJECT);
    let entries = ledger.into_entries();
    let acknowledged = entries.iter().filter(|entry| entry.fate == Fate::Acknowledged);
    let acknowledged: usize = acknowledged.map(|entry| entry.spans.len()).sum();
    // Past the test harness, which shows nothing of tests that pass.
    let mut terminal = std::io::stderr();
    writeln!(
        terminal,
        "kill -9: {kills} kills, {acknowledged} spans acknowledged, {} stored, {} duplicates; {repeated} requests repeated",
        stored.spans.len(),
        stored.duplicates,
    )
    .unwrap();
    assert!(repeated > 0, "no request was ever repeated: duplicates were not put to the test");
    stored.assert_agrees_with(&entries);
    stored.assert_roll_ups_agree();
    bennu.stop();
    Rows::open(database).assert_consistent();
}

/// Answers the server that is left.
fn kill_repeatedly(
    kills: usize,
    directory: &Path,
    settings: &[(&str, &str)],
    target: &Target,
    ledger: &Ledger,
) -> Bennu {
    let mut rng = Rng::with_seed(u64::try_from(kills).unwrap());
    let mut aim = || thread::sleep(LONGEST_AIM.mul_f64(rng.f64()));
    let mut moments = Rng::with_seed(9);
    for _ in 0..kills {
        let bennu = Bennu::start(directory, settings);
        target.is_at(&bennu.url);
        ledger.wait_for_acknowledged(ledger.acknowledged() + moments.usize(REQUESTS_OF_A_LIFE));
        aim();
        bennu.kill();
        target.is_down();
        if moments.u8(..KILLED_STARTING_ONCE_IN) == 0 {
            let starting = Bennu::spawn(directory, settings);
            aim();
            drop(starting);
        }
    }
    let bennu = Bennu::start(directory, settings);
    target.is_at(&bennu.url);
    bennu
}
