//! Prices by kind of token, and the cost they make.

use std::fmt;

use super::TokenUsage;

/// US dollars per million tokens, exact to the sixth decimal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Price(i64);

/// A million dollars per million tokens: more is a mistake, and the bound keeps products within 128 bits.
const HIGHEST: f64 = 1e6;
const PER_DOLLAR: f64 = 1e6;

impl Price {
    /// `None` unless it is a number from 0 to a million.
    #[allow(clippy::cast_possible_truncation)] // checked just before
    pub fn per_million(dollars: f64) -> Option<Self> {
        (0.0..=HIGHEST).contains(&dollars).then(|| Self((dollars * PER_DOLLAR).round() as i64))
    }

    #[allow(clippy::cast_precision_loss)] // at most 1e12
    pub fn dollars_per_million(self) -> f64 {
        self.0 as f64 / PER_DOLLAR
    }

    /// Trillionths of a dollar.
    fn of(self, tokens: i64) -> i128 {
        i128::from(self.0) * i128::from(tokens.max(0))
    }
}

/// Prices by kind of token. Kinds without a price of their own cost what the tokens cost among which they count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TokenPrices {
    pub prompt: Option<Price>,
    pub completion: Option<Price>,
    /// Prompt tokens read from a cache.
    pub cache_read: Option<Price>,
    /// Prompt tokens written to a cache.
    pub cache_write: Option<Price>,
    pub prompt_audio: Option<Price>,
    pub completion_audio: Option<Price>,
    /// Completion tokens that the model thought with.
    pub reasoning: Option<Price>,
}

impl TokenPrices {
    /// Each kind's price under its name.
    pub fn named(self) -> [(&'static str, Option<Price>); 7] {
        [
            ("prompt", self.prompt),
            ("completion", self.completion),
            ("cache_read", self.cache_read),
            ("cache_write", self.cache_write),
            ("prompt_audio", self.prompt_audio),
            ("completion_audio", self.completion_audio),
            ("reasoning", self.reasoning),
        ]
    }

    /// Asks for each kind's price by its name, in the order of [`Self::named`].
    pub fn from_named(mut price: impl FnMut(&'static str) -> Option<Price>) -> Self {
        Self {
            prompt: price("prompt"),
            completion: price("completion"),
            cache_read: price("cache_read"),
            cache_write: price("cache_write"),
            prompt_audio: price("prompt_audio"),
            completion_audio: price("completion_audio"),
            reasoning: price("reasoning"),
        }
    }

    fn or(self, base: Self) -> Self {
        let mut pairs = self.named().into_iter().zip(base.named());
        Self::from_named(|_| pairs.next().and_then(|((_, own), (_, base))| own.or(base)))
    }
}

/// What a model costs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ModelPrices {
    pub base: TokenPrices,
    /// Prices of requests with more prompt tokens than this, rising; what one leaves open costs as in `base`.
    pub above: Vec<(i64, TokenPrices)>,
}

impl ModelPrices {
    /// What these tokens cost.
    pub fn cost(&self, usage: &TokenUsage) -> Cost {
        let kinds = self.by_kind(usage);
        let side = |is_prompt| {
            let side = kinds.iter().filter(|kind| kind.is_prompt == is_prompt);
            to_billionths(side.map(|kind| kind.price.of(kind.tokens)).sum())
        };
        Cost { prompt: side(true), completion: side(false) }
    }

