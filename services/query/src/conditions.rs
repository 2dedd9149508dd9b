//! `filter=` of lists.

use bennu_domain::filter::{Condition, Flavour};
use bennu_kit::http::ApiError;

/// Reads the condition; blank text asks nothing.
pub fn read_condition(flavour: Flavour, text: Option<String>) -> Result<Option<Condition>, ApiError> {
    let text = text.filter(|text| !text.trim().is_empty());
    let condition = text.map(|text| Condition::parse(flavour, &text)).transpose();
    condition.map_err(|error| ApiError::BadRequest(error.to_string()))
}
