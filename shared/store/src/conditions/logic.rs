//! The logic of conditions: what of `and`, `or` and `not` SQL can take over when it knows only some of the operands.

use bennu_domain::filter::{Expr, Field, Flavour, Literal, Order, Place, Type};
use sea_orm::DbBackend;
use sea_orm::sea_query::{Expr as Sql, ExprTrait, SimpleExpr};

/// A longer list of attribute values costs more in SQL than it saves.
const MOST_ITEMS: usize = 64;

/// Makes SQL of conditions of one flavour.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Narrowing {
    pub flavour: Flavour,
    pub dialect: DbBackend,
    pub tenant: i64,
}

impl Narrowing {
    /// SQL that holds for every row for which the condition holds; `None` if nothing can be told.
    pub fn of(self, condition: &Expr) -> Option<SimpleExpr> {
        self.rows(condition, true)
    }

    /// SQL that holds for every row for which the expression is `wanted`. Rows for which it is unknown may go.
    fn rows(self, expr: &Expr, wanted: bool) -> Option<SimpleExpr> {
        match expr {
            Expr::Literal(Literal::Boolean(value)) => (*value != wanted).then(|| Sql::value(false)),
            Expr::Not(inner) => self.rows(inner, !wanted),
            Expr::And(operands) => self.joined(operands, wanted, wanted),
            Expr::Or(operands) => self.joined(operands, wanted, !wanted),
            Expr::Compare(order, read_as, left, right) => {
                let order = if wanted { *order } else { opposite(*order) };
                self.comparison(order, *read_as, left, right)
                    .or_else(|| self.comparison(mirrored(order), *read_as, right, left))
            }
            Expr::OneOf(value, read_as, items) => self.one_of(value, *read_as, items, wanted),
            Expr::Contains(part, whole) => self.contains(part, whole, wanted),
            Expr::IsNull(inner) => self.is_null(inner, wanted),
            _ => None,
        }
    }

    /// All of the operands that can be told, or, where any may hold, all of them or nothing.
    fn joined(self, operands: &[Expr], wanted: bool, all: bool) -> Option<SimpleExpr> {
        let rows = operands.iter().map(|operand| self.rows(operand, wanted));
        match all {
            true => rows.flatten().reduce(ExprTrait::and),
            false => rows.collect::<Option<Vec<_>>>()?.into_iter().reduce(ExprTrait::or),
        }
    }

    fn comparison(self, order: Order, read_as: Type, left: &Expr, right: &Expr) -> Option<SimpleExpr> {
        let Expr::Literal(literal) = right else { return None };
        match left {
            Expr::Field(Place::Subject, field) => self.column(*field, order, literal),
            Expr::Attribute(path) => self.attribute(path, order, read_as, literal),
            Expr::Cast(cast, inner) => match &**inner {
                Expr::Attribute(path) => self.cast_attribute(*cast, path, order, literal),
                _ => None,
            },
            _ => None,
        }
    }

    fn one_of(self, value: &Expr, read_as: Type, items: &[Expr], wanted: bool) -> Option<SimpleExpr> {
        if items.is_empty() {
            return wanted.then(|| Sql::value(false));
        }
        if let Expr::Field(Place::Subject, field) = value
            && let Some(rows) = self.column_one_of(*field, items, wanted)
        {
            return Some(rows);
        }
        if items.len() > MOST_ITEMS {
            return None;
        }
        let order = if wanted { Order::Equal } else { Order::NotEqual };
        let rows = items.iter().map(|item| self.comparison(order, read_as, value, item));
        match wanted {
            true => rows.collect::<Option<Vec<_>>>()?.into_iter().reduce(ExprTrait::or),
            false => rows.flatten().reduce(ExprTrait::and),
        }
    }

    fn contains(self, part: &Expr, whole: &Expr, wanted: bool) -> Option<SimpleExpr> {
        let (Expr::Literal(Literal::Text(part)), Expr::Field(Place::Subject, field)) = (part, whole) else {
            return None;
        };
        let part = part.to_lowercase();
        self.codes(*field, |code| code.to_lowercase().contains(&part) == wanted)
    }

    fn is_null(self, inner: &Expr, wanted: bool) -> Option<SimpleExpr> {
        match inner {
            Expr::Field(Place::Subject, field @ (Field::ParentId | Field::ParentSpan)) => {
                self.parent(*field, wanted)
            }
            Expr::Attribute(path) if wanted => self.missing_attribute(path),
            _ => None,
        }
    }
}

fn opposite(order: Order) -> Order {
    match order {
        Order::Equal => Order::NotEqual,
        Order::NotEqual => Order::Equal,
        Order::Less => Order::GreaterOrEqual,
        Order::LessOrEqual => Order::Greater,
        Order::Greater => Order::LessOrEqual,
        Order::GreaterOrEqual => Order::Less,
    }
}

/// The order when the sides are exchanged.
fn mirrored(order: Order) -> Order {
    match order {
        Order::Equal | Order::NotEqual => order,
        Order::Less => Order::Greater,
        Order::LessOrEqual => Order::GreaterOrEqual,
        Order::Greater => Order::Less,
        Order::GreaterOrEqual => Order::LessOrEqual,
    }
}

/// `left order right` in SQL.
pub(super) fn ordered(left: SimpleExpr, order: Order, right: SimpleExpr) -> SimpleExpr {
    match order {
        Order::Equal => left.eq(right),
        Order::NotEqual => left.ne(right),
        Order::Less => left.lt(right),
        Order::LessOrEqual => left.lte(right),
        Order::Greater => left.gt(right),
        Order::GreaterOrEqual => left.gte(right),
    }
}
