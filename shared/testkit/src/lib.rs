//! What tests need and products do not: throw-away servers and databases, OTLP requests, a clock that tests move.
//!
//! Everything is handed out as plain URLs, paths and bytes, so that every crate of the workspace can be tested with it.
//! A misuse panics, because the test that did it is to fail.

#![allow(clippy::expect_used, clippy::missing_panics_doc)] // see above

pub mod clock;
pub mod databases;
mod gzip;
pub mod otlp;
pub mod servers;

pub use gzip::gzip;
