//! The shapes of most answers.

use serde::Serialize;
use utoipa::ToSchema;

/// One page of a list.
#[derive(Serialize, ToSchema)]
pub struct PageBody<T> {
    pub data: Vec<T>,
    /// Where the next page begins; null on the last one.
    pub next_cursor: Option<String>,
}

/// One thing.
#[derive(Serialize, ToSchema)]
pub struct DataBody<T> {
    pub data: T,
}
