//! Sessions and their traces. Deleting one is in [`crate::deletion`].

use std::collections::HashMap;

use bennu_domain::cost::Cost;
use bennu_domain::ids::{ProjectId, SessionRowId, TraceId, TraceRowId};
use bennu_domain::page::{Order, Page};
use bennu_domain::span::TokenCounts;
use bennu_domain::time::Timestamp;
use sea_orm::{
    ColumnTrait as _, Condition, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _,
    Select,
};

use crate::entities::{session, trace};
use crate::error::StoreError;
use crate::prepared::storable_session_id;
use crate::store::ScopedStore;
use crate::traces::read_trace;

#[derive(Debug, Clone, PartialEq)]
pub struct Session {
    pub id: SessionRowId,
    pub session_id: String,
    pub project: ProjectId,
    pub start: Timestamp,
    pub end: Timestamp,
    /// Oldest first.
    pub traces: Vec<SessionTrace>,
    pub tokens: TokenCounts,
    /// Of the spans whose price is known.
    pub cost: Cost,
}

#[derive(Debug, Clone, PartialEq)]
pub struct SessionTrace {
    pub id: TraceRowId,
    pub trace_id: TraceId,
    /// What the sender wrote for the trace id, where that is another text.
    pub trace_text: Option<String>,
    pub start: Timestamp,
    pub end: Timestamp,
}

impl ScopedStore<'_> {
    fn sessions(self) -> Select<session::Entity> {
        session::Entity::find().filter(session::Column::TenantId.eq(self.tenant))
    }

    /// Row ids of the sessions with these `session.id`s; unknown ones are left out.
    pub async fn session_rows(self, session_ids: &[String]) -> Result<Vec<SessionRowId>, StoreError> {
        let stored = session_ids.iter().map(|id| storable_session_id(id));
        let rows =
            self.sessions().filter(session::Column::SessionId.is_in(stored)).all(&self.store.read).await?;
        Ok(rows.into_iter().map(|row| SessionRowId(row.id)).collect())
    }

    pub async fn session(self, id: SessionRowId) -> Result<Option<Session>, StoreError> {
        let found = self.sessions().filter(session::Column::Id.eq(id.0)).one(&self.store.read).await?;
        Ok(self.with_traces(found.into_iter().collect()).await?.pop())
    }

    pub async fn list_sessions(
        self,
        project: ProjectId,
        order: Order,
        from: Option<SessionRowId>,
        limit: usize,
    ) -> Result<Page<Session, SessionRowId>, StoreError> {
        let (direction, in_page) = match order {
            Order::Ascending => (sea_orm::Order::Asc, from.map(|from| session::Column::Id.gte(from.0))),
            Order::Descending => (sea_orm::Order::Desc, from.map(|from| session::Column::Id.lte(from.0))),
        };
        let mut rows = self
            .sessions()
            .filter(session::Column::ProjectId.eq(project.0))
            .filter(Condition::all().add_option(in_page))
            .order_by(session::Column::Id, direction)
            .limit(limit as u64 + 1)
            .all(&self.store.read)
            .await?;
        let next = rows.get(limit).map(|row| SessionRowId(row.id));
        rows.truncate(limit);
        Ok(Page { items: self.with_traces(rows).await?, next })
    }

    async fn with_traces(self, rows: Vec<session::Model>) -> Result<Vec<Session>, StoreError> {
        let traces = trace::Entity::find()
            .filter(trace::Column::TenantId.eq(self.tenant))
            .filter(trace::Column::SessionRowId.is_in(rows.iter().map(|row| row.id)))
            .order_by_asc(trace::Column::StartTime)
            .order_by_asc(trace::Column::Id)
            .all(&self.store.read)
            .await?;
        let mut by_session: HashMap<i64, Vec<trace::Model>> = HashMap::new();
        for trace in traces {
            by_session.entry(trace.session_row_id.unwrap_or_default()).or_default().push(trace);
        }
        rows.into_iter()
            .map(|row| {
                let traces = by_session.remove(&row.id).unwrap_or_default();
                read_session(row, &traces)
            })
            .collect()
    }
}

fn read_session(row: session::Model, traces: &[trace::Model]) -> Result<Session, StoreError> {
    let (mut tokens, mut cost) = (TokenCounts::default(), Cost::default());
    let mut session_traces = Vec::with_capacity(traces.len());
    for model in traces {
        let trace = read_trace(model)?;
        tokens.prompt = tokens.prompt.saturating_add(trace.tokens.prompt);
        tokens.completion = tokens.completion.saturating_add(trace.tokens.completion);
        cost = cost.plus(trace.cost);
        session_traces.push(SessionTrace {
            id: trace.id,
            trace_id: trace.trace_id,
            trace_text: trace.trace_text,
            start: trace.start,
            end: trace.end,
        });
    }
    Ok(Session {
        id: SessionRowId(row.id),
        session_id: row.session_id,
        project: ProjectId(row.project_id),
        start: Timestamp(row.start_time),
        end: Timestamp(row.end_time),
        traces: session_traces,
        tokens,
        cost,
    })
}
