//! Fields and elements of what a condition is evaluated on.

use std::borrow::Cow;

use super::facts::{Annotation, SessionFacts, SpanFacts, TraceFacts, dollars};
use super::names::{Collection, Field};
use super::value::Value;
use crate::cost::{Cost, CostDetail};
use crate::kind::SpanKind;
use crate::span::{Span, TokenCounts, lookup};
use crate::time::Timestamp;

/// The subject of a condition, or an element of one of its collections.
#[derive(Debug, Clone, Copy)]
pub(super) enum Element<'a> {
    Span(&'a SpanFacts, Neighbours<'a>),
    Trace(&'a TraceFacts),
    Session(&'a SessionFacts),
    Annotation(&'a Annotation),
    CostDetail(&'a CostDetail),
}

/// The spans among which children, siblings and parents of a span are found.
pub(super) type Neighbours<'a> = &'a [SpanFacts];

impl<'a> Element<'a> {
    pub fn field(self, field: Field) -> Value<'a> {
        match self {
            Self::Span(span, _) => span_field(span, field),
            Self::Trace(trace) => trace_field(trace, field),
            Self::Session(session) => session_field(session, field),
            Self::Annotation(annotation) => annotation_field(annotation, field),
            Self::CostDetail(detail) => match field {
                Field::TokenType => Value::text(Some(detail.token_type)),
                Field::IsPrompt => Value::Boolean(detail.is_prompt),
                Field::Tokens => Value::int(detail.tokens),
                Field::Cost => detail.cost.map_or(Value::Null, Value::float),
                Field::CostPerToken => detail.cost_per_token.map_or(Value::Null, Value::float),
                _ => Value::Null,
            },
        }
    }

    /// The texts that can only be searched.
    pub fn texts(self, field: Field) -> Vec<Value<'a>> {
        let key = if field == Field::AnyInput { "input" } else { "output" };
        match self {
            Self::Session(session) => roots(session).map(|root| content(root, key)).collect(),
            _ => Vec::new(),
        }
    }

    pub fn members(self, collection: Collection) -> Vec<Self> {
        match (self, collection) {
            (Self::Span(span, _), Collection::SpanAnnotations) => {
                annotations(&span.context.annotations).collect()
            }
            (Self::Span(span, _), Collection::CostDetails) => details(span).collect(),
            (Self::Span(span, all), Collection::Children) => {
                all.iter().filter(|other| is_child(other, span)).map(|other| Self::Span(other, all)).collect()
            }
            (Self::Span(span, all), Collection::Siblings) => {
                let siblings = all.iter().filter(|other| is_sibling(other, span));
                siblings.map(|other| Self::Span(other, all)).collect()
            }
            (Self::Trace(trace), Collection::TraceAnnotations) => annotations(&trace.annotations).collect(),
            (Self::Trace(trace), _) => of_spans(trace, collection).collect(),
            (Self::Session(session), Collection::Traces) => session.traces.iter().map(Self::Trace).collect(),
            (Self::Session(session), Collection::SessionAnnotations) => {
                annotations(&session.annotations).collect()
            }
            (Self::Session(session), _) => {
                session.traces.iter().flat_map(|trace| of_spans(trace, collection)).collect()
            }
            _ => Vec::new(),
        }
    }

    /// How many spans are looked through for its parent or children.
    pub fn neighbours(self) -> usize {
        match self {
            Self::Span(_, all) => all.len(),
            _ => 0,
        }
    }

    pub fn parent(self) -> Option<Self> {
        let Self::Span(span, all) = self else { return None };
        let parent = all.iter().find(|other| is_child(span, other))?;
        Some(Self::Span(parent, all))
    }

    /// The span whose attributes the condition means.
    pub fn attributes_of(self) -> Option<&'a Span> {
        match self {
            Self::Span(span, _) => Some(&span.span),
            Self::Trace(trace) => trace.root.as_ref(),
            Self::Session(session) => roots(session).next(),
            Self::Annotation(_) | Self::CostDetail(_) => None,
        }
    }
}

