//! The prices of one tenant: its own, and the list behind them.

use super::usage::model_of;
use super::{Cost, ListPrices, ModelPrices, NamePattern, TokenUsage};
use crate::span::Span;

/// What a tenant pays for some models, in place of the list price.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Override {
    /// Unique within the tenant.
    pub name: String,
    /// Which models it is for.
    pub model: NamePattern,
    /// Which provider it is for; `None` for all.
    pub provider: Option<String>,
    pub prices: ModelPrices,
}

impl Override {
    fn applies_to(&self, model: &str, provider: Option<&str>) -> bool {
        let same = |own: &String| provider.is_some_and(|provider| own.eq_ignore_ascii_case(provider));
        self.provider.as_ref().is_none_or(same) && self.model.matches(model)
    }
}

/// Finds the price of a span. Overrides come before the list: exact names before patterns, those for one provider before
/// those for all, longer patterns before shorter ones.
#[derive(Debug, Clone, Default)]
pub struct PriceBook {
    overrides: Vec<Override>,
}

impl PriceBook {
    pub fn new(mut overrides: Vec<Override>) -> Self {
        overrides.sort_by(|one, other| {
            let rank =
                |entry: &Override| (entry.model.is_exact(), entry.provider.is_some(), entry.model.weight());
            rank(other).cmp(&rank(one)).then_with(|| one.name.cmp(&other.name))
        });
        Self { overrides }
    }

    /// The override that applies to a model.
    pub fn overriding(&self, model: &str, provider: Option<&str>) -> Option<&Override> {
        let model = model.trim().to_lowercase();
        self.overrides.iter().find(|entry| entry.applies_to(&model, provider))
    }

    pub(super) fn prices(&self, model: &str, provider: Option<&str>) -> Option<&ModelPrices> {
        match self.overriding(model, provider) {
            Some(entry) => Some(&entry.prices),
            None => ListPrices::built_in().find(model, provider).map(|entry| &entry.prices),
        }
    }

