//! Attributes that conditions compare with literals, as far as the facets of a row tell.
//!
//! Every arm lets rows through whose facets are incomplete, and those whose facet is of a type that the evaluator may still
//! read as the one that is asked for.

use bennu_domain::facets::{facet_texts, is_facet_path};
use bennu_domain::filter::{Cast, Flavour, Literal, Number, Order, Step, Type};
use sea_orm::DbBackend;
use sea_orm::sea_query::{Expr as Sql, ExprTrait as _, SimpleExpr};

use super::logic::{Narrowing, ordered};

/// Doubles differ in their last digits between the engines and this code.
const SLACK: f64 = 1e-9;

impl Narrowing {
    /// `attribute order literal`, where the attribute is read as the type of the literal.
    pub(super) fn attribute(
        self,
        path: &[Step],
        order: Order,
        read_as: Type,
        literal: &Literal,
    ) -> Option<SimpleExpr> {
        let facet = self.facet(path)?;
        let found = match (literal, read_as) {
            (Literal::Text(text), Type::Text) => facet_is_text(&facet, order, text)?,
            (Literal::Number(number), Type::Number) => facet_is_number(&facet, order, *number),
            (Literal::Boolean(value), Type::Boolean) => {
                // 1 and the text "true" count as true: only the opposite boolean is out.
                let opposite = (order == Order::Equal) != *value;
                facet.is(&format!("= '{opposite}'")).not().and(facet.exists())
            }
            _ => return None,
        };
        Some(found.or(incomplete()))
    }

    /// `float(attribute) order literal` and the like.
    pub(super) fn cast_attribute(
        self,
        cast: Cast,
        path: &[Step],
        order: Order,
        literal: &Literal,
    ) -> Option<SimpleExpr> {
        let read_as = match cast {
            Cast::Number => Type::Number,
            Cast::Text => Type::Text,
            Cast::WholeNumber => return None,
        };
        self.attribute(path, order, read_as, literal)
    }

    /// `attribute is None`.
    pub(super) fn missing_attribute(self, path: &[Step]) -> Option<SimpleExpr> {
        Some(self.facet(path)?.exists().not().or(incomplete()))
    }

    /// The facet at a path; `None` if rows have none there.
    fn facet(self, path: &[Step]) -> Option<Facet> {
        if self.flavour != Flavour::Span {
            return None;
        }
        let keys = path.iter().map(|step| match step {
            Step::Key(key) if !key.contains('.') => Some(key.as_str()),
            _ => None,
        });
        let path = keys.collect::<Option<Vec<_>>>()?.join(".");
        is_facet_path(&path).then_some(Facet { dialect: self.dialect, path })
    }
}

fn facet_is_text(facet: &Facet, order: Order, text: &str) -> Option<SimpleExpr> {
    // Only equality: orders of text differ between the engines. Lists and objects are no facets.
    if order != Order::Equal || text.starts_with(['[', '{']) {
        return None;
    }
    let equal = facet.is_one_of(facet_texts(text));
    // Numbers and booleans are read as their JSON.
    let is_json = serde_json::from_str::<serde_json::Value>(text).is_ok_and(|value| !value.is_string());
    Some(if is_json { equal.or(facet.is("<> 'text'")) } else { equal })
}

fn facet_is_number(facet: &Facet, order: Order, number: Number) -> SimpleExpr {
    let middle = number.as_f64();
    let slack = middle.abs() * SLACK;
    let numeric = match order {
        Order::Equal => facet.number().between(middle - slack, middle + slack),
        Order::NotEqual => facet.exists(),
        Order::Less | Order::LessOrEqual => {
            ordered(facet.number(), Order::LessOrEqual, Sql::value(middle + slack))
        }
        Order::Greater | Order::GreaterOrEqual => {
            ordered(facet.number(), Order::GreaterOrEqual, Sql::value(middle - slack))
        }
    };
    // Text may hold a number, and true is 1.
    facet.is("IN ('integer', 'real', 'number')").and(numeric).or(facet.is("IN ('text', 'true', 'false')"))
}

fn incomplete() -> SimpleExpr {
    Sql::cust("NOT facets_complete")
}

/// A scalar among the facets of a row.
struct Facet {
    dialect: DbBackend,
    path: String,
}

impl Facet {
    fn argument(&self) -> String {
        match self.dialect {
            DbBackend::Postgres => self.path.clone(),
            _ => format!("$.\"{}\"", self.path),
        }
    }

    /// A test of its type: `text`, `true`, `false`, and `integer` and `real`, or `number`. False if there is no facet.
    fn is(&self, test: &str) -> SimpleExpr {
        let sql = match self.dialect {
            DbBackend::Postgres => format!(
                "COALESCE(CASE jsonb_typeof(facets -> $1) WHEN 'string' THEN 'text' WHEN 'boolean' THEN facets ->> $1 \
                 ELSE jsonb_typeof(facets -> $1) END {test}, false)"
            ),
            _ => format!("COALESCE(json_type(facets, ?) {test}, 0)"),
        };
        self.custom(&sql)
    }

    fn exists(&self) -> SimpleExpr {
        self.custom(match self.dialect {
            DbBackend::Postgres => "COALESCE(jsonb_exists(facets, $1), false)",
            _ => "json_type(facets, ?) IS NOT NULL",
        })
    }

    /// The number; only where the type says that it is one.
    fn number(&self) -> SimpleExpr {
        self.custom(match self.dialect {
            DbBackend::Postgres => {
                "CASE WHEN jsonb_typeof(facets -> $1) = 'number' THEN (facets ->> $1)::double precision END"
            }
            _ => "json_extract(facets, ?)",
        })
    }

    fn is_one_of(&self, [one, other]: [String; 2]) -> SimpleExpr {
        let sql = match self.dialect {
            DbBackend::Postgres => {
                "COALESCE(jsonb_typeof(facets -> $1) = 'string' AND facets ->> $1 IN ($2, $3), false)"
            }
            _ => "COALESCE(json_extract(facets, ?) IN (?, ?), 0)",
        };
        Sql::cust_with_values(sql, [self.argument(), one, other])
    }

    fn custom(&self, sql: &str) -> SimpleExpr {
        Sql::cust_with_values(sql.to_owned(), [self.argument()])
    }
}
