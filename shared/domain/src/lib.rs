//! Pure types and rules of a trace store; no input or output happens here.

pub mod account;
pub mod annotation;
pub mod annotation_config;
pub mod annotation_job;
pub mod attributes;
pub mod audit;
pub mod cost;
pub mod facets;
pub mod filter;
pub mod gen_ai;
pub mod global_id;
pub mod ids;
pub mod json_span;
pub mod kind;
pub mod limits;
pub mod otlp;
mod own_attributes;
pub mod page;
pub mod project;
pub mod span;
pub mod span_filter;
pub mod span_tree;
pub mod span_version;
pub mod text_ids;
pub mod time;
