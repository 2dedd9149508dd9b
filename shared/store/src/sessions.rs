//! Sessions and their traces. Deleting one is in [`crate::deletion`].

use std::collections::HashMap;

use bennu_domain::annotation::TargetKind;
use bennu_domain::cost::Cost;
use bennu_domain::filter::{self, Flavour, Needs, SessionFacts, Subject};
use bennu_domain::ids::{ProjectId, SessionRowId, TraceId, TraceRowId};
use bennu_domain::page::{Order, Page};
use bennu_domain::span::TokenCounts;
use bennu_domain::time::Timestamp;
use sea_orm::{
    ColumnTrait as _, Condition, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _,
    Select,
};

use crate::conditions::Narrowing;
use crate::entities::{session, trace};
use crate::error::StoreError;
use crate::prepared::storable_session_id;
use crate::store::ScopedStore;
use crate::traces::read_trace;

/// Sessions looked at together when few of them match a condition.
const SESSIONS_AT_ONCE: usize = 100;

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
            self.sessions().filter(session::Column::SessionId.is_in(stored)).all(&self.reads()).await?;
        Ok(rows.into_iter().map(|row| SessionRowId(row.id)).collect())
    }

    pub async fn session(self, id: SessionRowId) -> Result<Option<Session>, StoreError> {
        let found = self.sessions().filter(session::Column::Id.eq(id.0)).one(&self.reads()).await?;
        Ok(self.with_traces(found.into_iter().collect()).await?.pop())
    }

    /// The page, and the session that the next one begins with. The condition is of the flavour of sessions.
    pub async fn list_sessions(
        self,
        project: ProjectId,
        condition: Option<&filter::Condition>,
        order: Order,
        from: Option<SessionRowId>,
        limit: usize,
    ) -> Result<Page<Session, SessionRowId>, StoreError> {
        let wanted = limit + 1;
        let mut rows = match condition {
            None => self.list_rows(project, None, order, from, wanted).await?,
            Some(condition) => self.matching_sessions(project, condition, order, from, wanted).await?,
        };
        let next = rows.get(limit).map(|row| SessionRowId(row.id));
        rows.truncate(limit);
        Ok(Page { items: self.with_traces(rows).await?, next })
    }

    /// The first sessions for which the condition holds.
    async fn matching_sessions(
        self,
        project: ProjectId,
        condition: &filter::Condition,
        order: Order,
        mut from: Option<SessionRowId>,
        wanted: usize,
    ) -> Result<Vec<session::Model>, StoreError> {
        let mut found = Vec::new();
        loop {
            let rows = self.list_rows(project, Some(condition), order, from, SESSIONS_AT_ONCE).await?;
            let exhausted = rows.len() < SESSIONS_AT_ONCE;
            let Some(last) = rows.last() else { return Ok(found) };
            from = match order {
                Order::Ascending => Some(SessionRowId(last.id + 1)),
                Order::Descending => Some(SessionRowId(last.id - 1)),
            };
            for row in rows {
                let facts = self.session_facts(&row, condition.needs()).await?;
                if condition.holds(Subject::Session(&facts))? {
                    found.push(row);
                }
                if found.len() == wanted {
                    return Ok(found);
                }
            }
            if exhausted {
                return Ok(found);
            }
        }
    }

    async fn list_rows(
        self,
        project: ProjectId,
        condition: Option<&filter::Condition>,
        order: Order,
        from: Option<SessionRowId>,
        limit: usize,
    ) -> Result<Vec<session::Model>, StoreError> {
        let (direction, in_page) = match order {
            Order::Ascending => (sea_orm::Order::Asc, from.map(|from| session::Column::Id.gte(from.0))),
            Order::Descending => (sea_orm::Order::Desc, from.map(|from| session::Column::Id.lte(from.0))),
        };
        let dialect = self.store.backend();
        let narrowing = Narrowing { flavour: Flavour::Session, dialect, tenant: self.tenant };
        let rows = self
            .sessions()
            .filter(session::Column::ProjectId.eq(project.0))
            .filter(Condition::all().add_option(in_page))
            .filter(
                Condition::all().add_option(condition.and_then(|condition| narrowing.of(condition.expr()))),
            )
            .order_by(session::Column::Id, direction)
            .limit(limit as u64);
        Ok(rows.all(&self.reads()).await?)
    }

    async fn session_facts(self, row: &session::Model, needs: Needs) -> Result<SessionFacts, StoreError> {
        let traces = trace::Entity::find()
            .filter(trace::Column::TenantId.eq(self.tenant))
            .filter(trace::Column::SessionRowId.eq(row.id))
            .order_by_asc(trace::Column::StartTime)
            .order_by_asc(trace::Column::Id)
            .all(&self.reads())
            .await?;
        let mut annotations = HashMap::new();
        if needs.session_annotations {
            annotations = self.annotation_facts(TargetKind::Session, &[row.id]).await?;
        }
        Ok(SessionFacts {
            session_id: row.session_id.clone(),
            start: Timestamp(row.start_time),
            end: Timestamp(row.end_time),
            traces: self.trace_facts(&traces, needs).await?,
            annotations: annotations.remove(&row.id).unwrap_or_default(),
        })
    }

    async fn with_traces(self, rows: Vec<session::Model>) -> Result<Vec<Session>, StoreError> {
        let traces = trace::Entity::find()
            .filter(trace::Column::TenantId.eq(self.tenant))
            .filter(trace::Column::SessionRowId.is_in(rows.iter().map(|row| row.id)))
            .order_by_asc(trace::Column::StartTime)
            .order_by_asc(trace::Column::Id)
            .all(&self.reads())
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
