//! The grammar of conditions, that of Python expressions: from words to [`Node`]s, by recursive descent.

use super::error::ConditionError;
use super::syntax::{Arithmetic, Comparison, Node, NodeKind, Order};
use super::token::{Token, TokenKind, tokens};

/// Longest condition in bytes: ten thousand span ids in a list, with room. A word takes ten times its size when parsed.
pub const MAX_CONDITION_BYTES: usize = 256 << 10;
/// Most nodes on the way down from the whole condition to a word. People nest a handful; a parser in a debug build
/// takes some 10 KB of stack a level, and threads have 2 MB.
const MAX_DEPTH: usize = 64;

/// Parses a whole condition.
pub(super) fn parse(text: &str) -> Result<Node, ConditionError> {
    if text.len() > MAX_CONDITION_BYTES {
        let message = format!("a condition may have {MAX_CONDITION_BYTES} bytes, this one goes on");
        return Err(ConditionError::at(text, MAX_CONDITION_BYTES, message));
    }
    let mut parser = Parser { text, tokens: tokens(text)?, next: 0, open: 0 };
    let condition = parser.or()?;
    match parser.peek() {
        TokenKind::End => Ok(condition),
        TokenKind::Sign(")" | "]" | "}") => Err(parser.error("a bracket is closed that was never opened")),
        _ => Err(parser.error("invalid syntax")),
    }
}

pub(super) struct Parser<'t> {
    pub text: &'t str,
    tokens: Vec<Token>,
    pub next: usize,
    /// Calls in progress that nest.
    open: usize,
}

pub(super) type Parsed = Result<Node, ConditionError>;

impl Parser<'_> {
    pub fn peek(&self) -> &TokenKind {
        &self.tokens[self.next].kind
    }

    pub fn start(&self) -> usize {
        self.tokens[self.next].start
    }

    /// Where the last word taken ends.
    fn end(&self) -> usize {
        self.next.checked_sub(1).map_or(0, |last| self.tokens[last].end)
    }

    pub fn error(&self, message: &str) -> ConditionError {
        ConditionError::at(self.text, self.start(), message)
    }

    /// Takes the sign if it is next.
    pub fn take(&mut self, sign: &str) -> bool {
        let found = matches!(self.peek(), TokenKind::Sign(next) if *next == sign);
        self.next += usize::from(found);
        found
    }

    pub fn expect(&mut self, sign: &str) -> Result<(), ConditionError> {
        if self.take(sign) { Ok(()) } else { Err(self.error(&format!("expected `{sign}`"))) }
    }

    pub fn name(&mut self) -> Result<String, ConditionError> {
        let TokenKind::Name(name) = self.peek() else { return Err(self.error("expected a name")) };
        let name = name.clone();
        self.next += 1;
        Ok(name)
    }

    pub fn node(&self, start: usize, kind: NodeKind) -> Parsed {
        let depth = 1 + kind.children().map(|child| child.depth).max().unwrap_or(0);
        if depth > MAX_DEPTH {
            return Err(ConditionError::at(self.text, start, "the condition is nested too deeply"));
        }
        Ok(Node { kind, start, end: self.end(), depth })
    }

    /// Runs a rule that may come back to itself.
    pub fn nested(&mut self, rule: impl FnOnce(&mut Self) -> Parsed) -> Parsed {
        if self.open == MAX_DEPTH {
            return Err(self.error("the condition is nested too deeply"));
        }
        self.open += 1;
        let parsed = rule(self);
        self.open -= 1;
        parsed
    }

    pub fn or(&mut self) -> Parsed {
        self.joined("or", Self::and, NodeKind::Or)
    }

    fn and(&mut self) -> Parsed {
        self.joined("and", Self::not, NodeKind::And)
    }

    fn joined(
        &mut self,
        sign: &str,
        operand: impl Fn(&mut Self) -> Parsed,
        kind: impl FnOnce(Vec<Node>) -> NodeKind,
    ) -> Parsed {
        let start = self.start();
        let first = operand(self)?;
        if !self.take(sign) {
            return Ok(first);
        }
        let mut operands = vec![first, operand(self)?];
        while self.take(sign) {
            operands.push(operand(self)?);
        }
        self.node(start, kind(operands))
    }

    fn not(&mut self) -> Parsed {
        let start = self.start();
        if !self.take("not") {
            return self.comparison();
        }
        let operand = self.nested(Self::not)?;
        self.node(start, NodeKind::Not(Box::new(operand)))
    }

    fn comparison(&mut self) -> Parsed {
        let start = self.start();
        let first = self.sum()?;
        let mut links = Vec::new();
        while let Some(comparison) = self.comparison_sign()? {
            links.push((comparison, self.sum()?));
        }
        if links.is_empty() { Ok(first) } else { self.node(start, NodeKind::Compare(Box::new(first), links)) }
    }

    fn comparison_sign(&mut self) -> Result<Option<Comparison>, ConditionError> {
        let TokenKind::Sign(sign) = self.peek() else { return Ok(None) };
        let comparison = match *sign {
            "==" => Comparison::Order(Order::Equal),
            "!=" => Comparison::Order(Order::NotEqual),
            "<" => Comparison::Order(Order::Less),
            "<=" => Comparison::Order(Order::LessOrEqual),
            ">" => Comparison::Order(Order::Greater),
            ">=" => Comparison::Order(Order::GreaterOrEqual),
            "in" => Comparison::In,
            "is" => Comparison::Is,
            "not" => Comparison::NotIn,
            "=" => return Err(self.error("`=` does not compare, write `==`")),
            _ => return Ok(None),
        };
        self.next += 1;
        Ok(Some(match comparison {
            Comparison::NotIn => {
                self.expect("in")?;
                Comparison::NotIn
            }
            Comparison::Is if self.take("not") => Comparison::IsNot,
            other => other,
        }))
    }

    pub fn sum(&mut self) -> Parsed {
        self.arithmetic(Self::product, |sign| match sign {
            "+" => Some(Arithmetic::Add),
            "-" => Some(Arithmetic::Subtract),
            _ => None,
        })
    }

    fn product(&mut self) -> Parsed {
        self.arithmetic(Self::unary, |sign| match sign {
            "*" => Some(Arithmetic::Multiply),
            "/" => Some(Arithmetic::Divide),
            "%" => Some(Arithmetic::Remainder),
            _ => None,
        })
    }

    fn arithmetic(
        &mut self,
        operand: impl Fn(&mut Self) -> Parsed,
        operator: impl Fn(&str) -> Option<Arithmetic>,
    ) -> Parsed {
        let start = self.start();
        let mut left = operand(self)?;
        while let TokenKind::Sign(sign) = self.peek() {
            if ["**", "//"].contains(sign) {
                return Err(self.error("only the operators + - * / % calculate"));
            }
            let Some(operator) = operator(sign) else { break };
            self.next += 1;
            let right = operand(self)?;
            left = self.node(start, NodeKind::Arithmetic(operator, Box::new(left), Box::new(right)))?;
        }
        Ok(left)
    }

    fn unary(&mut self) -> Parsed {
        let start = self.start();
        let negative = self.take("-");
        if !negative && !self.take("+") {
            return self.atom();
        }
        let operand = Box::new(self.nested(Self::unary)?);
        self.node(start, if negative { NodeKind::Negative(operand) } else { NodeKind::Positive(operand) })
    }
}
