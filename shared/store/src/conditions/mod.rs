//! Conditions in SQL. What is made here may let rows through that the condition refuses, and never holds one back that it
//! would match: the evaluator in `domain` decides.

mod attributes;
mod columns;
mod ids;
mod logic;

pub(crate) use columns::parent_is_missing;
pub(crate) use ids::DemandedIds;
pub(crate) use logic::Narrowing;
