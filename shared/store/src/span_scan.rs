//! Spans that a condition selects, newest first, in batches: narrow rows are selected in SQL, their spans are read from the
//! blocks, and the condition has the last word on each.

use bennu_domain::filter::{Condition, Needs, SpanFacts};
use bennu_domain::ids::{ProjectId, SpanRowId};
use bennu_domain::span::Span;
use bennu_domain::time::Timestamp;
use sea_orm::{
    ColumnTrait as _, Condition as SqlCondition, EntityTrait as _, QueryFilter as _, QuerySelect as _,
};

use crate::blocks::load_spans;
use crate::conditions::{DemandedIds, parent_is_missing};
use crate::entities::span;
use crate::error::StoreError;
use crate::pace::Pace;
use crate::span_order::{Progress, SpanOrder};
use crate::span_search::{Narrowed, SpanSearch};
use crate::store::ScopedStore;

/// Rows of the first batch at least; a caller who wants a few spans reads no more.
const FIRST_ROWS: usize = 64;
/// Rows of the first batch at most, as those who want many do not hold them all.
const MOST_FIRST_ROWS: usize = 1_024;

const ORDER: SpanOrder = SpanOrder::NEWEST_FIRST;

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
    progress: Progress,
    pace: Pace,
    exhausted: bool,
    /// What there is to select from, made with the first batch.
    narrowed: Option<Narrowed>,
    search: Option<SpanSearch>,
}

impl<'s> ScopedStore<'s> {
    /// Begins a scan; `wanted` is how many spans the caller is likely to take.
    pub fn scan_spans(self, selection: &'s SpanSelection, wanted: usize) -> SpanScan<'s> {
        let first_rows = wanted.clamp(FIRST_ROWS, MOST_FIRST_ROWS);
        let search = SpanSearch::of(selection.condition.as_ref(), ORDER, Progress::None, first_rows);
        let pace = Pace::of(first_rows);
        SpanScan {
            scoped: self,
            selection,
            progress: Progress::None,
            pace,
            exhausted: false,
            narrowed: None,
            search,
        }
    }
}

impl SpanScan<'_> {
    /// The next spans that match, at times none; `None` behind the last ones.
    pub async fn next(&mut self) -> Result<Option<Vec<(SpanRowId, SpanFacts)>>, StoreError> {
        if self.exhausted {
            return Ok(None);
        }
        let rows = self.read_rows().await?;
        let spans = load_spans(self.scoped, &rows).await?;
        let (rows, spans): (Vec<_>, Vec<_>) =
            rows.into_iter().zip(spans).filter_map(|(row, span)| Some((row, span?))).unzip();
        self.pace.follow(spans.len(), spans.iter().map(Span::weight).sum());
        let SpanSelection { condition, needs, .. } = self.selection;
        let found = self.scoped.for_which_holds(rows, spans, condition.as_ref(), *needs).await?;
        Ok(Some(found.into_iter().map(|(row, facts)| (SpanRowId(row.id), facts)).collect()))
    }

    async fn read_rows(&mut self) -> Result<Vec<span::Model>, StoreError> {
        let narrowed = match &self.narrowed {
            Some(narrowed) => narrowed,
            None => self.narrowed.insert(self.scoped.narrowed_to(self.selection).await?),
        };
        if let Some(search) = &mut self.search {
            let rows = search.next_rows(self.scoped, narrowed, self.pace.rows()).await?;
            self.exhausted = search.is_exhausted();
            return Ok(rows);
        }
        let rows = span::Entity::find()
            .filter(narrowed.rows.clone())
            .filter(ORDER.from(self.progress))
            .limit(self.pace.rows() as u64);
        let rows = ORDER.sorted(rows).all(&self.scoped.reads()).await?;
        self.exhausted = rows.len() < self.pace.rows();
        if let Some(last) = rows.last() {
            self.progress = Progress::Past((last.start_time, last.id));
        }
        Ok(rows)
    }
}

impl ScopedStore<'_> {
    async fn narrowed_to(self, selection: &SpanSelection) -> Result<Narrowed, StoreError> {
        let times = SqlCondition::all()
            .add_option(selection.start.map(|start| span::Column::StartTime.gte(start.0)))
            .add_option(selection.end.map(|end| span::Column::StartTime.lt(end.0)));
        let narrowed = self.narrowed(selection.project, selection.condition.as_ref()).await?;
        let rows = narrowed.add(times.clone()).add_option(selection.roots.map(|roots| match roots {
            Roots::Strict => span::Column::ParentId.is_null(),
            Roots::WithOrphans => parent_is_missing(),
        }));
        let demands_ids = selection.condition.as_ref().is_some_and(|it| DemandedIds::of(it.expr()).any());
        let walk = (!demands_ids).then(|| {
            times
                .add(span::Column::TenantId.eq(self.tenant))
                .add(span::Column::ProjectId.eq(selection.project.0))
        });
        Ok(Narrowed { rows, walk })
    }
}
