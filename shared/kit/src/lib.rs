//! What every Bennu service needs around its own work: configuration, telemetry, life cycle, actor supervision, HTTP plumbing.
//!
//! The crate knows nothing of spans or stores; services hand it their routes and actors.

pub mod actor;
pub mod config;
pub mod http;
pub mod lifecycle;
pub mod telemetry;
