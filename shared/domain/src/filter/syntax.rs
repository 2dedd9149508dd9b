//! A condition as it is written, before its names mean anything.

use super::number::Number;

/// A part of a condition; `start..end` are bytes of the text.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    pub kind: NodeKind,
    pub start: usize,
    pub end: usize,
    /// Nodes on the longest way down. Bounded by the parser, as everything that walks a condition recurses.
    pub depth: usize,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum NodeKind {
    Null,
    Boolean(bool),
    Number(Number),
    Text(String),
    /// `a.b['c'][0]`; the first part is a name.
    Path(Vec<Part>),
    Call {
        function: String,
        arguments: Vec<Node>,
    },
    /// `[…]` or `(…,)`
    List(Vec<Node>),
    Comprehension(Box<Comprehension>),
    Negative(Box<Node>),
    Positive(Box<Node>),
    Arithmetic(Arithmetic, Box<Node>, Box<Node>),
    /// `a < b <= c`
    Compare(Box<Node>, Vec<(Comparison, Node)>),
    Not(Box<Node>),
    And(Vec<Node>),
    Or(Vec<Node>),
}

impl NodeKind {
    /// The nodes directly below.
    pub fn children(&self) -> Box<dyn Iterator<Item = &Node> + '_> {
        match self {
            Self::Null | Self::Boolean(_) | Self::Number(_) | Self::Text(_) | Self::Path(_) => {
                Box::new(std::iter::empty())
            }
            Self::Call { arguments: nodes, .. } | Self::List(nodes) | Self::And(nodes) | Self::Or(nodes) => {
                Box::new(nodes.iter())
            }
            Self::Comprehension(comprehension) => {
                let Comprehension { value, iterable, conditions, .. } = &**comprehension;
                Box::new([value, iterable].into_iter().chain(conditions))
            }
            Self::Negative(node) | Self::Positive(node) | Self::Not(node) => {
                Box::new(std::iter::once(&**node))
            }
            Self::Arithmetic(_, left, right) => Box::new([&**left, &**right].into_iter()),
            Self::Compare(first, links) => {
                Box::new(std::iter::once(&**first).chain(links.iter().map(|(_, node)| node)))
            }
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Part {
    Name(String),
    Key(String),
    Position(usize),
}

impl Part {
    pub fn as_name(&self) -> Option<&str> {
        match self {
            Self::Name(name) => Some(name),
            Self::Key(_) | Self::Position(_) => None,
        }
    }
}

/// `value for variable in iterable if condition …`
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Comprehension {
    pub value: Node,
    pub variable: String,
    pub iterable: Node,
    pub conditions: Vec<Node>,
    /// Whether it stands in brackets.
    pub is_list: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Order(Order),
    In,
    NotIn,
    Is,
    IsNot,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Order {
    /// Whether it needs more than equality.
    pub(super) fn orders(self) -> bool {
        !matches!(self, Self::Equal | Self::NotEqual)
    }
}
