//! The queues, on real brokers: `make test`, or `with-servers --only rabbitmq cargo test -p bennu-queue`.
#![allow(clippy::unwrap_used, clippy::expect_used)] // clippy knows only functions marked as tests, not their helpers

mod support;

mod broker_in_need;
mod conformance;
mod dead_letters;
mod events;
mod large_bodies;
mod outage;
