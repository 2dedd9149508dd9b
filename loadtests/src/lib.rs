//! Load generator and side-by-side benchmark for OTLP trace stores that speak the Phoenix REST API.
//!
//! The generator, the client and the server process are also meant for integration tests: every generated
//! request knows the ids of its spans, and the client reports exactly which requests were acknowledged.

pub mod access_load;
pub mod agent_trace;
pub mod annotation_load;
pub mod authenticated_server;
pub mod body_files;
pub mod bulk_statements;
pub mod disk_usage;
pub mod export;
pub mod fill_curve;
pub mod filling;
pub mod load_phases;
pub mod measure;
pub mod neighbour_load;
pub mod otlp_client;
pub mod page_reads;
pub mod process_usage;
pub mod prose;
pub mod query_reads;
pub mod raw_copy;
pub mod report;
pub mod scenario;
pub mod server_process;
pub mod span_reader;
pub mod stack_load;
pub mod stack_report;
pub mod trace_generator;
pub mod visibility;
