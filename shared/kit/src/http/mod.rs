//! HTTP as every service speaks it: errors, parameters, bodies, and what surrounds the routes.

mod access;
mod app;
mod authorized;
mod bodies;
mod data_items;
mod date_time;
mod error;
mod field_error;
mod health;
mod json_body;
mod json_list;
mod json_mistake;
mod json_reader;
mod lax;
mod listener;
mod observe;
mod outermost;
mod path;
mod query_string;
mod query_values;
mod request_id;

pub(crate) use access::host_of;
pub use access::{ACCESS_COOKIE, Access, ChosenTenant, bearer_token};
pub use app::{Frame, app, serve};
pub use authorized::Authorized;
pub use bodies::{DataBody, PageBody};
pub use data_items::DataItems;
pub use date_time::{parse_date_time, parse_zoned_date_time};
pub use error::ApiError;
pub use field_error::{FieldError, Loc};
pub use health::IMITATED_VERSION;
pub use json_body::{JsonBody, has_json_type};
pub use json_list::JsonList;
pub use lax::{LaxInteger, LaxNumber};
pub use listener::{BindError, bind};
pub use query_string::QueryString;
