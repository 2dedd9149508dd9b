//! The orders in which spans are walked, each that of an index, and places in them.

use sea_orm::sea_query::{Expr, ExprTrait as _, SelectStatement, SimpleExpr};
use sea_orm::{ColumnTrait as _, Condition as SqlCondition, Order, QueryTrait, Select};

use crate::entities::span;

/// Spans by start and then row id, or by row id alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SpanOrder {
    pub by_start: bool,
    pub ascending: bool,
}

/// The start of a span and its row id.
pub(crate) type Position = (i64, i64);

/// How far a walk has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    None,
    /// A row comes next, if it is still there.
    To(Position),
    Past(Position),
}

impl SpanOrder {
    pub const NEWEST_FIRST: Self = Self { by_start: true, ascending: false };

    pub fn sorted(self, mut rows: Select<span::Entity>) -> Select<span::Entity> {
        self.sort(QueryTrait::query(&mut rows));
        rows
    }

    pub fn sort(self, rows: &mut SelectStatement) {
        let order = || if self.ascending { Order::Asc } else { Order::Desc };
        if self.by_start {
            rows.order_by((span::Entity, span::Column::StartTime), order());
        }
        rows.order_by((span::Entity, span::Column::Id), order());
    }

    /// What is left.
    pub fn from(self, progress: Progress) -> SqlCondition {
        SqlCondition::all().add_option(match progress {
            Progress::None => None,
            Progress::To(first) => Some(self.bound(first, self.ascending)),
            Progress::Past(last) if self.ascending => Some(self.place().gt(self.value(last))),
            Progress::Past(last) => Some(self.place().lt(self.value(last))),
        })
    }

    /// Goes on until a row and with it.
    pub fn until(self, last: Position) -> SqlCondition {
        let (start, _) = last;
        // The start alone says nothing new, but lets SQLite find the place in the index.
        let on_start = self.by_start.then(|| match self.ascending {
            true => span::Column::StartTime.lte(start),
            false => span::Column::StartTime.gte(start),
        });
        SqlCondition::all().add_option(on_start).add(self.bound(last, !self.ascending))
    }

    fn bound(self, position: Position, is_least: bool) -> SimpleExpr {
        match is_least {
            true => self.place().gte(self.value(position)),
            false => self.place().lte(self.value(position)),
        }
    }

    fn place(self) -> SimpleExpr {
        match self.by_start {
            true => Expr::tuple([Expr::col(span::Column::StartTime), Expr::col(span::Column::Id)]),
            false => Expr::col(span::Column::Id),
        }
    }

    fn value(self, (start, row): Position) -> SimpleExpr {
        match self.by_start {
            true => Expr::tuple([Expr::value(start), Expr::value(row)]),
            false => Expr::value(row),
        }
    }
}
