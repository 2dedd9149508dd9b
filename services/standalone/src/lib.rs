//! All services of Bennu in one process, on an embedded database: the shape to try it with, and for one machine.

pub mod api_document;
pub mod audit;
pub mod serve;
