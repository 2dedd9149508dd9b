//! A text that a condition demands is looked for in the bytes of spans, before their rows are read and they are decoded.
//!
//! Where the text is long enough, the filters of blocks tell first which of them may hold it. The spans of the project are then walked
//! window by window in SQL, and only those of such blocks are handed out.

use std::collections::VecDeque;
use std::sync::Arc;

use bennu_domain::filter::{Condition, DemandedGrams, DemandedText};
use sea_orm::sea_query::{Expr, ExprTrait as _, JoinType, Query, SelectStatement};
use sea_orm::{
    ColumnTrait as _, Condition as SqlCondition, ConnectionTrait as _, EntityTrait as _, QueryFilter as _,
    QuerySelect as _,
};

use crate::blocks::may_hold;
use crate::entities::{span, text_filter, trace_block};
use crate::error::StoreError;
use crate::pace::Pace;
use crate::span_order::{Position, Progress, SpanOrder};
use crate::store::ScopedStore;
use crate::text_filters::lets_pass;

/// Spans of a window at most: a statement takes some tenths of a second then, and answers rows of 2 MB at most.
const LARGEST_WINDOW: usize = 1 << 16;
/// As long as most spans are of blocks that may hold the text, windows are not larger than what is soon searched.
const LARGEST_FULL_WINDOW: usize = 1 << 12;

/// Start, row id, block and position in it.
type Place = (i64, i64, i64, i64);

/// What a search goes through.
#[derive(Debug, Clone)]
pub(crate) struct Narrowed {
    /// Rows for whose spans the condition may hold.
    pub rows: SqlCondition,
    /// All rows among which these are, as they are in the index of the order; `None` if there is a shorter way to them.
    pub walk: Option<SqlCondition>,
}

/// A search in progress.
pub(crate) struct SpanSearch {
    text: Arc<DemandedText>,
    order: SpanOrder,
    /// Of what is searched, by its bytes.
    pace: Pace,
    /// Spans of the next window.
    window: usize,
    progress: Progress,
    /// Spans whose bytes are to be searched.
    places: VecDeque<Place>,
    /// Rows that may hold the text and that nobody took yet.
    found: VecDeque<i64>,
    exhausted: bool,
}

impl SpanSearch {
    /// `None` if the condition demands no text.
    pub fn of(
        condition: Option<&Condition>,
        order: SpanOrder,
        progress: Progress,
        first_rows: usize,
    ) -> Option<Self> {
        Some(Self {
            text: Arc::new(DemandedText::of(condition?)?),
            order,
            pace: Pace::of(first_rows),
            window: first_rows,
            progress,
            places: VecDeque::new(),
            found: VecDeque::new(),
            exhausted: false,
        })
    }

    /// Searches the next spans unless some were found before, and answers at most so many rows, at times none.
    pub async fn next_rows(
        &mut self,
        scoped: ScopedStore<'_>,
        narrowed: &Narrowed,
        most: usize,
    ) -> Result<Vec<span::Model>, StoreError> {
        if self.found.is_empty() {
            self.search(scoped, narrowed).await?;
        }
        let taken: Vec<i64> = self.found.drain(..most.min(self.found.len())).collect();
        if taken.is_empty() {
            return Ok(Vec::new());
        }
        let rows = span::Entity::find()
            .filter(span::Column::TenantId.eq(scoped.tenant))
            .filter(span::Column::Id.is_in(taken));
        Ok(self.order.sorted(rows).all(&scoped.reads()).await?)
    }

    pub fn is_exhausted(&self) -> bool {
        self.exhausted && self.places.is_empty() && self.found.is_empty()
    }

    async fn search(&mut self, scoped: ScopedStore<'_>, narrowed: &Narrowed) -> Result<(), StoreError> {
        if self.places.is_empty() {
            let text = Arc::clone(&self.text);
            match (text.grams(), &narrowed.walk) {
                (Some(grams), Some(walk)) => self.walk_window(scoped, narrowed, walk, grams).await?,
                _ => self.read_page(scoped, narrowed).await?,
            }
        }
        let searched: Vec<Place> = self.places.drain(..self.pace.rows().min(self.places.len())).collect();
        if searched.is_empty() {
            return Ok(());
        }
        let places: Vec<(i64, i64)> = searched.iter().map(|(_, _, block, index)| (*block, *index)).collect();
        let (may_hold, bytes) = may_hold(scoped, &places, &self.text).await?;
        self.pace.follow(places.len(), bytes);
        self.found.extend(searched.iter().zip(may_hold).filter(|(_, may)| *may).map(|((_, id, ..), _)| *id));
        Ok(())
    }

