//! The meaning of conditions. True, false and unknown combine as in SQL; unknown does not match.

use std::borrow::Cow;
use std::cmp::Ordering;

use serde_json::Value as Json;

use super::facts::Annotation;
use super::names::{AnnotationTarget, Collection, Field, Type};
use super::number::Number;
use super::records::{Element, annotation_field};
use super::syntax::{Arithmetic, Order};
use super::typed::{AnnotationName, AnnotationPart, Cast, Expr, Place, Reducer, Reduction, Step};
use super::value::Value;
use crate::attributes::Attributes;

/// Elements that one evaluation may look at: half a second of work. A loop over the spans of a trace inside another one
/// reaches it at 4,000 spans.
const MOST_STEPS: usize = 20_000_000;

/// The condition asks for more work than one trace or session may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the condition takes too long on a trace or session with this many spans")]
pub struct TooCostly;

/// Whether the condition holds for the subject with some combination of its annotations of the names.
pub(super) fn holds(expr: &Expr, names: &[AnnotationName], subject: Element) -> Result<bool, TooCostly> {
    let candidates: Vec<Vec<Option<&Annotation>>> =
        names.iter().map(|name| annotations_named(subject, name)).collect();
    let mut evaluation =
        Evaluation { subject, loops: Vec::new(), annotations: vec![None; names.len()], steps: MOST_STEPS };
    let mut chosen = vec![0; names.len()];
    loop {
        for ((slot, candidates), chosen) in evaluation.annotations.iter_mut().zip(&candidates).zip(&chosen) {
            *slot = candidates[*chosen];
        }
        if evaluation.value(expr)?.boolean() == Some(true) {
            return Ok(true);
        }
        evaluation.spend(1)?;
        // The next combination, counted like the digits of a number.
        let Some(digit) = (0..chosen.len()).find(|digit| chosen[*digit] + 1 < candidates[*digit].len())
        else {
            return Ok(false);
        };
        chosen[digit] += 1;
        chosen[..digit].fill(0);
    }
}

/// `[None]` if there are none, as the condition is asked then too.
fn annotations_named<'a>(subject: Element<'a>, name: &AnnotationName) -> Vec<Option<&'a Annotation>> {
    let all: &'a [Annotation] = match (subject, name.target) {
        (Element::Span(span, _), AnnotationTarget::Span) => &span.context.annotations,
        (Element::Span(span, _), AnnotationTarget::Trace) => &span.context.trace_annotations,
        (Element::Trace(trace), AnnotationTarget::Trace) => &trace.annotations,
        (Element::Session(session), AnnotationTarget::Session) => &session.annotations,
        _ => &[],
    };
    let mut found: Vec<_> = all.iter().filter(|annotation| annotation.name == name.name).map(Some).collect();
    if found.is_empty() {
        found.push(None);
    }
    found
}

/// The value of an expression without loops and annotations.
pub(super) fn value_of<'a>(expr: &'a Expr, subject: Element<'a>) -> Value<'a> {
    let mut evaluation =
        Evaluation { subject, loops: Vec::new(), annotations: Vec::new(), steps: MOST_STEPS };
    evaluation.value(expr).unwrap_or(Value::Null)
}

struct Evaluation<'a> {
    subject: Element<'a>,
    loops: Vec<Element<'a>>,
    annotations: Vec<Option<&'a Annotation>>,
    steps: usize,
}

impl<'a> Evaluation<'a> {
    fn spend(&mut self, steps: usize) -> Result<(), TooCostly> {
        self.steps = self.steps.checked_sub(steps).ok_or(TooCostly)?;
        Ok(())
    }

