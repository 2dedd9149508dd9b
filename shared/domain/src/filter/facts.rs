//! What a condition is evaluated on. The store fills in what [`super::Needs`] asks for and leaves the rest empty.

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

/// What tokens of one type cost. Unknown prices are `None`.
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

/// Summed cost of prompts and completions, 0 where it is unknown.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Cost {
    pub prompt: f64,
    pub completion: f64,
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

impl SpanContext {
    pub fn cost(&self) -> Cost {
        let sum = |is_prompt: bool| {
            let details = self.cost_details.iter().filter(|detail| detail.is_prompt == is_prompt);
            details.filter_map(|detail| detail.cost).sum()
        };
        Cost { prompt: sum(true), completion: sum(false) }
    }
}
