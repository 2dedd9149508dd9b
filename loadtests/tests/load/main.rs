//! The load generator's client and reader against servers inside the test.
#![expect(
    clippy::unwrap_used,
    reason = "all of it is test code; the lint's exception covers only test functions"
)]

mod send_loop;
mod tiny_server;
mod visibility;
