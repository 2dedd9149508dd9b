//! The process as its operators and clients meet it: the real program on free loopback ports.
#![expect(
    clippy::unwrap_used,
    reason = "all of it is test code; the lint's exception covers only test functions"
)]

mod bennu;
mod grpc;
mod http;
mod ledger;
mod rows;
mod senders;
mod stored;
mod traffic;

mod annotation_worker;
mod audit;
mod authenticated;
mod chaos;
mod distributed;
mod documents;
mod drop_in;
mod kill_nine;
mod log_ins;
mod open_api;
mod overload;
mod probes;
mod root_path;
mod shutdown;
mod slow_database;