/// Roots without a parent id, of the traces in order.
fn roots(session: &SessionFacts) -> impl DoubleEndedIterator<Item = &Span> {
    let roots = session.traces.iter().filter_map(|trace| trace.root.as_ref());
    roots.filter(|root| root.parent_id.is_none())
}

fn annotations(annotations: &[Annotation]) -> impl Iterator<Item = Element<'_>> {
    annotations.iter().map(Element::Annotation)
}

fn details(span: &SpanFacts) -> impl Iterator<Item = Element<'_>> {
    span.context.cost_details.iter().map(Element::CostDetail)
}

fn of_spans(trace: &TraceFacts, collection: Collection) -> Box<dyn Iterator<Item = Element<'_>> + '_> {
    let spans = trace.spans.iter();
    match collection {
        Collection::Spans => Box::new(spans.map(|span| Element::Span(span, &trace.spans))),
        Collection::SpanAnnotations => {
            Box::new(spans.flat_map(|span| annotations(&span.context.annotations)))
        }
        Collection::CostDetails => Box::new(spans.flat_map(details)),
        _ => Box::new(std::iter::empty()),
    }
}

fn is_child(child: &SpanFacts, parent: &SpanFacts) -> bool {
    child.span.trace_id == parent.span.trace_id && child.span.parent_id == Some(parent.span.span_id)
}

fn is_sibling(other: &SpanFacts, span: &SpanFacts) -> bool {
    span.span.parent_id.is_some()
        && other.span.trace_id == span.span.trace_id
        && other.span.parent_id == span.span.parent_id
        && other.span.span_id != span.span.span_id
}

fn latency(start: Timestamp, end: Timestamp) -> Value<'static> {
    #[expect(clippy::cast_precision_loss, reason = "microseconds fit a double for 285 years")]
    let micros = end.0.saturating_sub(start.0) as f64;
    Value::float(micros / 1_000.0)
}

fn tokens<'a>(counts: TokenCounts, field: Field) -> Value<'a> {
    Value::int(match field {
        Field::PromptTokens | Field::CumulativePromptTokens => counts.prompt,
        Field::CompletionTokens | Field::CumulativeCompletionTokens => counts.completion,
        _ => counts.prompt.saturating_add(counts.completion),
    })
}

/// In dollars.
fn costs<'a>(cost: Cost, field: Field) -> Value<'a> {
    Value::float(dollars(match field {
        Field::PromptCost => cost.prompt,
        Field::CompletionCost => cost.completion,
        _ => cost.total(),
    }))
}

/// `input.value` or `output.value` as text.
fn content<'a>(span: &'a Span, key: &str) -> Value<'a> {
    let value = lookup(&span.attributes, &[key, "value"]).map_or(Value::Null, Value::Json);
    value.into_text().map_or(Value::Null, Value::Text)
}

fn span_field(SpanFacts { span, context }: &SpanFacts, field: Field) -> Value<'_> {
    match field {
        Field::SpanId => Value::Text(Cow::Owned(span.span_id_text())),
        Field::TraceId => Value::Text(Cow::Owned(span.trace_id_text())),
        Field::ParentId => span.parent_id_text().map_or(Value::Null, |id| Value::Text(Cow::Owned(id))),
        Field::ParentSpan if context.parent_is_stored => Value::Boolean(true),
        Field::Name => Value::text(Some(&span.name)),
        Field::SpanKind => Value::text(Some(span.kind.as_str())),
        Field::StatusCode => Value::text(Some(span.status.as_str())),
        Field::StatusMessage => Value::text(Some(&span.status_message)),
        Field::LatencyMs => latency(span.start, span.end),
        Field::StartTime => Value::Time(span.start),
        Field::EndTime => Value::Time(span.end),
        // The sum is 0 for spans that count no tokens, as it is for LLM spans that say nothing of theirs.
        Field::TotalTokens => tokens(context.tokens.unwrap_or_default(), field),
        Field::PromptTokens | Field::CompletionTokens => {
            context.tokens.map_or(Value::Null, |counts| tokens(counts, field))
        }
        Field::CumulativePromptTokens | Field::CumulativeCompletionTokens | Field::CumulativeTotalTokens => {
            tokens(context.cumulative.tokens, field)
        }
        Field::CumulativeErrors => Value::int(context.cumulative.errors),
        Field::PromptCost | Field::CompletionCost | Field::TotalCost => costs(context.cost, field),
        _ => Value::Null,
    }
}

