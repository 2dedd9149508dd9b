//! Pages of spans: narrow rows are selected in SQL, their spans are read from the blocks, and filter and condition have
//! the last word on each.

use bennu_domain::cost::Cost;
use bennu_domain::facets::{cut, facet_texts, is_facet_path, storable_text};
use bennu_domain::filter::{Condition, Needs};
use bennu_domain::ids::{ProjectId, SpanRowId};
use bennu_domain::kind::{SPAN_KIND_ATTRIBUTE, SpanKind};
use bennu_domain::page::{Order, Page, SortCursor};
use bennu_domain::span::Span;
use bennu_domain::span_filter::{AttributeMatch, ParentFilter, SpanFilter};
use bennu_domain::time::Timestamp;
use sea_orm::sea_query::{Expr, ExprTrait as _, Query, SimpleExpr};
use sea_orm::{
    ColumnTrait as _, Condition as SqlCondition, DbBackend, EntityTrait as _, QueryFilter as _,
    QuerySelect as _, Value,
};

use crate::blocks::load_spans;
use crate::conditions::DemandedIds;
use crate::entities::{span, trace};
use crate::error::StoreError;
use crate::pace::Pace;
use crate::prepared::NAME_BYTES;
use crate::span_order::{Progress, SpanOrder};
use crate::span_search::{Narrowed, SpanSearch};
use crate::store::ScopedStore;

/// A span with its row id.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredSpan {
    pub id: SpanRowId,
    pub span: Span,
    /// `None` where no price was known when it arrived.
    pub cost: Option<Cost>,
}

/// Order of a list of spans, and the first span of the page.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum SpanSort {
    Id { from: Option<SpanRowId> },
    StartTime { from: Option<SortCursor<Timestamp>> },
}

/// Which page of which spans.
#[derive(Debug, Clone)]
pub struct SpanPageRequest {
    pub project: ProjectId,
    pub filter: SpanFilter,
    /// Of spans that the filter matches.
    pub condition: Option<Condition>,
    pub sort: SpanSort,
    pub order: Order,
    pub limit: usize,
}

impl ScopedStore<'_> {
    /// The page, and the span that the next one begins with.
    pub async fn span_page(
        self,
        request: &SpanPageRequest,
    ) -> Result<Page<StoredSpan, StoredSpan>, StoreError> {
        let wanted = request.limit + 1;
        let with_ids = match &request.filter.span_ids {
            Some(ids) => {
                Some(self.span_rows_with_ids(ids).await?.into_iter().map(|(_, row)| row.0).collect())
            }
            None => None,
        };
        let (order, mut progress) = request.sort.walked(request.order);
        let narrowed = self.narrowed_to_page(request, order, with_ids).await?;
        let mut search = SpanSearch::of(request.condition.as_ref(), order, progress, wanted);
        let mut items: Vec<StoredSpan> = Vec::new();
        let mut pace = Pace::of(wanted);
        // SQL may select rows that are refused here; then the page is filled from further rows.
        loop {
            let (rows, exhausted) = if let Some(search) = &mut search {
                (search.next_rows(self, &narrowed, pace.rows()).await?, search.is_exhausted())
            } else {
                let rows = span::Entity::find().filter(narrowed.rows.clone()).filter(order.from(progress));
                let rows = order.sorted(rows.limit(pace.rows() as u64)).all(&self.reads()).await?;
                let exhausted = rows.len() < pace.rows();
                if let Some(last) = rows.last() {
                    progress = Progress::Past((last.start_time, last.id));
                }
                (rows, exhausted)
            };
            let spans = load_spans(self, &rows).await?;
            let (rows, spans): (Vec<_>, Vec<_>) =
                rows.into_iter().zip(spans).filter_map(|(row, span)| Some((row, span?))).unzip();
            pace.follow(spans.len(), spans.iter().map(Span::weight).sum());
            items.extend(self.matching(request, rows, spans).await?);
            if exhausted || items.len() >= wanted {
                break;
            }
        }
        items.truncate(wanted);
        let next = if items.len() == wanted { items.pop() } else { None };
        Ok(Page { items, next })
    }

    async fn matching(
        self,
        request: &SpanPageRequest,
        rows: Vec<span::Model>,
        spans: Vec<Span>,
    ) -> Result<Vec<StoredSpan>, StoreError> {
        let matching = rows.into_iter().zip(spans).filter(|(_, span)| request.filter.matches(span));
        let condition @ Some(_) = &request.condition else {
            return Ok(matching.map(|(row, span)| stored(&row, span)).collect());
        };
        let (rows, spans) = matching.unzip();
        let found = self.for_which_holds(rows, spans, condition.as_ref(), Needs::default()).await?;
        Ok(found.into_iter().map(|(row, facts)| stored(&row, facts.span)).collect())
    }

    async fn narrowed_to_page(
        self,
        request: &SpanPageRequest,
        order: SpanOrder,
        with_ids: Option<Vec<i64>>,
    ) -> Result<Narrowed, StoreError> {
        let SpanPageRequest { project, filter, condition, .. } = request;
        let has_ids = with_ids.is_some() || filter.trace_ids.is_some();
        let demands_ids = condition.as_ref().is_some_and(|it| DemandedIds::of(it.expr()).any());
        let times = SqlCondition::all()
            .add_option(filter.start.map(|start| span::Column::StartTime.gte(start.0)))
            .add_option(filter.end.map(|end| span::Column::StartTime.lt(end.0)));
        let walk = (!has_ids && !demands_ids).then(|| {
            SqlCondition::all()
                .add(span::Column::TenantId.eq(self.tenant))
                .add(span::Column::ProjectId.eq(project.0))
                .add_option(order.by_start.then_some(times))
        });
        Ok(Narrowed { rows: self.narrowing(request, with_ids).await?, walk })
    }

    /// What SQL can tell: never narrower than [`SpanFilter::matches`] and the condition.
    /// `with_ids` are the rows that have the ids that the filter asks for.
    async fn narrowing(
        self,
        request: &SpanPageRequest,
        with_ids: Option<Vec<i64>>,
    ) -> Result<SqlCondition, StoreError> {
        let filter = &request.filter;
        let bytes = |id: &[u8]| Value::Bytes(Some(id.to_vec()));
        let mut condition = self.narrowed(request.project, request.condition.as_ref()).await?;
        if let Some(ids) = &filter.trace_ids {
            let traces = Query::select()
                .column(trace::Column::Id)
                .from(trace::Entity)
                .and_where(trace::Column::TenantId.eq(self.tenant))
                .and_where(trace::Column::TraceId.is_in(ids.iter().map(|id| bytes(id.as_bytes()))))
                .to_owned();
            condition = condition.add(span::Column::TraceRowId.in_subquery(traces));
        }
        if let Some(rows) = with_ids {
            condition = condition.add(span::Column::Id.is_in(rows));
        }
        if let Some(names) = &filter.names {
            let stored = names.iter().map(|name| storable_text(cut(name, NAME_BYTES)));
            condition = condition.add(span::Column::Name.is_in(stored));
        }
        if let Some(kinds) = &filter.kinds {
            condition = condition.add(span::Column::Kind.is_in(kinds.iter().map(|kind| kind.code())));
        }
        if let Some(statuses) = &filter.statuses {
            condition =
                condition.add(span::Column::Status.is_in(statuses.iter().map(|status| status.code())));
        }
        let dialect = self.store.backend();
        Ok(condition
            .add_option(parent_condition(filter.parent))
            .add_option(filter.start.map(|start| span::Column::StartTime.gte(start.0)))
            .add_option(filter.end.map(|end| span::Column::StartTime.lt(end.0)))
            .add_option(all_of(
                filter.attributes.iter().filter_map(|attribute| facet_condition(dialect, attribute)),
            )))
    }
}

