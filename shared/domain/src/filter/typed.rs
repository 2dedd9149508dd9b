//! A condition whose names are resolved and whose types fit: what is evaluated, and what SQL is made of.

use super::names::{AnnotationTarget, Collection, Field, Type};
use super::number::Number;
use super::syntax::{Arithmetic, Order};
use crate::time::Timestamp;

/// An expression. Unknown is null, and nothing compares with it, as in SQL.
#[derive(Debug, Clone, PartialEq)]
pub enum Expr {
    Literal(Literal),
    Field(Place, Field),
    /// An attribute of the span, of the root span for traces and sessions.
    Attribute(Vec<Step>),
    /// `annotations['name'].score`, by its position in [`super::Condition::annotations`].
    Annotation(usize, AnnotationPart),
    /// The value read as another type, null where it cannot be.
    Cast(Cast, Box<Self>),
    Negative(Box<Self>),
    Arithmetic(Arithmetic, Box<Self>, Box<Self>),
    /// Texts one behind the other.
    Joined(Box<Self>, Box<Self>),
    /// Both sides are read as the type first.
    Compare(Order, Type, Box<Self>, Box<Self>),
    /// The value, read as the type, is one of those.
    OneOf(Box<Self>, Type, Vec<Self>),
    /// The second text holds the first, in any case.
    Contains(Box<Self>, Box<Self>),
    IsNull(Box<Self>),
    Not(Box<Self>),
    And(Vec<Self>),
    Or(Vec<Self>),
    Reduce(Box<Reduction>),
}

#[derive(Debug, Clone, PartialEq)]
pub enum Literal {
    Null,
    Boolean(bool),
    Number(Number),
    Text(String),
    Time(Timestamp),
}

/// Whose field it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    Subject,
    /// The loop variable of this number, the outermost is 0.
    Variable(usize),
    ParentOf(usize),
}

/// One step into nested attributes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    Key(String),
    /// A key that stands for a path when there is no such key, as in `attributes['a.b']` of traces.
    DottedKey(String),
    Position(usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnnotationPart {
    Exists,
    Field(Field),
}

/// An annotation that a condition looks up by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnnotationName {
    pub target: AnnotationTarget,
    pub name: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cast {
    Number,
    WholeNumber,
    Text,
}

/// `how(value for variable in collection if conditions)`
#[derive(Debug, Clone, PartialEq)]
pub struct Reduction {
    pub how: Reducer,
    pub of: Place,
    pub collection: Collection,
    pub conditions: Vec<Expr>,
    /// Not read by [`Reducer::Count`].
    pub value: Expr,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reducer {
    Any,
    All,
    Count,
    Sum,
    Max,
    Min,
}
