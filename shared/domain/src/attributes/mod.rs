//! Attributes of spans and events: from OTLP key-values to the nested form the REST API works with, and back.
//!
//! On the way in, [`shape`] does all of it for a span; [`unflatten`] is the nesting alone. On the way out,
//! [`flatten`] gives dotted keys and [`otlp_attributes`] the REST rendering of an OTLP attribute list.

mod any_value;
mod conventions;
mod flatten;
mod key_path;
mod otlp_value;
#[cfg(test)]
mod properties;
mod shape;
mod text;
mod token_count;
mod unflatten;

use serde_json::{Map, Value};

pub use any_value::{flat_values, to_json};
pub use conventions::conventional;
pub use flatten::{Flat, flatten};
pub use key_path::MAX_SEGMENTS;
pub use otlp_value::{otlp_attributes, otlp_value};
pub use shape::{shape, shape_json_span};
pub use unflatten::unflatten;

pub(crate) use text::json_text;
pub use text::plain_text;
pub(crate) use token_count::whole_number;

/// Nested attributes, as the REST API understands them.
pub type Attributes = Map<String, Value>;
