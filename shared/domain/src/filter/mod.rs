//! Conditions on spans, traces and sessions: the expressions of Python that select what a caller asks for, such as
//! `span_kind == 'LLM' and latency_ms > 1000`.
//!
//! [`Condition::parse`] reads one and checks its names and types; [`Condition::holds`] is its meaning. What SQL makes of
//! [`Condition::expr`] may only narrow towards that.

mod check;
mod compare;
mod demanded_text;
mod error;
mod evaluate;
mod facts;
mod grams;
mod names;
mod needs;
mod number;
mod parse;
mod parse_atom;
mod projection;
#[cfg(test)]
mod properties;
mod records;
mod resolve;
mod string_literal;
mod syntax;
#[cfg(test)]
mod tests;
mod text_filter;
mod token;
mod typed;
mod value;

pub use demanded_text::DemandedText;
pub use error::ConditionError;
pub use evaluate::TooCostly;
pub use facts::{Annotation, Cumulative, SessionFacts, SpanContext, SpanFacts, TraceFacts};
pub use grams::GramPlace;
pub use names::{AnnotationTarget, Collection, Field, Flavour, Record, Type};
pub use needs::Needs;
pub use number::Number;
pub use parse::MAX_CONDITION_BYTES;
pub use projection::{Projection, Selected};
pub use syntax::{Arithmetic, Order};
pub use text_filter::{DemandedGrams, TextFilterMaker};
pub use typed::{AnnotationName, AnnotationPart, Cast, Expr, Literal, Place, Reducer, Reduction, Step};

use check::Checker;
use records::Element;

/// A condition whose names are known and whose types fit.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    expr: Expr,
    annotations: Vec<AnnotationName>,
    needs: Needs,
}

/// What a condition is asked about.
#[derive(Debug, Clone, Copy)]
pub enum Subject<'a> {
    Span(&'a SpanFacts),
    Trace(&'a TraceFacts),
    Session(&'a SessionFacts),
}

impl Condition {
    /// Reads a condition. An error names the mistake and its column.
    pub fn parse(flavour: Flavour, text: &str) -> Result<Self, ConditionError> {
        let node = parse::parse(text)?;
        let mut checker = Checker { text, flavour, scope: Vec::new(), annotations: Vec::new() };
        let expr = checker.condition(&node, false)?;
        let annotations = checker.annotations;
        let needs = Needs::of(&expr, &annotations);
        Ok(Self { expr, annotations, needs })
    }

    /// Whether the subject, of the flavour that the condition was parsed for, matches.
    pub fn holds(&self, subject: Subject) -> Result<bool, TooCostly> {
        let element = match subject {
            Subject::Span(span) => Element::Span(span, std::slice::from_ref(span)),
            Subject::Trace(trace) => Element::Trace(trace),
            Subject::Session(session) => Element::Session(session),
        };
        evaluate::holds(&self.expr, &self.annotations, element)
    }

    pub fn expr(&self) -> &Expr {
        &self.expr
    }

    /// The annotations that it looks up by name.
    pub fn annotations(&self) -> &[AnnotationName] {
        &self.annotations
    }

    /// What it reads beyond the rows of its subject.
    pub fn needs(&self) -> Needs {
        self.needs
    }
}