fn trace_field(trace: &TraceFacts, field: Field) -> Value<'_> {
    match field {
        Field::TraceId => Value::text(Some(&trace.trace_id_text)),
        Field::StartTime => Value::Time(trace.start),
        Field::EndTime => Value::Time(trace.end),
        Field::LatencyMs => latency(trace.start, trace.end),
        Field::SpanCount => Value::int(trace.span_count),
        Field::ErrorCount => Value::int(trace.error_count),
        Field::LlmSpanCount => spans_of_kind(trace.spans.iter(), SpanKind::Llm),
        Field::ToolSpanCount => spans_of_kind(trace.spans.iter(), SpanKind::Tool),
        Field::PromptTokens | Field::CompletionTokens | Field::TotalTokens => tokens(trace.tokens, field),
        Field::PromptCost | Field::CompletionCost | Field::TotalCost => costs(trace.cost, field),
        Field::Input => trace.root.as_ref().map_or(Value::Null, |root| content(root, "input")),
        Field::Output => trace.root.as_ref().map_or(Value::Null, |root| content(root, "output")),
        Field::UserId => trace.root.as_ref().map_or(Value::Null, user_id),
        _ => Value::Null,
    }
}

fn session_field(session: &SessionFacts, field: Field) -> Value<'_> {
    let traces = &session.traces;
    let count = |number: usize| Value::int(i64::try_from(number).unwrap_or(i64::MAX));
    let spans = || traces.iter().flat_map(|trace| &trace.spans);
    match field {
        Field::SessionId => Value::text(Some(&session.session_id)),
        Field::StartTime => Value::Time(session.start),
        Field::EndTime => Value::Time(session.end),
        Field::LatencyMs => latency(session.start, session.end),
        Field::TraceCount => count(traces.len()),
        Field::TracesWithError => count(traces.iter().filter(|trace| trace.error_count > 0).count()),
        Field::LlmSpanCount => spans_of_kind(spans(), SpanKind::Llm),
        Field::ToolSpanCount => spans_of_kind(spans(), SpanKind::Tool),
        Field::PromptTokens | Field::CompletionTokens | Field::TotalTokens => {
            let sum = traces.iter().fold(TokenCounts::default(), |sum, trace| TokenCounts {
                prompt: sum.prompt.saturating_add(trace.tokens.prompt),
                completion: sum.completion.saturating_add(trace.tokens.completion),
            });
            tokens(sum, field)
        }
        Field::PromptCost | Field::CompletionCost | Field::TotalCost => {
            costs(traces.iter().fold(Cost::default(), |sum, trace| sum.plus(trace.cost)), field)
        }
        Field::FirstInput => roots(session).next().map_or(Value::Null, |root| content(root, "input")),
        Field::LastOutput => roots(session).next_back().map_or(Value::Null, |root| content(root, "output")),
        Field::UserId => roots(session).next().map_or(Value::Null, user_id),
        _ => Value::Null,
    }
}

fn user_id(span: &Span) -> Value<'_> {
    lookup(&span.attributes, &["user", "id"]).map_or(Value::Null, Value::Json)
}

fn spans_of_kind<'a>(spans: impl Iterator<Item = &'a SpanFacts>, kind: SpanKind) -> Value<'static> {
    let count = spans.filter(|span| span.span.kind == kind).count();
    Value::int(i64::try_from(count).unwrap_or(i64::MAX))
}

pub(super) fn annotation_field(annotation: &Annotation, field: Field) -> Value<'_> {
    match field {
        Field::Name => Value::text(Some(&annotation.name)),
        Field::Label => Value::text(annotation.label.as_deref()),
        Field::Score => annotation.score.map_or(Value::Null, Value::float),
        Field::Explanation => Value::text(annotation.explanation.as_deref()),
        Field::Identifier => Value::text(Some(&annotation.identifier)),
        _ => Value::Null,
    }
}
