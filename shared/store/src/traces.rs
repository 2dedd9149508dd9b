//! Traces as their roll-ups tell them.

use std::collections::HashMap;

use bennu_domain::cost::Cost;
use bennu_domain::filter::{self, Flavour, Subject};
use bennu_domain::ids::{ProjectId, SessionRowId, SpanId, SpanRowId, TraceId, TraceRowId};
use bennu_domain::kind::{SpanKind, StatusCode};
use bennu_domain::otlp::{SpanGroup, join_request};
use bennu_domain::page::{Order, Page, SortCursor};
use bennu_domain::span::TokenCounts;
use bennu_domain::time::Timestamp;
use bytes::Bytes;
use sea_orm::sea_query::{Alias, Expr, ExprTrait as _, SimpleExpr};
use sea_orm::{
    ColumnTrait as _, Condition, DbBackend, EntityTrait as _, QueryFilter as _, QueryOrder as _,
    QuerySelect as _,
};

use crate::blocks::{blocks_of_trace, load_spans};
use crate::conditions::Narrowing;
use crate::entities::{span, trace};
use crate::error::StoreError;
use crate::prepared::NAME_BYTES;
use crate::store::ScopedStore;

/// Spans decoded at once for their names; bounds the memory.
const SPANS_AT_ONCE: usize = 500;
/// Traces looked at together when few of them match a condition.
const TRACES_AT_ONCE: usize = 256;
/// Rows of spans that conditions on traces hold at once, 300 bytes each.
const SPANS_OF_A_PORTION: i64 = 50_000;

#[derive(Debug, Clone, PartialEq)]
pub struct Trace {
    pub id: TraceRowId,
    pub trace_id: TraceId,
    /// What the sender wrote for the trace id, where that is another text.
    pub trace_text: Option<String>,
    pub project: ProjectId,
    pub start: Timestamp,
    pub end: Timestamp,
    pub tokens: TokenCounts,
    /// Of the spans whose price is known.
    pub cost: Cost,
    /// Only when asked for.
    pub spans: Option<Vec<TraceSpan>>,
}

/// A span in short.
#[derive(Debug, Clone, PartialEq)]
pub struct TraceSpan {
    pub id: SpanRowId,
    pub span_id: SpanId,
    pub parent_id: Option<SpanId>,
    /// What the sender wrote for the ids, where that is another text.
    pub span_text: Option<String>,
    pub parent_text: Option<String>,
    pub name: String,
    pub kind: SpanKind,
    pub status: StatusCode,
    pub start: Timestamp,
    pub end: Timestamp,
}

/// Order of a list of traces, and the last trace of the page before.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum TraceSort {
    StartTime {
        after: Option<SortCursor<Timestamp>>,
    },
    /// In milliseconds.
    Latency {
        after: Option<SortCursor<f64>>,
    },
}

/// Which traces to list.
#[derive(Debug, Clone)]
pub struct TraceList {
    pub project: ProjectId,
    pub sort: TraceSort,
    pub order: Order,
    pub limit: usize,
    pub include_spans: bool,
    /// Inclusive, on the start of the trace.
    pub start: Option<Timestamp>,
    /// Exclusive, on the start of the trace.
    pub end: Option<Timestamp>,
    /// Traces of any of these sessions.
    pub sessions: Option<Vec<SessionRowId>>,
    /// Whether some span has the status ERROR.
    pub error: Option<bool>,
    pub min_latency_ms: Option<f64>,
    pub max_latency_ms: Option<f64>,
    /// Of the flavour of traces.
    pub condition: Option<filter::Condition>,
}

impl Trace {
    /// The trace id as the sender wrote it.
    pub fn trace_id_text(&self) -> String {
        self.trace_text.clone().unwrap_or_else(|| self.trace_id.to_string())
    }

    #[allow(clippy::cast_precision_loss)] // microseconds fit a double for 285 years
    pub fn latency_ms(&self) -> f64 {
        (self.end.0 - self.start.0) as f64 / 1_000.0
    }
}

