//! What language models cost: prices, the tokens they apply to, and which price a span has.
//!
//! Amounts are whole billionths of a US dollar, so that sums do not depend on their order. Prices are whole trillionths of
//! a dollar a token, which is a millionth of a dollar a million tokens.
//!
//! Which price applies is said in [`PriceBook`] and [`ListPrices`].

mod book;
mod detail;
mod list;
mod name_pattern;
mod prices;
mod usage;

pub use book::{Override, PriceBook};
pub use detail::CostDetail;
pub use list::{ListPrice, ListPrices};
pub use name_pattern::NamePattern;
pub use prices::{Cost, ModelPrices, Price, TokenPrices};
pub use usage::TokenUsage;
