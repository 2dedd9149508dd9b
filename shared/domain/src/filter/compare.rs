//! Types of comparisons.

use super::check::{Checked, Checker, as_text};
use super::error::ConditionError;
use super::names::Type;
use super::number::Number;
use super::syntax::{Comparison, Node, NodeKind, Order};
use super::typed::{Expr, Literal};
use crate::time::parse_zoned;

/// The middle of a chain `a < b < c` is evaluated twice; a deep one would double with every level of chains.
const DEEPEST_MIDDLE: usize = 4;

impl Checker<'_> {
    /// `a < b < c` is `a < b and b < c`.
    pub(super) fn comparison(
        &mut self,
        first: &Node,
        links: &[(Comparison, Node)],
    ) -> Result<Checked, ConditionError> {
        let mut left = first;
        let mut comparisons = Vec::with_capacity(links.len());
        for (position, (comparison, right)) in links.iter().enumerate() {
            if position + 1 < links.len() && right.depth > DEEPEST_MIDDLE {
                return Err(self.error(right, "write this chain as comparisons joined by `and`"));
            }
            comparisons.push(self.pair(left, *comparison, right)?);
            left = right;
        }
        let only = if comparisons.len() == 1 { comparisons.pop() } else { None };
        Ok(Checked::boolean(only.unwrap_or(Expr::And(comparisons))))
    }

    fn pair(&mut self, left: &Node, comparison: Comparison, right: &Node) -> Result<Expr, ConditionError> {
        let expr = match comparison {
            Comparison::In | Comparison::NotIn => self.membership(left, right)?,
            Comparison::Is | Comparison::IsNot
                if !matches!(right.kind, NodeKind::Null | NodeKind::Boolean(_)) =>
            {
                return Err(self.error(right, "`is` compares with None, True and False only; use `==`"));
            }
            Comparison::Is | Comparison::IsNot => self.ordered(left, Order::Equal, right)?,
            Comparison::Order(order) => return self.ordered(left, order, right),
        };
        let negated = matches!(comparison, Comparison::NotIn | Comparison::IsNot);
        Ok(if negated { Expr::Not(Box::new(expr)) } else { expr })
    }

    fn ordered(&mut self, left: &Node, order: Order, right: &Node) -> Result<Expr, ConditionError> {
        if matches!(left.kind, NodeKind::List(_)) || matches!(right.kind, NodeKind::List(_)) {
            return Err(self.error(left, "a list may only stand behind `in`"));
        }
        let (mut one, mut other) = (self.checked(left)?, self.checked(right)?);
        if one.of == Type::Null || other.of == Type::Null {
            let tested = if one.of == Type::Null { other } else { one };
            return self.null_test(left, order, tested);
        }
        let read_as = self.common_type(right, &mut one, &mut other)?;
        if read_as == Type::Boolean && order.orders() {
            return Err(self.error(left, "booleans have no order, use `==` or `!=`"));
        }
        // Of two attributes only numbers have an order that both sides mean.
        let read_as = if read_as == Type::Json && order.orders() { Type::Number } else { read_as };
        Ok(Expr::Compare(order, read_as, Box::new(one.expr), Box::new(other.expr)))
    }

    fn null_test(&self, node: &Node, order: Order, tested: Checked) -> Result<Expr, ConditionError> {
        if tested.of == Type::Texts {
            return Err(self.only_searched(node));
        }
        let is_null = Expr::IsNull(Box::new(tested.expr));
        match order {
            Order::Equal => Ok(is_null),
            Order::NotEqual => Ok(Expr::Not(Box::new(is_null))),
            _ => Err(self.error(node, "nothing is less or greater than None; use `is None`")),
        }
    }

    /// What both sides are read as; literals become what they are compared with.
    fn common_type(
        &self,
        node: &Node,
        one: &mut Checked,
        other: &mut Checked,
    ) -> Result<Type, ConditionError> {
        self.adapt_literal(node, one, other.of)?;
        self.adapt_literal(node, other, one.of)?;
        match (one.of, other.of) {
            (Type::Span, _) | (_, Type::Span) => {
                Err(self.error(node, "`parent_span` can only be compared to None"))
            }
            (Type::Texts, _) | (_, Type::Texts) => Err(self.only_searched(node)),
            (Type::Json, Type::Time) | (Type::Time, Type::Json) => {
                let message = "cannot compare a datetime and an attribute, use a literal such as '2026-01-02T03:04:05Z'";
                Err(self.error(node, message))
            }
            (Type::Text | Type::Code | Type::Json, Type::Text | Type::Code)
            | (Type::Text | Type::Code, Type::Json) => Ok(Type::Text),
            (one, Type::Json) => Ok(one),
            (Type::Json, other) => Ok(other),
            (one, other) if one == other => Ok(one),
            (of, with) => Err(self.cannot_compare(node, of, with, other)),
        }
    }

    fn adapt_literal(&self, node: &Node, literal: &mut Checked, with: Type) -> Result<(), ConditionError> {
        let Expr::Literal(Literal::Text(text)) = &literal.expr else { return Ok(()) };
        match with {
            Type::Code => literal.expr = Expr::Literal(Literal::Text(text.to_uppercase())),
            Type::Time => {
                let time = parse_zoned(text).map_err(|reason| {
                    self.error(node, format!("invalid datetime literal '{text}': {reason}"))
                })?;
                *literal = Checked { expr: Expr::Literal(Literal::Time(time)), of: Type::Time };
            }
            _ => {}
        }
        Ok(())
    }

    fn cannot_compare(&self, node: &Node, of: Type, with: Type, right: &Checked) -> ConditionError {
        let mut message = format!("cannot compare {} and {}", of.word(), with.word());
        if let (Type::Number, Expr::Literal(Literal::Text(text))) = (of, &right.expr)
            && Number::parse_text(text).is_some()
        {
            message = format!("{message}, write {text} instead of '{text}'");
        }
        self.error(node, message)
    }

    fn only_searched(&self, node: &Node) -> ConditionError {
        self.error(node, "this can only be searched: write `'text' in …`")
    }

    fn membership(&mut self, left: &Node, right: &Node) -> Result<Expr, ConditionError> {
        let value = self.checked(left)?;
        match &right.kind {
            NodeKind::List(items) => self.one_of(left, value, items),
            NodeKind::Text(_) => Err(self.error(right, "`in` expects a list or a text field on the right")),
            _ => self.contains(right, value),
        }
    }

    fn contains(&mut self, right: &Node, value: Checked) -> Result<Expr, ConditionError> {
        let searched = self.checked(right)?;
        let is_text = |of| matches!(of, Type::Text | Type::Code | Type::Json);
        if !is_text(value.of) || !(is_text(searched.of) || searched.of == Type::Texts) {
            let message = format!("cannot compare {} and {}", value.of.word(), searched.of.word());
            return Err(self.error(right, message));
        }
        Ok(Expr::Contains(Box::new(as_text(value)), Box::new(as_text(searched))))
    }

    fn one_of(&mut self, left: &Node, mut value: Checked, items: &[Node]) -> Result<Expr, ConditionError> {
        if value.is_literal() {
            return Err(self.error(left, "expected a field on the left of `in`, not a literal"));
        }
        let mut read_as: Option<Type> = None;
        let mut found = Vec::with_capacity(items.len());
        for item in items {
            let mut checked = match &item.kind {
                NodeKind::Null => {
                    return Err(self.error(item, "None never matches in a list; use `is None`"));
                }
                NodeKind::List(_) => return Err(self.error(item, "lists cannot be nested")),
                _ => self.checked(item)?,
            };
            let common = self.common_type(item, &mut value, &mut checked)?;
            if let Some(first) = read_as.filter(|first| *first != common) {
                let message = format!("cannot compare {} and {}", common.word(), first.word());
                return Err(self.error(item, message));
            }
            read_as = Some(common);
            found.push(checked.expr);
        }
        Ok(Expr::OneOf(Box::new(value.expr), read_as.unwrap_or(Type::Text), found))
    }
}