impl ScopedStore<'_> {
    /// The page; `next` is its last trace when there are more.
    pub async fn list_traces(self, list: &TraceList) -> Result<Page<Trace, ()>, StoreError> {
        let wanted = list.limit + 1;
        let mut rows = match &list.condition {
            None => self.trace_rows(list, list.sort, wanted).await?,
            Some(condition) => self.matching_traces(list, condition, wanted).await?,
        };
        let next = (rows.len() > list.limit).then_some(());
        rows.truncate(list.limit);
        let mut items = rows.iter().map(read_trace).collect::<Result<Vec<_>, _>>()?;
        if list.include_spans {
            self.attach_spans(&mut items).await?;
        }
        Ok(Page { items, next })
    }

    /// The first traces for which the condition holds.
    async fn matching_traces(
        self,
        list: &TraceList,
        condition: &filter::Condition,
        wanted: usize,
    ) -> Result<Vec<trace::Model>, StoreError> {
        let (mut sort, mut found) = (list.sort, Vec::new());
        loop {
            let rows = self.trace_rows(list, sort, TRACES_AT_ONCE).await?;
            let exhausted = rows.len() < TRACES_AT_ONCE;
            let Some(last) = rows.last() else { return Ok(found) };
            sort = sort.behind(last);
            for portion in portions(rows) {
                let facts = self.trace_facts(&portion, condition.needs()).await?;
                for (row, facts) in portion.into_iter().zip(&facts) {
                    if condition.holds(Subject::Trace(facts))? {
                        found.push(row);
                    }
                }
                if found.len() >= wanted {
                    found.truncate(wanted);
                    return Ok(found);
                }
            }
            if exhausted {
                return Ok(found);
            }
        }
    }

    async fn trace_rows(
        self,
        list: &TraceList,
        sort: TraceSort,
        limit: usize,
    ) -> Result<Vec<trace::Model>, StoreError> {
        let order = match list.order {
            Order::Ascending => sea_orm::Order::Asc,
            Order::Descending => sea_orm::Order::Desc,
        };
        let column = match sort {
            TraceSort::StartTime { .. } => Expr::col(trace::Column::StartTime),
            TraceSort::Latency { .. } => latency_us(self.store.backend()),
        };
        let rows = trace::Entity::find()
            .filter(trace::Column::TenantId.eq(self.tenant))
            .filter(trace::Column::ProjectId.eq(list.project.0))
            .filter(conditions(list, sort, self.store.backend()))
            .filter(Condition::all().add_option(self.narrowing_of_traces(list)))
            .order_by(column, order.clone())
            .order_by(trace::Column::Id, order)
            .limit(limit as u64)
            .all(&self.reads())
            .await?;
        Ok(rows)
    }

    fn narrowing_of_traces(self, list: &TraceList) -> Option<SimpleExpr> {
        let dialect = self.store.backend();
        let narrowing = Narrowing { flavour: Flavour::Trace, dialect, tenant: self.tenant };
        narrowing.of(list.condition.as_ref()?.expr())
    }

    /// The trace as an OTLP `TracesData` message, as it was received; `None` if there is no such trace.
    pub async fn export_trace(self, id: TraceRowId) -> Result<Option<Bytes>, StoreError> {
        let blocks = blocks_of_trace(self, id.0).await?;
        let joining = tokio::task::spawn_blocking(move || {
            let mut groups: Vec<SpanGroup> = Vec::new();
            for block in &blocks {
                groups.extend(block.groups()?);
            }
            // `TracesData` and a request have the same fields (OTLP, trace.proto).
            Ok::<_, StoreError>((!groups.is_empty()).then(|| join_request(&groups)))
        });
        joining.await.map_err(|error| StoreError::Interrupted(error.to_string()))?
    }

    /// Spans by their start.
    async fn attach_spans(self, traces: &mut [Trace]) -> Result<(), StoreError> {
        let rows = span::Entity::find()
            .filter(span::Column::TenantId.eq(self.tenant))
            .filter(span::Column::TraceRowId.is_in(traces.iter().map(|trace| trace.id.0)))
            .order_by_asc(span::Column::StartTime)
            .order_by_asc(span::Column::Id)
            .all(&self.reads())
            .await?;
        let mut names = self.cut_names(&rows).await?;
        let mut by_trace: HashMap<i64, Vec<TraceSpan>> = HashMap::new();
        for mut row in rows {
            row.name = names.remove(&row.id).unwrap_or(row.name);
            by_trace.entry(row.trace_row_id).or_default().push(read_trace_span(row)?);
        }
        for trace in traces {
            trace.spans = Some(by_trace.remove(&trace.id.0).unwrap_or_default());
        }
        Ok(())
    }

    /// The full names of spans whose row may hold only the beginning, by row id.
    pub(crate) async fn cut_names(self, rows: &[span::Model]) -> Result<HashMap<i64, String>, StoreError> {
        let maybe_cut = |row: &&span::Model| row.name.len() > NAME_BYTES - 4 || row.name.contains('\u{FFFD}');
        let rows: Vec<span::Model> = rows.iter().filter(maybe_cut).cloned().collect();
        if rows.is_empty() {
            return Ok(HashMap::new());
        }
        let mut names = HashMap::with_capacity(rows.len());
        for some in rows.chunks(SPANS_AT_ONCE) {
            let spans = load_spans(self, some).await?;
            let named = some.iter().zip(spans).filter_map(|(row, span)| Some((row.id, span?.name)));
            names.extend(named);
        }
        Ok(names)
    }
}

