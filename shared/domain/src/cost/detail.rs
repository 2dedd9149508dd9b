//! What a span cost by kind of token.

use super::prices::PricedTokens;
use super::usage::model_of;
use super::{Cost, ModelPrices, PriceBook, TokenUsage};
use crate::span::Span;

/// What tokens of one kind cost, in dollars.
#[derive(Debug, Clone, PartialEq)]
pub struct CostDetail {
    /// `cache_read`, `cache_write`, `audio` or `reasoning`; `input` and `output` are the rest of prompt and completion.
    pub token_type: &'static str,
    pub is_prompt: bool,
    pub tokens: i64,
    /// `None` without a known price.
    pub cost: Option<f64>,
    pub cost_per_token: Option<f64>,
}

impl PriceBook {
    /// What the tokens of a span cost by their kind, prompt first. `stored` is what it cost as it arrived: where today's prices
    /// make another sum of a side that has several kinds, nobody knows any more what each of them cost.
    pub fn details(&self, span: &Span, stored: Option<Cost>) -> Vec<CostDetail> {
        let (Some(usage), Some((model, provider))) = (TokenUsage::of(span), model_of(span)) else {
            return Vec::new();
        };
        let unknown = ModelPrices::default();
        let prices = self.prices(model, provider).unwrap_or(&unknown);
        let (now, kinds) = (prices.cost(&usage), prices.by_kind(&usage));
        let used =
            |is_prompt| kinds.iter().filter(move |kind| kind.is_prompt == is_prompt && kind.tokens > 0);
        let side = |is_prompt| {
            let (now, stored) = match is_prompt {
                true => (now.prompt, stored.map(|cost| cost.prompt)),
                false => (now.completion, stored.map(|cost| cost.completion)),
            };
            let kinds: Vec<&PricedTokens> = used(is_prompt).collect();
            let is_as_then = stored == Some(now);
            let alone = kinds.len() == 1;
            kinds.into_iter().map(move |kind| {
                let own = is_as_then.then(|| kind.price.dollars_per_million() / 1e6);
                let shared = stored.filter(|_| alone).map(|cost| Cost::dollars(cost) / as_f64(kind.tokens));
                let cost_per_token = own.or(shared);
                CostDetail {
                    token_type: kind.kind,
                    is_prompt,
                    tokens: kind.tokens,
                    cost: cost_per_token.map(|dollars| dollars * as_f64(kind.tokens)),
                    cost_per_token,
                }
            })
        };
        side(true).chain(side(false)).collect()
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of tokens stay far below 2^52")]
fn as_f64(tokens: i64) -> f64 {
    tokens as f64
}
