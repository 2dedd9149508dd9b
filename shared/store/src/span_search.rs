//! A text that a condition demands is looked for in the bytes of spans, before their rows are read and they are decoded.

use std::collections::VecDeque;
use std::sync::Arc;

use bennu_domain::filter::{Condition, DemandedText};
use sea_orm::{
    ColumnTrait as _, Condition as SqlCondition, EntityTrait as _, QueryFilter as _, QuerySelect as _,
};

use crate::blocks::may_hold;
use crate::entities::span;
use crate::error::StoreError;
use crate::pace::Pace;
use crate::span_scan::{after, newest_first};
use crate::store::ScopedStore;

/// A search in progress, from the newest span on.
pub(crate) struct SpanSearch {
    text: Arc<DemandedText>,
    /// Of what is searched, by its bytes.
    pace: Pace,
    /// Start and row id of the last span that was searched.
    last: Option<(i64, i64)>,
    /// Rows that may hold the text and that nobody took yet.
    found: VecDeque<i64>,
    exhausted: bool,
}

impl SpanSearch {
    /// `None` if the condition demands no text.
    pub fn of(condition: Option<&Condition>, first_rows: usize) -> Option<Self> {
        let text = Arc::new(DemandedText::of(condition?)?);
        let (last, found, exhausted) = (None, VecDeque::new(), false);
        Some(Self { text, pace: Pace::of(first_rows), last, found, exhausted })
    }

    /// Searches the next spans of `narrowing` unless some were found before, and answers at most so many rows, at times none.
    pub async fn next_rows(
        &mut self,
        scoped: ScopedStore<'_>,
        narrowing: SqlCondition,
        most: usize,
    ) -> Result<Vec<span::Model>, StoreError> {
        if self.found.is_empty() {
            self.search(scoped, narrowing).await?;
        }
        let taken: Vec<i64> = self.found.drain(..most.min(self.found.len())).collect();
        if taken.is_empty() {
            return Ok(Vec::new());
        }
        let rows = span::Entity::find()
            .filter(span::Column::TenantId.eq(scoped.tenant))
            .filter(span::Column::Id.is_in(taken));
        Ok(newest_first(rows).all(&scoped.reads()).await?)
    }

    pub fn is_exhausted(&self) -> bool {
        self.exhausted && self.found.is_empty()
    }

    async fn search(&mut self, scoped: ScopedStore<'_>, narrowing: SqlCondition) -> Result<(), StoreError> {
        let rows = span::Entity::find()
            .select_only()
            .columns([
                span::Column::StartTime,
                span::Column::Id,
                span::Column::BlockId,
                span::Column::BlockIndex,
            ])
            .filter(narrowing)
            .filter(after(self.last))
            .limit(self.pace.rows() as u64);
        let rows: Vec<(i64, i64, i64, i64)> = newest_first(rows).into_tuple().all(&scoped.reads()).await?;
        self.exhausted = rows.len() < self.pace.rows();
        self.last = rows.last().map(|(start, id, ..)| (*start, *id));
        let places: Vec<(i64, i64)> = rows.iter().map(|(_, _, block, index)| (*block, *index)).collect();
        let (may_hold, bytes) = may_hold(scoped, &places, &self.text).await?;
        self.pace.follow(rows.len(), bytes);
        self.found.extend(rows.iter().zip(may_hold).filter(|(_, may)| *may).map(|((_, id, ..), _)| *id));
        Ok(())
    }
}