impl TraceSort {
    fn behind(self, row: &trace::Model) -> Self {
        match self {
            Self::StartTime { .. } => {
                let after = SortCursor { row: row.id, value: Timestamp(row.start_time) };
                Self::StartTime { after: Some(after) }
            }
            #[allow(clippy::cast_precision_loss)] // microseconds fit a double for 285 years
            Self::Latency { .. } => {
                let value = (row.end_time - row.start_time) as f64 / 1_000.0;
                Self::Latency { after: Some(SortCursor { row: row.id, value }) }
            }
        }
    }
}

/// Traces in groups that together have few enough spans to be held at once; a larger trace comes alone.
pub(crate) fn portions(rows: Vec<trace::Model>) -> Vec<Vec<trace::Model>> {
    let (mut portions, mut room) = (Vec::<Vec<trace::Model>>::new(), 0);
    for row in rows {
        let spans = row.span_count;
        match portions.last_mut() {
            Some(portion) if spans <= room => portion.push(row),
            _ => {
                portions.push(vec![row]);
                room = SPANS_OF_A_PORTION;
            }
        }
        room -= spans;
    }
    portions
}

/// Latency in whole microseconds, which compare exactly. On Postgres it is a column, see `m0011_row_security`.
fn latency_us(dialect: DbBackend) -> SimpleExpr {
    match dialect {
        DbBackend::Postgres => Expr::col(Alias::new("latency")),
        _ => Expr::col(trace::Column::EndTime).sub(Expr::col(trace::Column::StartTime)),
    }
}

#[allow(clippy::cast_possible_truncation)] // saturates far outside of any latency
fn to_us(milliseconds: f64) -> i64 {
    (milliseconds * 1_000.0).round() as i64
}

fn conditions(list: &TraceList, sort: TraceSort, dialect: DbBackend) -> Condition {
    let latency = || latency_us(dialect);
    let after = match sort {
        TraceSort::StartTime { after } => {
            after.map(|after| past(Expr::col(trace::Column::StartTime), after.value.0, after.row, list.order))
        }
        TraceSort::Latency { after } => {
            after.map(|after| past(latency(), to_us(after.value), after.row, list.order))
        }
    };
    let errors = |error: bool| match error {
        true => trace::Column::ErrorCount.gt(0),
        false => trace::Column::ErrorCount.eq(0),
    };
    let sessions =
        |sessions: &Vec<SessionRowId>| trace::Column::SessionRowId.is_in(sessions.iter().map(|id| id.0));
    Condition::all()
        .add_option(after)
        .add_option(list.start.map(|start| trace::Column::StartTime.gte(start.0)))
        .add_option(list.end.map(|end| trace::Column::StartTime.lt(end.0)))
        .add_option(list.sessions.as_ref().map(sessions))
        .add_option(list.error.map(errors))
        .add_option(list.min_latency_ms.map(|least| latency().gte(to_us(least))))
        .add_option(list.max_latency_ms.map(|most| latency().lte(to_us(most))))
}

/// The bound on `sort` alone says nothing new, but SQLite finds the place in an index on an expression only by it.
fn past(sort: SimpleExpr, value: i64, row: i64, order: Order) -> SimpleExpr {
    let position = Expr::tuple([sort.clone(), Expr::col(trace::Column::Id)]);
    let last = Expr::tuple([Expr::value(value), Expr::value(row)]);
    match order {
        Order::Ascending => sort.gte(value).and(position.gt(last)),
        Order::Descending => sort.lte(value).and(position.lt(last)),
    }
}

pub(crate) fn read_trace(row: &trace::Model) -> Result<Trace, StoreError> {
    Ok(Trace {
        id: TraceRowId(row.id),
        trace_id: TraceId::from_bytes(&row.trace_id)
            .map_err(|error| unreadable("traces.trace_id", row.id, &error))?,
        trace_text: row.trace_text.clone(),
        project: ProjectId(row.project_id),
        start: Timestamp(row.start_time),
        end: Timestamp(row.end_time),
        tokens: TokenCounts { prompt: row.prompt_tokens, completion: row.completion_tokens },
        cost: Cost { prompt: row.prompt_cost, completion: row.completion_cost },
        spans: None,
    })
}

fn read_trace_span(row: span::Model) -> Result<TraceSpan, StoreError> {
    Ok(TraceSpan {
        id: SpanRowId(row.id),
        span_id: SpanId::from_bytes(&row.span_id)
            .map_err(|error| unreadable("spans.span_id", row.id, &error))?,
        parent_id: row.parent_id.as_deref().and_then(|id| SpanId::from_bytes(id).ok()),
        span_text: row.span_text,
        parent_text: row.parent_text,
        name: row.name,
        kind: SpanKind::from_code(row.kind).unwrap_or(SpanKind::Unknown),
        status: StatusCode::from_code(row.status).unwrap_or(StatusCode::Unset),
        start: Timestamp(row.start_time),
        end: Timestamp(row.end_time),
    })
}

fn unreadable(column: &str, row: i64, error: &impl std::fmt::Display) -> StoreError {
    StoreError::Database(sea_orm::DbErr::Type(format!("{column} of row {row} {error}")))
}
