//! What a condition reads, so that no more is loaded.

use super::names::{AnnotationTarget, Collection, Field};
use super::typed::{AnnotationName, Expr, Place, Reduction};

/// Parts of [`super::SpanFacts`], [`super::TraceFacts`] and [`super::SessionFacts`] that have to be filled in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools)] // independent parts, each loaded by a query of its own
pub struct Needs {
    /// The spans of traces.
    pub spans: bool,
    /// Attributes: of the span, of the root spans of traces.
    pub attributes: bool,
    /// Tokens and errors of a span and all below it.
    pub cumulative: bool,
    /// Whether parents are stored.
    pub parents: bool,
    /// What spans cost by kind of token.
    pub cost_details: bool,
    pub span_annotations: bool,
    pub trace_annotations: bool,
    pub session_annotations: bool,
}

impl Needs {
    /// What either reads.
    #[must_use]
    pub fn and(self, other: Option<Self>) -> Self {
        let other = other.unwrap_or_default();
        Self {
            spans: self.spans || other.spans,
            attributes: self.attributes || other.attributes,
            cumulative: self.cumulative || other.cumulative,
            parents: self.parents || other.parents,
            cost_details: self.cost_details || other.cost_details,
            span_annotations: self.span_annotations || other.span_annotations,
            trace_annotations: self.trace_annotations || other.trace_annotations,
            session_annotations: self.session_annotations || other.session_annotations,
        }
    }

    /// Whether traces are to come with their spans.
    pub fn of_spans(self) -> bool {
        self.spans || self.cumulative || self.parents
    }

    pub(super) fn of(expr: &Expr, annotations: &[AnnotationName]) -> Self {
        let mut needs = Self::default();
        needs.add(expr);
        for name in annotations {
            needs.add_annotations(name.target);
        }
        needs
    }

    fn add_annotations(&mut self, target: AnnotationTarget) {
        match target {
            AnnotationTarget::Span => self.span_annotations = true,
            AnnotationTarget::Trace => self.trace_annotations = true,
            AnnotationTarget::Session => self.session_annotations = true,
        }
    }

    fn add(&mut self, expr: &Expr) {
        match expr {
            Expr::Literal(_) | Expr::Annotation(..) => {}
            Expr::Field(place, field) => self.add_field(*place, *field),
            Expr::Attribute(_) => self.attributes = true,
            Expr::Cast(_, inner) | Expr::Negative(inner) | Expr::IsNull(inner) | Expr::Not(inner) => {
                self.add(inner);
            }
            Expr::Arithmetic(_, left, right)
            | Expr::Joined(left, right)
            | Expr::Compare(_, _, left, right)
            | Expr::Contains(left, right) => {
                self.add(left);
                self.add(right);
            }
            Expr::OneOf(value, _, items) => {
                self.add(value);
                items.iter().for_each(|item| self.add(item));
            }
            Expr::And(operands) | Expr::Or(operands) => operands.iter().for_each(|operand| self.add(operand)),
            Expr::Reduce(reduction) => self.add_reduction(reduction),
        }
    }

    fn add_field(&mut self, place: Place, field: Field) {
        self.spans |= matches!(place, Place::ParentOf(_));
        match field {
            Field::LlmSpanCount | Field::ToolSpanCount => self.spans = true,
            Field::ParentSpan => self.parents = true,
            Field::CumulativePromptTokens
            | Field::CumulativeCompletionTokens
            | Field::CumulativeTotalTokens
            | Field::CumulativeErrors => self.cumulative = true,
            Field::Input
            | Field::Output
            | Field::UserId
            | Field::FirstInput
            | Field::LastOutput
            | Field::AnyInput
            | Field::AnyOutput => self.attributes = true,
            _ => {}
        }
    }

    fn add_reduction(&mut self, reduction: &Reduction) {
        match reduction.collection {
            Collection::Spans | Collection::Children | Collection::Siblings => self.spans = true,
            Collection::Traces => {}
            Collection::SpanAnnotations => (self.spans, self.span_annotations) = (true, true),
            Collection::TraceAnnotations => self.trace_annotations = true,
            Collection::SessionAnnotations => self.session_annotations = true,
            Collection::CostDetails => (self.spans, self.cost_details) = (true, true),
        }
        reduction.conditions.iter().for_each(|condition| self.add(condition));
        self.add(&reduction.value);
    }
}