impl SpanSort {
    fn walked(self, order: Order) -> (SpanOrder, Progress) {
        let (by_start, first) = match self {
            Self::Id { from } => (false, from.map(|from| (0, from.0))),
            Self::StartTime { from } => (true, from.map(|from| (from.value.0, from.row))),
        };
        let order = SpanOrder { by_start, ascending: order == Order::Ascending };
        (order, first.map_or(Progress::None, Progress::To))
    }
}

fn stored(row: &span::Model, span: Span) -> StoredSpan {
    StoredSpan { id: SpanRowId(row.id), span, cost: row.cost() }
}

fn parent_condition(parent: ParentFilter) -> Option<SimpleExpr> {
    match parent {
        ParentFilter::Any => None,
        ParentFilter::Root => Some(span::Column::ParentId.is_null()),
        ParentFilter::Of(id) => Some(span::Column::ParentId.eq(id.as_bytes().to_vec())),
        ParentFilter::Nothing => Some(Expr::value(false)),
    }
}

fn all_of(conditions: impl Iterator<Item = SimpleExpr>) -> Option<SqlCondition> {
    let mut conditions = conditions.peekable();
    conditions.peek()?;
    Some(conditions.fold(SqlCondition::all(), SqlCondition::add))
}

/// Of the kind, rows have what the sender's text was read as.
fn kind_condition(value: &serde_json::Value) -> Option<SimpleExpr> {
    let kind = SpanKind::parse(&value.as_str()?.to_uppercase()).unwrap_or(SpanKind::Unknown);
    Some(span::Column::Kind.eq(kind.code()))
}

/// The facet at the path equals the value, or the span has more facets than its row holds.
/// `None` where facets cannot tell.
fn facet_condition(dialect: DbBackend, attribute: &AttributeMatch) -> Option<SimpleExpr> {
    if attribute.path == SPAN_KIND_ATTRIBUTE.join(".") {
        return kind_condition(&attribute.value);
    }
    if !is_facet_path(&attribute.path) {
        return None;
    }
    let facet = match dialect {
        DbBackend::Postgres => Expr::cust_with_values("facets -> $1", [attribute.path.as_str()]),
        _ => Expr::cust_with_values("json_extract(facets, ?)", [format!("$.\"{}\"", attribute.path)]),
    };
    let json = |value: serde_json::Value| match dialect {
        DbBackend::Postgres => Expr::cust_with_values("$1::jsonb", [value.to_string()]),
        _ => match value {
            serde_json::Value::String(text) => Expr::value(text),
            serde_json::Value::Bool(flag) => Expr::value(flag),
            number => Expr::value(number.as_f64().unwrap_or_default()),
        },
    };
    let equal = match &attribute.value {
        serde_json::Value::Number(number) => {
            // A range, because the engines and this code may differ in the last digit of a number.
            let middle = number.as_f64()?;
            let slack = middle.abs() * 1e-9;
            let bound = |value: f64| serde_json::Number::from_f64(value).map(serde_json::Value::Number);
            facet.between(json(bound(middle - slack)?), json(bound(middle + slack)?))
        }
        serde_json::Value::String(text) => {
            facet.is_in(facet_texts(text).map(|text| json(serde_json::Value::from(text))))
        }
        other => facet.eq(json(other.clone())),
    };
    Some(equal.or(Expr::cust("NOT facets_complete")))
}
