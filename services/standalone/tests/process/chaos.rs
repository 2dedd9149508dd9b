//! Every part of the distributed shape is killed and started again under load: what was acknowledged is there, once, and
//! adds up.

use std::io::Write as _;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bennu_testkit::servers::{Server, Stack, rabbitmq};

use crate::bennu::whole_machine;
use crate::distributed::{programs, publish_poison, until};
use crate::http::get;
use crate::ledger::{Fate, Ledger};
use crate::rows::Rows;
use crate::senders::{Senders, Target};
use crate::stored::Stored;
use crate::traffic::Traffic;

const PROJECT: &str = "chaos";
const SENDERS: u64 = 4;
/// Requests acknowledged between one fault and the next.
const REQUESTS_BETWEEN: usize = 15;
/// A broker or a database that starts again takes seconds.
const BACK_WITHIN: Duration = Duration::from_mins(1);
/// A stall that heartbeats and health checks notice, and one that is over soon.
const FROZEN: Duration = Duration::from_secs(3);

/// Something that happens to one part.
struct Fault {
    what: &'static str,
    part: fn(&mut Stack) -> &mut Server,
    harm: fn(&mut Server),
}

fn kill(server: &mut Server) {
    server.kill();
    server.start_again().unwrap();
}

fn stop(server: &mut Server) {
    server.stop();
    server.start_again().unwrap();
}

fn freeze(server: &mut Server) {
    server.freeze();
    std::thread::sleep(FROZEN);
    server.thaw();
}

/// Its alarm: it takes nothing more until there is room again.
fn fill_disk(broker: &mut Server) {
    rabbitmq::control(broker, &["set_disk_free_limit", "1000000GB"]);
    std::thread::sleep(FROZEN);
    rabbitmq::control(broker, &["set_disk_free_limit", "1MB"]);
}

fn poison(broker: &mut Server) {
    publish_poison(&broker.variables[0].1);
}

const FAULTS: [Fault; 15] = [
    Fault { what: "kill -9 of the receiver", part: |stack| &mut stack.receiver, harm: kill },
    Fault { what: "kill -9 of the writer", part: |stack| &mut stack.writer, harm: kill },
    Fault { what: "kill -9 of query", part: |stack| &mut stack.query, harm: kill },
    Fault { what: "kill -9 of RabbitMQ", part: |stack| &mut stack.rabbitmq, harm: kill },
    Fault { what: "stop and start of RabbitMQ", part: |stack| &mut stack.rabbitmq, harm: stop },
    Fault { what: "the disk of RabbitMQ is full", part: |stack| &mut stack.rabbitmq, harm: fill_disk },
    Fault { what: "a message that cannot be read", part: |stack| &mut stack.rabbitmq, harm: poison },
    Fault { what: "kill -9 of Postgres", part: |stack| &mut stack.postgres, harm: kill },
    Fault { what: "stop and start of Postgres", part: |stack| &mut stack.postgres, harm: stop },
    Fault { what: "Postgres stands still", part: |stack| &mut stack.postgres, harm: freeze },
    Fault { what: "stop and start of Redis", part: |stack| &mut stack.redis, harm: stop },
    Fault { what: "kill -9 of the S3 server", part: |stack| &mut stack.s3, harm: kill },
    Fault { what: "stop and start of the S3 server", part: |stack| &mut stack.s3, harm: stop },
    Fault { what: "the S3 server stands still", part: |stack| &mut stack.s3, harm: freeze },
    Fault { what: "SIGTERM to the writer", part: |stack| &mut stack.writer, harm: stop },
];

/// Requests, which have about 70 KB, travel through the object store, and so do some of the blocks. Traces come in two halves:
/// the compactor is at them as soon as they are there.
const SETTINGS: [(&str, &str); 4] = [
    ("BENNU_BROKER_LARGE_BYTES", "32KiB"),
    ("BENNU_LARGE_BLOCK_BYTES", "4KiB"),
    ("BENNU_COMPACT_IDLE_SECONDS", "0"),
    ("BENNU_COMPACT_TRACES_PER_SECOND", "20"),
];

#[test]
fn nothing_acknowledged_is_lost_whatever_is_killed() {
    let _alone = whole_machine();
    let mut stack = Stack::start(&programs(), &SETTINGS).unwrap();
    let (traffic, target, ledger) =
        (Traffic::new(21, PROJECT), Target::lasting(&stack.url), Ledger::default());
    let senders = Senders::new(&traffic, &target, &ledger);
    senders.run_during(SENDERS, || {
        for Fault { what, part, harm } in FAULTS {
            ledger.wait_for_acknowledged(ledger.acknowledged() + REQUESTS_BETWEEN);
            let begin = Instant::now();
            harm(part(&mut stack));
            ledger.wait_for_acknowledged(ledger.acknowledged() + REQUESTS_BETWEEN);
            // Past the test harness, which shows nothing of tests that pass.
            writeln!(std::io::stderr(), "{what}: spans are taken {:?} after it began", begin.elapsed())
                .unwrap();
        }
    });
    let repeated = senders.repeated.load(Ordering::Relaxed);
    let entries = ledger.into_entries();
    let acknowledged: usize =
        entries.iter().filter(|entry| entry.fate == Fate::Acknowledged).map(|entry| entry.spans.len()).sum();

    let rows = Rows::open(&stack.database);
    let count = || usize::try_from(rows.count("SELECT count(*) FROM spans")).unwrap();
    until("what was acknowledged is stored", BACK_WITHIN, || count() >= acknowledged);
    until("the services are ready", BACK_WITHIN, || get(&format!("{}/readyz", stack.url)).status == 200);
    let stored = Stored::read(&stack.url, PROJECT);
    writeln!(
        std::io::stderr(),
        "{} faults, {acknowledged} spans acknowledged, {} stored, {} duplicates; {repeated} requests repeated",
        FAULTS.len(),
        stored.spans.len(),
        stored.duplicates,
    )
    .unwrap();
    stored.assert_agrees_with(&entries);
    stored.assert_roll_ups_agree();
    rows.assert_consistent();
    let (merged, objects) = (
        rows.count("SELECT count(*) FROM trace_blocks WHERE span_count = 6"),
        rows.count("SELECT count(*) FROM trace_blocks WHERE object_key IS NOT NULL"),
    );
    assert!(merged > 0 && objects > 0, "{merged} traces are in one block, {objects} blocks are objects");
}