    /// The next spans, of whatever blocks.
    async fn read_page(&mut self, scoped: ScopedStore<'_>, narrowed: &Narrowed) -> Result<(), StoreError> {
        let rows = span::Entity::find()
            .select_only()
            .columns(PLACE)
            .filter(narrowed.rows.clone())
            .filter(self.order.from(self.progress))
            .limit(self.pace.rows() as u64);
        let rows: Vec<Place> = self.order.sorted(rows).into_tuple().all(&scoped.reads()).await?;
        self.exhausted = rows.len() < self.pace.rows();
        if let Some((start, id, ..)) = rows.last() {
            self.progress = Progress::Past((*start, *id));
        }
        self.places.extend(rows);
        Ok(())
    }

    /// The next spans that are in blocks whose filters let the text pass.
    async fn walk_window(
        &mut self,
        scoped: ScopedStore<'_>,
        narrowed: &Narrowed,
        walk: &SqlCondition,
        grams: &DemandedGrams,
    ) -> Result<(), StoreError> {
        let end = self.end_of_window(scoped, walk).await?;
        let until = end.map(|end| self.order.until(end));
        let window = self.order.from(self.progress).add_option(until);
        let mut found = in_passing_blocks(scoped, narrowed, walk, &window, grams);
        self.order.sort(&mut found);
        for row in scoped.reads().query_all(&found).await? {
            let number = |index| row.try_get_by_index::<i64>(index);
            self.places.push_back((number(0)?, number(1)?, number(2)?, number(3)?));
        }
        match end {
            Some(end) => self.progress = Progress::Past(end),
            None => self.exhausted = true,
        }
        self.window = match self.places.len() * 4 < self.window {
            true => (self.window * 4).min(LARGEST_WINDOW),
            false => (self.window * 2).min(LARGEST_FULL_WINDOW).max(self.window),
        };
        Ok(())
    }

    /// The last span of the next window; `None` if it reaches to the end.
    async fn end_of_window(
        &self,
        scoped: ScopedStore<'_>,
        walk: &SqlCondition,
    ) -> Result<Option<Position>, StoreError> {
        let rows = span::Entity::find()
            .select_only()
            .columns([span::Column::StartTime, span::Column::Id])
            .filter(walk.clone())
            .filter(self.order.from(self.progress))
            .offset(self.window as u64 - 1)
            .limit(1);
        Ok(self.order.sorted(rows).into_tuple().one(&scoped.reads()).await?)
    }
}

const PLACE: [span::Column; 4] =
    [span::Column::StartTime, span::Column::Id, span::Column::BlockId, span::Column::BlockIndex];

/// The places of a window's spans in blocks that may hold the text. One statement, so that no block moves
/// meanwhile. Each block is asked once, however many spans it has, so the order of the joins is the one that is written.
fn in_passing_blocks(
    scoped: ScopedStore<'_>,
    narrowed: &Narrowed,
    walk: &SqlCondition,
    window: &SqlCondition,
    grams: &DemandedGrams,
) -> SelectStatement {
    let met = Query::select()
        .distinct()
        .expr_as(Expr::col(span::Column::BlockId), "met_block")
        .from(span::Entity)
        .cond_where(walk.clone())
        .cond_where(window.clone())
        .to_owned();
    let filter = |column: text_filter::Column| Expr::col(("filter", column));
    let of_block = filter(text_filter::Column::TenantId)
        .eq(scoped.tenant)
        .and(filter(text_filter::Column::Id).eq(Expr::col(("met", "met_block"))));
    let passes = filter(text_filter::Column::Id).is_null().or(lets_pass(scoped.store.backend(), grams));
    let block = |column: trace_block::Column| Expr::col(("block", column));
    let passing = Query::select()
        .expr_as(block(trace_block::Column::Id), "passing_block")
        .expr_as(block(trace_block::Column::TraceRowId), "passing_trace")
        .from_subquery(met, "met")
        .join_as(JoinType::LeftJoin, text_filter::Entity, "filter", of_block)
        .join_as(JoinType::CrossJoin, trace_block::Entity, "block", SqlCondition::all())
        .and_where(passes)
        .and_where(block(trace_block::Column::TenantId).eq(scoped.tenant))
        .and_where(block(trace_block::Column::Id).eq(Expr::col(("met", "met_block"))))
        .to_owned();
    Query::select()
        .columns(PLACE.map(|column| (span::Entity, column)))
        .from_subquery(passing, "passing")
        .cross_join(span::Entity)
        .and_where(Expr::col(span::Column::TraceRowId).eq(Expr::col(("passing", "passing_trace"))))
        .and_where(Expr::col(span::Column::BlockId).eq(Expr::col(("passing", "passing_block"))))
        .cond_where(narrowed.rows.clone())
        .cond_where(window.clone())
        .to_owned()
}
