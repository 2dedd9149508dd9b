//! What a condition is evaluated on. The store fills in what [`super::Needs`] asks for and leaves the rest empty.

use crate::cost::{Cost, CostDetail};
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

/// From billionths of a dollar.
#[expect(clippy::cast_precision_loss, reason = "exact up to nine million dollars")]
pub(super) fn dollars(billionths: i64) -> f64 {
    billionths as f64 / 1e9
}