    /// `None` for spans that are not of kind LLM, that do not say their model or their tokens, and for models without a price.
    pub fn cost(&self, span: &Span) -> Option<Cost> {
        let usage = TokenUsage::of(span)?;
        let (model, provider) = model_of(span)?;
        Some(self.prices(model, provider)?.cost(&usage))
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::trace::v1 as proto;
    use serde_json::{Value, json};

    use super::*;
    use crate::cost::{Price, TokenPrices};
    use crate::json_span::JsonSpan;
    use crate::time::Timestamp;

    fn entry(name: &str, provider: Option<&str>, dollars: f64) -> Override {
        let base = TokenPrices { prompt: Price::per_million(dollars), ..TokenPrices::default() };
        Override {
            name: format!("{name} {provider:?}"),
            model: NamePattern::new(name),
            provider: provider.map(str::to_owned),
            prices: ModelPrices { base, above: Vec::new() },
        }
    }

    fn span(kind: &str, attributes: Value) -> Span {
        let Value::Object(attributes) = attributes else { panic!("an object") };
        let json = JsonSpan {
            name: String::new(),
            trace_id: "t".to_owned(),
            span_id: "s".to_owned(),
            parent_id: None,
            kind: kind.to_owned(),
            start: Timestamp(0),
            end: Timestamp(0),
            status: String::new(),
            status_message: String::new(),
            attributes,
            events: Vec::new(),
        };
        let otlp: proto::Span = json.into_otlp().unwrap();
        Span::from_otlp(otlp).unwrap()
    }

    fn cost(book: &PriceBook, attributes: Value) -> Option<Cost> {
        book.cost(&span("LLM", attributes))
    }

    #[test]
    fn the_most_specific_override_wins() {
        let book = PriceBook::new(vec![
            entry("gpt*", None, 1.0),
            entry("gpt-4*", None, 2.0),
            entry("gpt*", Some("azure"), 3.0),
            entry("gpt-4o", None, 4.0),
            entry("gpt-4o", Some("azure"), 5.0),
        ]);
        let prompt = |model: &str, provider: Option<&str>| book.prices(model, provider).unwrap().base.prompt;
        let found = [
            prompt("gpt-3", None),
            prompt("GPT-4", None),
            prompt("gpt-4-x", Some("AZURE")),
            prompt("gpt-4o", Some("openai")),
            prompt("gpt-4o", Some("azure")),
            prompt("claude-sonnet-4-5", None),
        ];
        assert_eq!(found, [1.0, 2.0, 3.0, 4.0, 5.0, 3.0].map(Price::per_million));
    }

    #[test]
    fn only_llm_spans_with_a_model_and_tokens_have_a_cost() {
        let book = PriceBook::new(vec![entry("m", None, 1.0)]);
        let whole = json!({"llm.model_name": "m", "llm.token_count.prompt": 1_000});
        assert_eq!(book.cost(&span("LLM", whole.clone())), Some(Cost { prompt: 1_000_000, completion: 0 }));
        assert_eq!(book.cost(&span("CHAIN", whole)), None);
        assert_eq!(cost(&book, json!({"llm.model_name": "m"})), None);
        assert_eq!(cost(&book, json!({"llm.model_name": " ", "llm.token_count.prompt": 1})), None);
        assert_eq!(cost(&book, json!({"llm.model_name": "other", "llm.token_count.prompt": 1})), None);
        assert_eq!(cost(&book, json!({"llm.model_name": "m", "llm.token_count.prompt": "many"})), None);
    }

    #[test]
    fn a_total_that_says_more_than_its_parts_counts() {
        let book = PriceBook::new(vec![entry("m", None, 1.0)]);
        let only_total = json!({"llm.model_name": "m", "llm.token_count.total": 1_000});
        assert_eq!(cost(&book, only_total).unwrap().prompt, 1_000_000);
        let with_prompt =
            json!({"llm.model_name": "m", "llm.token_count.total": 1_000, "llm.token_count.prompt": 10});
        let usage = TokenUsage::of(&span("LLM", with_prompt)).unwrap();
        assert_eq!((usage.prompt, usage.completion), (10, 990));
    }

    #[test]
    fn details_are_read_under_their_openinference_names() {
        let attributes = json!({
            "llm.token_count.prompt": 100, "llm.token_count.completion": "50",
            "llm.token_count.prompt_details.cache_read": 60, "llm.token_count.prompt_details.cache_write": 10,
            "llm.token_count.prompt_details.audio": 5, "llm.token_count.completion_details.reasoning": 20,
            "llm.token_count.completion_details.audio": 3
        });
        let expected = TokenUsage {
            prompt: 100,
            completion: 50,
            cache_read: 60,
            cache_write: 10,
            prompt_audio: 5,
            reasoning: 20,
            completion_audio: 3,
        };
        assert_eq!(TokenUsage::of(&span("LLM", attributes)), Some(expected));
    }

    #[test]
    fn kinds_of_tokens_are_told_as_long_as_their_sum_is_what_was_stored() {
        let book = |cache_read| {
            let mut price = entry("m", None, 2.0);
            price.prices.base.cache_read = Price::per_million(cache_read);
            price.prices.base.completion = Price::per_million(8.0);
            PriceBook::new(vec![price])
        };
        let span = span(
            "LLM",
            json!({
                "llm.model_name": "m", "llm.token_count.prompt": 1_000, "llm.token_count.completion": 500,
                "llm.token_count.prompt_details.cache_read": 400
            }),
        );
        let stored = book(0.5).cost(&span);
        assert_eq!(stored, Some(Cost { prompt: 1_400_000, completion: 4_000_000 }));
        let told = |book: &PriceBook, stored| -> Vec<(&str, bool, i64, Option<f64>)> {
            let details = book.details(&span, stored).into_iter();
            let rounded = |cost: f64| (cost * 1e9).round() / 1e9;
            details
                .map(|kind| (kind.token_type, kind.is_prompt, kind.tokens, kind.cost.map(rounded)))
                .collect()
        };
        assert_eq!(
            told(&book(0.5), stored),
            [
                ("cache_read", true, 400, Some(0.0002)),
                ("input", true, 600, Some(0.0012)),
                ("output", false, 500, Some(0.004))
            ]
        );
        let later = told(&book(1.0), stored);
        assert_eq!(later.iter().map(|kind| kind.3).collect::<Vec<_>>(), [None, None, Some(0.004)]);
        let unpriced = told(&book(0.5), None);
        assert_eq!(unpriced.iter().map(|kind| kind.3).collect::<Vec<_>>(), [None, None, None]);
    }
}