    fn value(&mut self, expr: &'a Expr) -> Result<Value<'a>, TooCostly> {
        Ok(match expr {
            Expr::Literal(literal) => Value::of(literal),
            Expr::Field(place, field) => {
                self.element(*place)?.map_or(Value::Null, |element| element.field(*field))
            }
            Expr::Attribute(path) => {
                let attributes = self.subject.attributes_of().map(|span| &span.attributes);
                attributes.and_then(|attributes| follow(attributes, path)).map_or(Value::Null, Value::Json)
            }
            Expr::Annotation(position, part) => annotation_part(self.annotations[*position], *part),
            Expr::Cast(cast, inner) => cast_value(*cast, self.value(inner)?),
            Expr::Negative(inner) => {
                self.value(inner)?.number().map_or(Value::Null, |number| Value::Number(number.negated()))
            }
            Expr::Arithmetic(operator, left, right) => {
                let numbers = (self.value(left)?.number(), self.value(right)?.number());
                let (Some(left), Some(right)) = numbers else { return Ok(Value::Null) };
                calculate(*operator, left, right)
            }
            Expr::Joined(left, right) => {
                let texts = (self.value(left)?.into_text(), self.value(right)?.into_text());
                let (Some(left), Some(right)) = texts else { return Ok(Value::Null) };
                Value::Text(Cow::Owned(format!("{left}{right}")))
            }
            Expr::Compare(order, read_as, left, right) => {
                let (left, right) =
                    (self.value(left)?.read_as(*read_as), self.value(right)?.read_as(*read_as));
                Value::known(left.compare(&right).map(|found| order.allows(found)))
            }
            Expr::OneOf(value, read_as, items) => self.one_of(value, *read_as, items)?,
            Expr::Contains(part, whole) => self.contains(part, whole)?,
            Expr::IsNull(inner) => Value::Boolean(self.value(inner)?.is_null()),
            Expr::Not(inner) => Value::known(self.value(inner)?.boolean().map(|value| !value)),
            Expr::And(operands) => self.joined(operands, false)?,
            Expr::Or(operands) => self.joined(operands, true)?,
            Expr::Reduce(reduction) => self.reduce(reduction)?,
        })
    }

    /// `decisive` is the value of one operand that decides the whole: true for `or`, false for `and`.
    fn joined(&mut self, operands: &'a [Expr], decisive: bool) -> Result<Value<'a>, TooCostly> {
        let mut unknown = false;
        for operand in operands {
            match self.value(operand)?.boolean() {
                Some(value) if value == decisive => return Ok(Value::Boolean(decisive)),
                Some(_) => {}
                None => unknown = true,
            }
        }
        Ok(if unknown { Value::Null } else { Value::Boolean(!decisive) })
    }

    fn one_of(&mut self, value: &'a Expr, read_as: Type, items: &'a [Expr]) -> Result<Value<'a>, TooCostly> {
        let value = self.value(value)?.read_as(read_as);
        let mut unknown = value.is_null() && !items.is_empty();
        for item in items {
            match value.compare(&self.value(item)?.read_as(read_as)) {
                Some(Ordering::Equal) => return Ok(Value::Boolean(true)),
                Some(_) => {}
                None => unknown = true,
            }
        }
        Ok(if unknown { Value::Null } else { Value::Boolean(false) })
    }

    fn contains(&mut self, part: &'a Expr, whole: &'a Expr) -> Result<Value<'a>, TooCostly> {
        let Some(part) = self.value(part)?.into_text() else { return Ok(Value::Null) };
        let part = part.to_lowercase();
        let holds = |text: Cow<str>| text.to_lowercase().contains(&part);
        if let Expr::Field(Place::Subject, field @ (Field::AnyInput | Field::AnyOutput)) = whole {
            let texts = self.subject.texts(*field).into_iter().filter_map(Value::into_text);
            return Ok(Value::Boolean(texts.into_iter().any(holds)));
        }
        Ok(Value::known(self.value(whole)?.into_text().map(holds)))
    }

    fn element(&mut self, place: Place) -> Result<Option<Element<'a>>, TooCostly> {
        Ok(match place {
            Place::Subject => Some(self.subject),
            Place::Variable(number) => Some(self.loops[number]),
            Place::ParentOf(number) => {
                let element = self.loops[number];
                self.spend(element.neighbours())?;
                element.parent()
            }
        })
    }

    fn reduce(&mut self, reduction: &'a Reduction) -> Result<Value<'a>, TooCostly> {
        let Some(of) = self.element(reduction.of)? else { return Ok(Value::Null) };
        if matches!(reduction.collection, Collection::Children | Collection::Siblings) {
            self.spend(of.neighbours())?;
        }
        let mut result = Reduced::start(reduction.how);
        for member in of.members(reduction.collection) {
            self.spend(1)?;
            self.loops.push(member);
            let done = self.take(reduction, &mut result);
            self.loops.pop();
            if done? {
                break;
            }
        }
        Ok(result.value)
    }

    /// Adds the element that the last loop variable stands for; true when no other can change the result.
    fn take(&mut self, reduction: &'a Reduction, result: &mut Reduced<'a>) -> Result<bool, TooCostly> {
        for condition in &reduction.conditions {
            if self.value(condition)?.boolean() != Some(true) {
                return Ok(false);
            }
        }
        let value = self.value(&reduction.value)?;
        Ok(result.add(reduction.how, value))
    }
}

