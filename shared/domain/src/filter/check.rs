//! Types of a condition: from [`Node`]s to an [`Expr`] that can be evaluated.

use super::error::ConditionError;
use super::names::{Flavour, Record, Type};
use super::number::Number;
use super::syntax::{Arithmetic, Comprehension, Node, NodeKind};
use super::typed::{AnnotationName, Cast, Expr, Literal, Reducer, Reduction};

/// Comprehensions inside one another: spans of a trace times spans of a trace is as much as one condition may ask.
const MOST_LOOPS: usize = 2;

pub(super) struct Checker<'t> {
    pub text: &'t str,
    pub flavour: Flavour,
    /// The loop variables in sight, outermost first, and what they are.
    pub scope: Vec<(String, Record)>,
    pub annotations: Vec<AnnotationName>,
}

/// An expression and its type.
#[derive(Debug, Clone)]
pub(super) struct Checked {
    pub expr: Expr,
    pub of: Type,
}

impl Checked {
    pub fn boolean(expr: Expr) -> Self {
        Self { expr, of: Type::Boolean }
    }

    pub fn is_literal(&self) -> bool {
        matches!(self.expr, Expr::Literal(_))
    }
}

impl<'t> Checker<'t> {
    pub fn record(&self) -> Record {
        self.flavour.record()
    }