    /// The tokens of each kind with their price. Details are part of the prompt or the completion; the rest of it, which is
    /// the last of its side, has the plain price.
    pub(super) fn by_kind(&self, usage: &TokenUsage) -> [PricedTokens; 7] {
        let tier = self.above.iter().rev().find(|(tokens, _)| usage.prompt > *tokens);
        let prices = tier.map_or(self.base, |(_, prices)| prices.or(self.base));
        let (prompt, completion) = (prices.prompt.unwrap_or_default(), prices.completion.unwrap_or_default());
        let priced = |kind, is_prompt, tokens: i64, price: Option<Price>| PricedTokens {
            kind,
            is_prompt,
            tokens: tokens.max(0),
            price: price.unwrap_or(if is_prompt { prompt } else { completion }),
        };
        let details = [
            priced("cache_read", true, usage.cache_read, prices.cache_read),
            priced("cache_write", true, usage.cache_write, prices.cache_write),
            priced("audio", true, usage.prompt_audio, prices.prompt_audio),
            priced("reasoning", false, usage.reasoning, prices.reasoning),
            priced("audio", false, usage.completion_audio, prices.completion_audio),
        ];
        let rest = |is_prompt, total: i64| {
            let side = details.iter().filter(|detail| detail.is_prompt == is_prompt);
            total.saturating_sub(side.map(|detail| detail.tokens).fold(0, i64::saturating_add))
        };
        let [read, write, heard, thought, spoken] = details;
        let input = priced("input", true, rest(true, usage.prompt), None);
        let output = priced("output", false, rest(false, usage.completion), None);
        [read, write, heard, input, thought, spoken, output]
    }
}

/// Tokens of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PricedTokens {
    pub kind: &'static str,
    pub is_prompt: bool,
    /// Not negative.
    pub tokens: i64,
    pub price: Price,
}

/// Within this no trace has spans enough for its sums to leave 64 bits: about 1,100 dollars for one span.
const MOST: i64 = 1 << 40;

fn to_billionths(trillionths: i128) -> i64 {
    i64::try_from((trillionths + 500) / 1_000).unwrap_or(MOST).min(MOST)
}

/// Billionths of a US dollar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cost {
    pub prompt: i64,
    pub completion: i64,
}

impl Cost {
    pub fn total(self) -> i64 {
        self.prompt.saturating_add(self.completion)
    }

    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            prompt: self.prompt.saturating_add(other.prompt),
            completion: self.completion.saturating_add(other.completion),
        }
    }

    /// An amount in dollars.
    #[allow(clippy::cast_precision_loss)] // billionths are exact up to 9 million dollars
    pub fn dollars(billionths: i64) -> f64 {
        billionths as f64 / 1e9
    }
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "${}", Self::dollars(self.total()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn price(dollars: f64) -> Option<Price> {
        Price::per_million(dollars)
    }

    fn prices() -> ModelPrices {
        let base = TokenPrices {
            prompt: price(2.5),
            completion: price(10.0),
            cache_read: price(1.25),
            ..TokenPrices::default()
        };
        let above = TokenPrices { prompt: price(5.0), ..TokenPrices::default() };
        ModelPrices { base, above: vec![(200_000, above)] }
    }

    #[test]
    fn details_have_their_own_price_and_the_rest_the_plain_one() {
        let usage = TokenUsage {
            prompt: 1_000,
            completion: 100,
            cache_read: 600,
            reasoning: 40,
            ..TokenUsage::default()
        };
        // 400 at 2.50, 600 at 1.25; 100 at 10, the reasoning among them
        assert_eq!(prices().cost(&usage), Cost { prompt: 1_750_000, completion: 1_000_000 });
    }

    #[test]
    fn a_long_prompt_costs_more_altogether() {
        let usage = |prompt| TokenUsage { prompt, cache_read: 100_000, ..TokenUsage::default() };
        let dollars = |prompt| Cost::dollars(prices().cost(&usage(prompt)).prompt);
        assert!((dollars(200_000) - 0.375).abs() < 1e-9);
        assert!((dollars(200_001) - 0.625_005).abs() < 1e-9, "what the tier leaves open costs as usual");
    }

    #[test]
    fn nonsense_stays_within_bounds() {
        let nonsense =
            TokenUsage { prompt: i64::MIN, completion: i64::MAX, cache_read: -5, ..TokenUsage::default() };
        assert_eq!(prices().cost(&nonsense), Cost { prompt: 0, completion: MOST });
        let more = TokenUsage { prompt: 10, cache_read: 50, ..TokenUsage::default() };
        assert_eq!(prices().cost(&more).prompt, 62_500);
        for dollars in [f64::NAN, -1.0, f64::INFINITY, 1e7] {
            assert_eq!(Price::per_million(dollars), None);
        }
    }
}