/// The result of a reduction so far.
struct Reduced<'a> {
    value: Value<'a>,
}

impl<'a> Reduced<'a> {
    fn start(how: Reducer) -> Self {
        let value = match how {
            Reducer::Any => Value::Boolean(false),
            Reducer::All => Value::Boolean(true),
            Reducer::Count | Reducer::Sum => Value::int(0),
            Reducer::Max | Reducer::Min => Value::Null,
        };
        Self { value }
    }

    fn add(&mut self, how: Reducer, value: Value<'a>) -> bool {
        match how {
            Reducer::Any | Reducer::All => {
                let holds = value.boolean() == Some(true);
                let decided = holds == (how == Reducer::Any);
                if decided {
                    self.value = Value::Boolean(holds);
                }
                return decided;
            }
            Reducer::Count => self.value = plus(&self.value, Number::Int(1)),
            Reducer::Sum => {
                if let Some(number) = value.number() {
                    self.value = plus(&self.value, number);
                }
            }
            Reducer::Max | Reducer::Min => {
                let wanted = if how == Reducer::Max { Ordering::Greater } else { Ordering::Less };
                let first = self.value.is_null() && !value.is_null();
                if first || value.compare(&self.value) == Some(wanted) {
                    self.value = value;
                }
            }
        }
        false
    }
}

fn plus<'a>(sum: &Value<'_>, number: Number) -> Value<'a> {
    sum.number().map_or(Value::Null, |sum| calculate(Arithmetic::Add, sum, number))
}

impl Order {
    fn allows(self, found: Ordering) -> bool {
        match self {
            Self::Equal => found.is_eq(),
            Self::NotEqual => found.is_ne(),
            Self::Less => found.is_lt(),
            Self::LessOrEqual => found.is_le(),
            Self::Greater => found.is_gt(),
            Self::GreaterOrEqual => found.is_ge(),
        }
    }
}

fn annotation_part(annotation: Option<&Annotation>, part: AnnotationPart) -> Value<'_> {
    match part {
        AnnotationPart::Exists => Value::Boolean(annotation.is_some()),
        AnnotationPart::Field(field) => {
            annotation.map_or(Value::Null, |annotation| annotation_field(annotation, field))
        }
    }
}

fn cast_value(cast: Cast, value: Value<'_>) -> Value<'_> {
    match cast {
        Cast::Number => value.number().map_or(Value::Null, Value::Number),
        Cast::WholeNumber => value.number().map_or(Value::Null, |number| Value::Number(number.truncated())),
        Cast::Text => value.into_text().map_or(Value::Null, Value::Text),
    }
}

/// Whole numbers stay whole where they can; a division by zero is null.
fn calculate<'a>(operator: Arithmetic, left: Number, right: Number) -> Value<'a> {
    if let (Number::Int(left), Number::Int(right)) = (left, right) {
        let whole = match operator {
            Arithmetic::Add => left.checked_add(right),
            Arithmetic::Subtract => left.checked_sub(right),
            Arithmetic::Multiply => left.checked_mul(right),
            Arithmetic::Remainder => left.checked_rem(right),
            Arithmetic::Divide => None,
        };
        if let Some(whole) = whole {
            return Value::int(whole);
        }
    }
    let (left, right) = (left.as_f64(), right.as_f64());
    Value::float(match operator {
        Arithmetic::Add => left + right,
        Arithmetic::Subtract => left - right,
        Arithmetic::Multiply => left * right,
        Arithmetic::Divide => left / right,
        Arithmetic::Remainder => left % right,
    })
}

fn follow<'a>(attributes: &'a Attributes, path: &[Step]) -> Option<&'a Json> {
    let (first, rest) = path.split_first()?;
    let found = match first {
        Step::Key(key) => attributes.get(key),
        Step::DottedKey(key) => attributes.get(key).or_else(|| dotted(attributes, key)),
        Step::Position(_) => None,
    };
    rest.iter().try_fold(found?, |value, step| match step {
        Step::Key(key) => value.get(key),
        Step::DottedKey(key) => value.get(key).or_else(|| dotted(value.as_object()?, key)),
        Step::Position(position) => value.as_array()?.get(*position),
    })
}

fn dotted<'a>(attributes: &'a Attributes, key: &str) -> Option<&'a Json> {
    let (first, rest) = key.split_once('.')?;
    rest.split('.').try_fold(attributes.get(first)?, |value, key| value.get(key))
}
