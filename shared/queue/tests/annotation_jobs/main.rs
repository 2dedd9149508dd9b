//! The queues of annotations behave alike: `make test`, or `with-servers --only postgres,redis cargo test -p bennu-queue`.
#![allow(clippy::unwrap_used, clippy::expect_used)] // clippy knows only functions marked as tests, not their helpers

mod at_hand;
mod conformance;
mod redis;
mod support;
