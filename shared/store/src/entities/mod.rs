//! Rows as sea-orm sees them; the schema itself is in the crate `migrations`.

pub mod annotation;
pub mod annotation_config;
pub mod api_key;
pub mod auth_session;
pub mod invitation;
pub mod membership;
pub mod model_price;
pub mod oauth_client;
pub mod oauth_code;
pub mod project;
pub mod project_annotation_config;
pub mod session;
pub mod span;
pub mod tenant;
pub mod text_filter;
pub mod trace;
pub mod trace_block;
pub mod user;