    pub fn text_of(&self, node: &Node) -> &'t str {
        &self.text[node.start..node.end]
    }

    pub fn error(&self, node: &Node, message: impl Into<String>) -> ConditionError {
        ConditionError::at(self.text, node.start, message)
    }

    /// Something that is true or false; a literal only where `literals` may stand.
    pub fn condition(&mut self, node: &Node, literals: bool) -> Result<Expr, ConditionError> {
        let checked = self.checked(node)?;
        match checked.of {
            Type::Boolean if literals || !checked.is_literal() => Ok(checked.expr),
            _ => {
                let text = self.text_of(node);
                Err(self.error(node, format!("`{text}` is not a condition, compare it with something")))
            }
        }
    }

    pub fn checked(&mut self, node: &Node) -> Result<Checked, ConditionError> {
        let literal = |literal, of| Ok(Checked { expr: Expr::Literal(literal), of });
        match &node.kind {
            NodeKind::Null => literal(Literal::Null, Type::Null),
            NodeKind::Boolean(value) => literal(Literal::Boolean(*value), Type::Boolean),
            NodeKind::Number(number) => literal(Literal::Number(*number), Type::Number),
            NodeKind::Text(text) => literal(Literal::Text(text.clone()), Type::Text),
            NodeKind::Path(parts) => self.path(node, parts),
            NodeKind::Negative(operand) => self.negative(operand),
            NodeKind::Positive(operand) => Ok(Checked { expr: self.number(operand)?, of: Type::Number }),
            NodeKind::Arithmetic(operator, left, right) => self.arithmetic(node, *operator, left, right),
            NodeKind::Compare(first, links) => self.comparison(first, links),
            NodeKind::Not(operand) => {
                Ok(Checked::boolean(Expr::Not(Box::new(self.condition(operand, true)?))))
            }
            NodeKind::And(operands) => Ok(Checked::boolean(Expr::And(self.conditions(operands)?))),
            NodeKind::Or(operands) => Ok(Checked::boolean(Expr::Or(self.conditions(operands)?))),
            NodeKind::Call { function, arguments } => self.call(node, function, arguments),
            NodeKind::List(_) => Err(self.error(node, "a list may only stand behind `in`")),
            NodeKind::Comprehension(_) => {
                Err(self.error(node, "a comprehension may only stand in all, any, len, max, min or sum"))
            }
        }
    }

    fn conditions(&mut self, nodes: &[Node]) -> Result<Vec<Expr>, ConditionError> {
        nodes.iter().map(|node| self.condition(node, true)).collect()
    }

    fn negative(&mut self, operand: &Node) -> Result<Checked, ConditionError> {
        let expr = match self.number(operand)? {
            Expr::Literal(Literal::Number(number)) => Expr::Literal(Literal::Number(number.negated())),
            other => Expr::Negative(Box::new(other)),
        };
        Ok(Checked { expr, of: Type::Number })
    }

    /// A number, or an attribute read as one.
    fn number(&mut self, node: &Node) -> Result<Expr, ConditionError> {
        let Checked { expr, of } = self.checked(node)?;
        match of {
            Type::Number => Ok(expr),
            Type::Json => Ok(Expr::Cast(Cast::Number, Box::new(expr))),
            other => Err(self.error(node, format!("invalid arithmetic operand: a {}", other.word()))),
        }
    }

    fn arithmetic(
        &mut self,
        node: &Node,
        operator: Arithmetic,
        left: &Node,
        right: &Node,
    ) -> Result<Checked, ConditionError> {
        let (one, other) = (self.checked(left)?, self.checked(right)?);
        let is_text = |of| matches!(of, Type::Text | Type::Code);
        let joins = operator == Arithmetic::Add
            && match (one.of, other.of) {
                (Type::Json, Type::Json) => true,
                (one, other) => (is_text(one) || is_text(other)) && joinable(one) && joinable(other),
            };
        if joins {
            let expr = Expr::Joined(Box::new(as_text(one)), Box::new(as_text(other)));
            return Ok(Checked { expr, of: Type::Text });
        }
        let number = |checked: Checked| match checked.of {
            Type::Number => Ok(Box::new(checked.expr)),
            Type::Json => Ok(Box::new(Expr::Cast(Cast::Number, Box::new(checked.expr)))),
            other => Err(self.error(node, format!("invalid arithmetic operands: a {}", other.word()))),
        };
        Ok(Checked { expr: Expr::Arithmetic(operator, number(one)?, number(other)?), of: Type::Number })
    }

    fn call(&mut self, node: &Node, function: &str, arguments: &[Node]) -> Result<Checked, ConditionError> {
        let reducer = match function {
            "any" => Reducer::Any,
            "all" => Reducer::All,
            "len" => Reducer::Count,
            "sum" => Reducer::Sum,
            "max" => Reducer::Max,
            "min" => Reducer::Min,
            "float" | "int" | "str" => return self.cast(node, function, arguments),
            _ => return Err(self.error(node, format!("there is no function `{function}`"))),
        };
        self.reduction(node, function, reducer, arguments)
    }

    fn cast(&mut self, node: &Node, function: &str, arguments: &[Node]) -> Result<Checked, ConditionError> {
        let [argument] = arguments else {
            return Err(self.error(node, format!("`{function}` takes one argument")));
        };
        let Checked { expr, of } = self.checked(argument)?;
        let (cast, target) = match function {
            "float" => (Cast::Number, Type::Number),
            "int" => (Cast::WholeNumber, Type::Number),
            _ => (Cast::Text, Type::Text),
        };
        let is_number_text = |text: &str| Number::parse_text(text).is_some();
        let castable = match (of, &expr) {
            (Type::Json, _) => true,
            (Type::Number | Type::Null, _) => target == Type::Number,
            (Type::Text, Expr::Literal(Literal::Text(text))) => target == Type::Text || is_number_text(text),
            (Type::Text | Type::Code, _) => target == Type::Text,
            _ => false,
        };
        if !castable {
            let message = format!("cannot cast {} to {}", of.word(), target.word());
            return Err(self.error(argument, message));
        }
        // Text stays what it is: kinds and codes are still compared in upper case.
        let of = if of == Type::Code { of } else { target };
        Ok(Checked { expr: Expr::Cast(cast, Box::new(expr)), of })
    }

    fn reduction(
        &mut self,
        node: &Node,
        function: &str,
        how: Reducer,
        arguments: &[Node],
    ) -> Result<Checked, ConditionError> {
        let [Node { kind: NodeKind::Comprehension(comprehension), .. }] = arguments else {
            let message =
                format!("`{function}` takes a comprehension such as `x.field > 0 for x in collection`");
            return Err(self.error(node, message));
        };
        if self.scope.len() == MOST_LOOPS {
            return Err(self.error(node, "comprehensions are nested too deeply"));
        }
        if self.scope.iter().any(|(known, _)| *known == comprehension.variable) {
            let message = format!("`{}` is already in use as a loop variable", comprehension.variable);
            return Err(self.error(node, message));
        }
        let (of, collection, element) = self.iterable(&comprehension.iterable)?;
        self.scope.push((comprehension.variable.clone(), element));
        let inside = self.inside(node, how, comprehension);
        self.scope.pop();
        let (conditions, value, result) = inside?;
        let reduction = Reduction { how, of, collection, conditions, value };
        Ok(Checked { expr: Expr::Reduce(Box::new(reduction)), of: result })
    }

    /// The conditions on elements, what is reduced, and the type of the result.
    fn inside(
        &mut self,
        node: &Node,
        how: Reducer,
        comprehension: &Comprehension,
    ) -> Result<(Vec<Expr>, Expr, Type), ConditionError> {
        let conditions: Result<_, _> =
            comprehension.conditions.iter().map(|node| self.condition(node, false)).collect();
        let (value, result) = self.reduced_value(node, how, comprehension)?;
        Ok((conditions?, value, result))
    }

    fn reduced_value(
        &mut self,
        node: &Node,
        how: Reducer,
        comprehension: &Comprehension,
    ) -> Result<(Expr, Type), ConditionError> {
        let value = &comprehension.value;
        if how == Reducer::Count {
            let whole = self.text_of(value) == comprehension.variable && comprehension.is_list;
            let null = Expr::Literal(Literal::Null);
            return match whole {
                true => Ok((null, Type::Number)),
                false => {
                    Err(self.error(node, "`len` counts elements: write `len([x for x in collection if …])`"))
                }
            };
        }
        if matches!(how, Reducer::Any | Reducer::All) {
            return Ok((self.condition(value, false)?, Type::Boolean));
        }
        let Checked { expr, of } = self.checked(value)?;
        match of {
            Type::Number => Ok((expr, of)),
            Type::Time if how != Reducer::Sum => Ok((expr, of)),
            other => Err(self.error(value, format!("only numbers are reduced, this is a {}", other.word()))),
        }
    }
}

fn joinable(of: Type) -> bool {
    matches!(of, Type::Text | Type::Code | Type::Json)
}

pub(super) fn as_text(checked: Checked) -> Expr {
    match checked.of {
        Type::Json => Expr::Cast(Cast::Text, Box::new(checked.expr)),
        _ => checked.expr,
    }
}
