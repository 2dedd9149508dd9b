//! Spans that a condition selects, newest first, in batches: narrow rows are selected in SQL, their spans are read from the
//! blocks, and the condition has the last word on each.

use bennu_domain::filter::{Condition, Flavour, Needs, SpanFacts, Subject};
use bennu_domain::ids::{ProjectId, SpanRowId};
use bennu_domain::time::Timestamp;
use sea_orm::sea_query::{Expr, ExprTrait as _, SimpleExpr};
use sea_orm::{
    ColumnTrait as _, Condition as SqlCondition, EntityTrait as _, QueryFilter as _, QueryOrder as _,
    QuerySelect as _,
};

use crate::blocks::load_spans;
use crate::conditions::{DemandedIds, Narrowing, parent_is_missing};
use crate::entities::span;
use crate::error::StoreError;
use crate::store::ScopedStore;

/// Rows read at once: bounds the memory, as every row brings its span.
const MOST_ROWS: u64 = 1_024;
/// Rows of the first batch; a caller who wants a few spans reads no more.
const FIRST_ROWS: u64 = 64;

/// Which spans to scan.
#[derive(Debug, Clone)]
pub struct SpanSelection {
    pub project: ProjectId,
    pub condition: Option<Condition>,
    pub roots: Option<Roots>,
    /// Inclusive, on the start of the span.
    pub start: Option<Timestamp>,
    /// Exclusive, on the start of the span.
    pub end: Option<Timestamp>,
    /// What the caller reads of the facts besides what the condition does.
    pub needs: Needs,
}

/// Spans without a parent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Roots {
    /// Their parent id is empty.
    Strict,
    /// Their parent is not stored.
    WithOrphans,
}

/// A scan in progress. What is written meanwhile may or may not be seen.
pub struct SpanScan<'s> {
    scoped: ScopedStore<'s>,
    selection: &'s SpanSelection,
    /// Start and row id of the last row read.
    last: Option<(i64, i64)>,
    rows: u64,
    exhausted: bool,
    /// What there is to select from, made with the first batch.
    narrowing: Option<SqlCondition>,
}

impl<'s> ScopedStore<'s> {
    /// Begins a scan; `wanted` is how many spans the caller is likely to take.
    pub fn scan_spans(self, selection: &'s SpanSelection, wanted: usize) -> SpanScan<'s> {
        let rows = u64::clamp(wanted as u64, FIRST_ROWS, MOST_ROWS);
        SpanScan { scoped: self, selection, last: None, rows, exhausted: false, narrowing: None }
    }
}

impl SpanScan<'_> {
    /// The next spans that match, at times none; `None` behind the last ones.
    pub async fn next(&mut self) -> Result<Option<Vec<(SpanRowId, SpanFacts)>>, StoreError> {
        if self.exhausted {
            return Ok(None);
        }
        let rows = self.read_rows().await?;
        self.exhausted = (rows.len() as u64) < self.rows;
        self.last = rows.last().map(|row| (row.start_time, row.id));
        self.rows = u64::clamp(self.rows * 2, FIRST_ROWS, MOST_ROWS);
        let spans = load_spans(self.scoped, &rows).await?;
        let (rows, spans): (Vec<_>, Vec<_>) =
            rows.into_iter().zip(spans).filter_map(|(row, span)| Some((row, span?))).unzip();
        let needs = self.selection.needs.and(self.selection.condition.as_ref().map(Condition::needs));
        let facts = self.scoped.span_facts(&rows, spans, needs).await?;
        let mut found = Vec::with_capacity(facts.len());
        for (row, facts) in rows.into_iter().zip(facts) {
            if let Some(condition) = &self.selection.condition
                && !condition.holds(Subject::Span(&facts))?
            {
                continue;
            }
            found.push((SpanRowId(row.id), facts));
        }
        Ok(Some(found))
    }

    async fn read_rows(&mut self) -> Result<Vec<span::Model>, StoreError> {
        let narrowing = match &self.narrowing {
            Some(narrowing) => narrowing.clone(),
            None => self.narrowing.insert(self.scoped.narrowing_of(self.selection).await?).clone(),
        };
        let rows = span::Entity::find()
            .filter(narrowing)
            .filter(SqlCondition::all().add_option(self.last.map(behind)))
            .order_by(span::Column::StartTime, sea_orm::Order::Desc)
            .order_by(span::Column::Id, sea_orm::Order::Desc)
            .limit(self.rows);
        Ok(rows.all(&self.scoped.store.read).await?)
    }
}

impl ScopedStore<'_> {
    async fn narrowing_of(self, selection: &SpanSelection) -> Result<SqlCondition, StoreError> {
        let expr = selection.condition.as_ref().map(Condition::expr);
        let dialect = self.store.read.get_database_backend();
        let narrowing = Narrowing { flavour: Flavour::Span, dialect, tenant: self.tenant };
        let demanded = expr.map(DemandedIds::of).unwrap_or_default();
        // With ids given, their index is the way in; an expression keeps SQLite from walking the whole project.
        let in_project = match demanded.any() {
            true => Expr::col(span::Column::ProjectId).add(0).eq(selection.project.0),
            false => span::Column::ProjectId.eq(selection.project.0),
        };
        let with_ids = match &demanded.spans {
            Some(ids) => Some(self.span_rows_with_ids(ids).await?.into_iter().map(|(_, row)| row.0)),
            None => None,
        };
        Ok(SqlCondition::all()
            .add(span::Column::TenantId.eq(self.tenant))
            .add(in_project)
            .add_option(with_ids.map(|rows| span::Column::Id.is_in(rows)))
            .add_option(selection.start.map(|start| span::Column::StartTime.gte(start.0)))
            .add_option(selection.end.map(|end| span::Column::StartTime.lt(end.0)))
            .add_option(selection.roots.map(|roots| match roots {
                Roots::Strict => span::Column::ParentId.is_null(),
                Roots::WithOrphans => parent_is_missing(),
            }))
            .add_option(expr.and_then(|expr| narrowing.of(expr))))
    }
}

fn behind((start, row): (i64, i64)) -> SimpleExpr {
    let position = Expr::tuple([Expr::col(span::Column::StartTime), Expr::col(span::Column::Id)]);
    position.lt(Expr::tuple([Expr::value(start), Expr::value(row)]))
}
