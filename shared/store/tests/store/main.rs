//! The behaviour of the store, on SQLite and on Postgres.
//!
//! `make test`, or `cargo run -p bennu-testkit --bin with-servers -- cargo test -p bennu-store`.

#![allow(clippy::unwrap_used, clippy::expect_used)] // clippy knows only functions marked as tests, not their helpers

mod support;

mod accounts;
mod annotation_configs;
mod annotation_deletes;
mod annotation_summaries;
mod annotations;
mod audit;
mod compaction;
mod compaction_at_once;
mod condition_narrowing;
mod costs;
mod delete_span;
mod deletion;
mod errors;
mod facets;
mod foreign_rows;
mod forgetting;
mod identities;
mod large_blocks;
mod log_length;
mod lossless;
mod narrowing;
mod oauth;
mod order_of_arrival;
mod owners;
mod plans;
mod projects;
mod reopening;
mod repetition;
mod replica;
mod roll_ups;
mod running_spans;
mod session_pages;
mod slow_database;
mod span_filters;
mod span_ids;
mod span_pages;
mod tenant_life;
mod tenants;
mod text_ids;
mod text_search;
mod timing;
mod trace_pages;
mod transfer;
mod two_writers;
