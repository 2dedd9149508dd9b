//! The innermost part of the grammar: literals, names, calls, lists and comprehensions.

use super::error::ConditionError;
use super::number::Number;
use super::parse::{Parsed, Parser};
use super::syntax::{Comprehension, Node, NodeKind, Part};
use super::token::TokenKind;

impl Parser<'_> {
    pub fn atom(&mut self) -> Parsed {
        let start = self.start();
        let kind = match self.peek().clone() {
            TokenKind::Number(number) => NodeKind::Number(number),
            TokenKind::Sign("None") => NodeKind::Null,
            TokenKind::Sign("True") => NodeKind::Boolean(true),
            TokenKind::Sign("False") => NodeKind::Boolean(false),
            TokenKind::Text(text) => return self.texts(text),
            TokenKind::Name(_) => return self.path_or_call(),
            TokenKind::Sign("(") => return self.nested(Self::parenthesis),
            TokenKind::Sign("[") => return self.nested(Self::list),
            TokenKind::End => return Err(self.error("the condition ends too early")),
            TokenKind::Sign(_) => return Err(self.error("invalid syntax")),
        };
        self.next += 1;
        self.node(start, kind)
    }

    /// Literals side by side are one.
    fn texts(&mut self, mut joined: String) -> Parsed {
        let start = self.start();
        self.next += 1;
        while let TokenKind::Text(text) = self.peek() {
            joined.push_str(text);
            self.next += 1;
        }
        self.node(start, NodeKind::Text(joined))
    }

    fn path_or_call(&mut self) -> Parsed {
        let start = self.start();
        let name = self.name()?;
        if self.take("(") {
            let arguments = self.nested(|parser| parser.arguments(start, name))?;
            return Ok(arguments);
        }
        let mut parts = vec![Part::Name(name)];
        loop {
            if self.take(".") {
                parts.push(Part::Name(self.name()?));
            } else if self.take("[") {
                parts.push(self.key()?);
                self.expect("]")?;
            } else if matches!(self.peek(), TokenKind::Sign("(")) {
                return Err(self.error("methods cannot be called"));
            } else {
                return self.node(start, NodeKind::Path(parts));
            }
        }
    }

    fn key(&mut self) -> Result<Part, ConditionError> {
        let part = match self.peek() {
            TokenKind::Text(text) => Part::Key(text.clone()),
            TokenKind::Number(Number::Int(position)) => {
                Part::Position(usize::try_from(*position).unwrap_or(usize::MAX))
            }
            _ => return Err(self.error("a key is text or the position in a list")),
        };
        self.next += 1;
        Ok(part)
    }

    fn arguments(&mut self, start: usize, function: String) -> Parsed {
        let mut arguments = Vec::new();
        while !self.take(")") {
            let argument = self.or()?;
            arguments.push(if self.take("for") { self.comprehension(argument, false)? } else { argument });
            if !self.take(",") {
                self.close(start, ")")?;
                break;
            }
        }
        self.node(start, NodeKind::Call { function, arguments })
    }

    fn parenthesis(&mut self) -> Parsed {
        let start = self.start();
        self.next += 1;
        if self.take(")") {
            return self.node(start, NodeKind::List(Vec::new()));
        }
        let first = self.or()?;
        if !self.take(",") {
            self.close(start, ")")?;
            return Ok(first);
        }
        self.items(start, vec![first], ")")
    }

    fn list(&mut self) -> Parsed {
        let start = self.start();
        self.next += 1;
        if self.take("]") {
            return self.node(start, NodeKind::List(Vec::new()));
        }
        let first = self.or()?;
        if self.take("for") {
            let comprehension = self.comprehension(first, true)?;
            self.close(start, "]")?;
            return Ok(comprehension);
        }
        if self.take(",") {
            return self.items(start, vec![first], "]");
        }
        self.close(start, "]")?;
        self.node(start, NodeKind::List(vec![first]))
    }

    fn items(&mut self, start: usize, mut items: Vec<Node>, bracket: &str) -> Parsed {
        while !self.take(bracket) {
            items.push(self.or()?);
            if !self.take(",") {
                self.close(start, bracket)?;
                break;
            }
        }
        self.node(start, NodeKind::List(items))
    }

    /// The rest of a comprehension, behind `for`.
    fn comprehension(&mut self, value: Node, is_list: bool) -> Parsed {
        let start = value.start;
        let variable = self.name()?;
        self.expect("in")?;
        let iterable = self.sum()?;
        let mut conditions = Vec::new();
        while self.take("if") {
            conditions.push(self.or()?);
        }
        if matches!(self.peek(), TokenKind::Sign("for")) {
            return Err(self.error("a comprehension may have one `for` only"));
        }
        let comprehension = Comprehension { value, variable, iterable, conditions, is_list };
        self.node(start, NodeKind::Comprehension(Box::new(comprehension)))
    }

    /// Takes the bracket that closes the one at `start`.
    fn close(&mut self, start: usize, bracket: &str) -> Result<(), ConditionError> {
        match self.peek() {
            TokenKind::End => {
                Err(ConditionError::at(self.text, start, format!("`{bracket}` is missing for the bracket")))
            }
            _ => self.expect(bracket),
        }
    }
}
