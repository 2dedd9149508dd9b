//! What a condition is evaluated on. The store fills in what [`super::Needs`] asks for and leaves the rest empty.

use crate::cost::Cost;
use crate::ids::TraceId;
use crate::span::{Span, TokenCounts};
use crate::time::Timestamp;

/// A decoded span and what is known about it beyond its own bytes.
#[derive(Debug, Clone, PartialEq)]
pub struct SpanFacts {
    pub span: Span,
    pub context: SpanContext,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct SpanContext {
    /// Of LLM spans only.
    pub tokens: Option<TokenCounts>,
    pub cumulative: Cumulative,
    /// Whether the span that `parent_id` names is stored in the same trace.
    pub parent_is_stored: bool,
    pub cost: Cost,
    pub cost_details: Vec<CostDetail>,
    pub annotations: Vec<Annotation>,
    /// Of its trace.
    pub trace_annotations: Vec<Annotation>,
}

/// Sums over a span and all below it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cumulative {
    pub tokens: TokenCounts,
    pub errors: i64,
}

/// What tokens of one type cost, in dollars. Unknown prices are `None`.
#[derive(Debug, Clone, PartialEq)]
pub struct CostDetail {
    /// Such as `input`, `output` or `cache_read`.
    pub token_type: String,
    pub is_prompt: bool,
    pub tokens: Option<f64>,
    pub cost: Option<f64>,
    pub cost_per_token: Option<f64>,
}

/// An annotation of a span, trace or session.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Annotation {
    pub name: String,
    pub label: Option<String>,
    pub score: Option<f64>,
    pub explanation: Option<String>,
    pub identifier: String,
}

/// A trace with its roll-up.
#[derive(Debug, Clone, PartialEq)]
pub struct TraceFacts {
    pub trace_id: TraceId,
    /// The trace id as the sender wrote it.
    pub trace_id_text: String,
    pub start: Timestamp,
    pub end: Timestamp,
    pub span_count: i64,
    pub error_count: i64,
    pub tokens: TokenCounts,
    pub cost: Cost,
    /// In any order.
    pub spans: Vec<SpanFacts>,
    /// The earliest span whose parent is not stored; the latest to arrive of several.
    pub root: Option<Span>,
    pub annotations: Vec<Annotation>,
}

/// A session; its traces by their start.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionFacts {
    pub session_id: String,
    pub start: Timestamp,
    pub end: Timestamp,
    pub traces: Vec<TraceFacts>,
    pub annotations: Vec<Annotation>,
}

impl CostDetail {
    /// What the prompt and the completion of a span cost, as far as there are tokens.
    pub fn of(tokens: Option<TokenCounts>, cost: Option<Cost>) -> Vec<Self> {
        let TokenCounts { prompt, completion } = tokens.unwrap_or_default();
        let parts = [
            ("input", prompt, cost.map(|cost| cost.prompt)),
            ("output", completion, cost.map(|cost| cost.completion)),
        ];
        let used = parts.into_iter().filter(|(_, tokens, _)| *tokens > 0);
        used.map(|(token_type, tokens, billionths)| {
            #[expect(clippy::cast_precision_loss, reason = "the store bounds token counts to 40 bits")]
            let tokens = tokens as f64;
            let cost = billionths.map(dollars);
            Self {
                token_type: token_type.to_owned(),
                is_prompt: token_type == "input",
                tokens: Some(tokens),
                cost,
                cost_per_token: cost.map(|cost| cost / tokens),
            }
        })
        .collect()
    }
}

/// From billionths of a dollar.
#[expect(clippy::cast_precision_loss, reason = "exact up to nine million dollars")]
pub(super) fn dollars(billionths: i64) -> f64 {
    billionths as f64 / 1e9
}
