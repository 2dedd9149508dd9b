//! SIGTERM: ends in time, and takes nothing back.

use std::io::Write as _;
use std::net::TcpStream;
use std::time::Duration;

use crate::bennu::{Bennu, whole_machine};
use crate::grpc;
use crate::ledger::Ledger;
use crate::rows::Rows;
use crate::senders::{Senders, Target};
use crate::stored::Stored;
use crate::traffic::Traffic;

const PROJECT: &str = "shutdown";
/// What orchestrators are told.
const PROMISE: Duration = Duration::from_secs(5);
/// More than one batch, so that the server is in the middle of something.
const REQUESTS_BEFORE: usize = 60;

#[test]
fn sigterm_under_load_keeps_what_was_acknowledged() {
    let _alone = whole_machine();
    let directory = tempfile::tempdir().unwrap();
    let (traffic, target, ledger) = (Traffic::new(15, PROJECT), Target::default(), Ledger::default());
    let bennu = Senders::new(&traffic, &target, &ledger).run_during(6, || {
        let bennu = Bennu::start(directory.path(), &[]);
        target.is_at(&bennu.url);
        ledger.wait_for_acknowledged(REQUESTS_BEFORE);
        let (status, took) = bennu.terminate();
        target.is_down();
        assert_eq!(status.code(), Some(0));
        assert!(took < PROMISE, "{took:?}");
        let bennu = Bennu::start(directory.path(), &[]);
        target.is_at(&bennu.url);
        bennu
    });
    let stored = Stored::read(&bennu.url, PROJECT);
    stored.assert_agrees_with(&ledger.into_entries());
    stored.assert_roll_ups_agree();
    bennu.stop();
    Rows::open(&format!("sqlite://{}", directory.path().join("bennu.db").display())).assert_consistent();
}

#[test]
fn clients_that_stall_do_not_hold_it_up() {
    let directory = tempfile::tempdir().unwrap();
    let bennu = Bennu::start(directory.path(), &[]);
    let mut stalled = TcpStream::connect(bennu.url.strip_prefix("http://").unwrap()).unwrap();
    let head = "POST /v1/traces HTTP/1.1\r\nhost: bennu\r\ncontent-type: application/x-protobuf\r\n";
    write!(stalled, "{head}content-length: 1000\r\n\r\nthe rest never comes").unwrap();
    let _stalled_grpc = grpc::StalledExport::begin(bennu.grpc_port);
    let (status, took) = bennu.terminate();
    assert_eq!(status.code(), Some(0));
    assert!(took < PROMISE, "{took:?}");
}
