//! Sessions and projects are deleted with their traces, while writers may be adding more.
//!
//! A writer holds the rows of the projects and sessions that it gives traces to, at the latest when it commits, or gives up. So
//! once the owner's row is deleted, no further trace can join it, and it is enough to look whether one did just before; then it all begins again.

use bennu_domain::annotation::TargetKind;
use bennu_domain::audit::AuditAction;
use bennu_domain::global_id::Node as _;
use bennu_domain::ids::{ProjectId, SessionRowId};
use bennu_domain::time::Timestamp;
use sea_orm::sea_query::{Expr, ExprTrait as _, SimpleExpr};
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _, QuerySelect as _};

use crate::audit::AuditEntry;
use crate::entities::{project, session, trace};
use crate::error::StoreError;
use crate::store::ScopedStore;
use crate::transaction::WriteTransaction;

/// Each attempt takes all traces that are there; only a trace that is new in the moment between fails it.
const ATTEMPTS: usize = 20;
/// Sessions named in one statement; SQLite allows 32,766 parameters.
const SESSIONS_A_STATEMENT: usize = 500;

impl ScopedStore<'_> {
    /// Deletes a session with all its traces, of whatever project. `false` if there is no such session.
    pub async fn delete_session(self, id: SessionRowId) -> Result<bool, StoreError> {
        let of_session = trace::Column::SessionRowId.eq(id.0);
        let mut entry = Some(AuditEntry::new(AuditAction::DeleteSession, id.global_id()));
        for _ in 0..ATTEMPTS {
            self.delete_traces(of_session.clone(), &mut entry).await?;
            let transaction = self.begin().await?;
            let deleted = session::Entity::delete_by_id((self.tenant, id.0)).exec(&transaction).await?;
            if self.has_trace(&transaction, of_session.clone()).await? {
                transaction.rollback().await?;
                continue;
            }
            self.delete_annotations_of(&transaction, &[TargetKind::Session], &[id.0]).await?;
            if deleted.rows_affected > 0 {
                self.record_once(&transaction, &mut entry).await?;
            }
            transaction.commit().await?;
            self.store.forget_deleted_pages().await?;
            return Ok(deleted.rows_affected > 0);
        }
        Err(StoreError::LostRace)
    }

    /// Deletes the traces of a project that start in `[start, end)`, and the sessions that this leaves empty.
    pub async fn delete_traces_between(
        self,
        project: ProjectId,
        start: Timestamp,
        end: Timestamp,
    ) -> Result<usize, StoreError> {
        let in_range = trace::Column::ProjectId
            .eq(project.0)
            .and(trace::Column::StartTime.gte(start.0))
            .and(trace::Column::StartTime.lt(end.0));
        let sessions: Vec<i64> = trace::Entity::find()
            .select_only()
            .column(trace::Column::SessionRowId)
            .distinct()
            .filter(trace::Column::TenantId.eq(self.tenant))
            .filter(in_range.clone())
            .filter(trace::Column::SessionRowId.is_not_null())
            .into_tuple()
            .all(&self.reads())
            .await?;
        let entry = AuditEntry::new(AuditAction::DeleteTraces, project.global_id())
            .with("start_time", start.to_string())
            .with("end_time", end.to_string());
        let deleted = self.delete_traces(in_range, &mut Some(entry)).await?;
        for some in sessions.chunks(SESSIONS_A_STATEMENT) {
            self.delete_empty_sessions(some).await?;
        }
        Ok(deleted)
    }

    async fn delete_empty_sessions(self, sessions: &[i64]) -> Result<(), StoreError> {
        for _ in 0..ATTEMPTS {
            let transaction = self.begin().await?;
            let filled: Vec<i64> = trace::Entity::find()
                .select_only()
                .column(trace::Column::SessionRowId)
                .distinct()
                .filter(trace::Column::TenantId.eq(self.tenant))
                .filter(of_sessions(sessions))
                .into_tuple()
                .all(&transaction)
                .await?;
            let empty: Vec<i64> = sessions.iter().copied().filter(|id| !filled.contains(id)).collect();
            session::Entity::delete_many()
                .filter(session::Column::TenantId.eq(self.tenant))
                .filter(session::Column::Id.is_in(empty.iter().copied()))
                .exec(&transaction)
                .await?;
            if self.has_trace(&transaction, of_sessions(&empty)).await? {
                transaction.rollback().await?;
                continue;
            }
            self.delete_annotations_of(&transaction, &[TargetKind::Session], &empty).await?;
            transaction.commit().await?;
            return self.store.forget_deleted_pages().await;
        }
        Err(StoreError::LostRace)
    }

    /// Deletes a project with its traces and sessions. `false` if there is no such project.
    pub async fn delete_project(self, id: ProjectId) -> Result<bool, StoreError> {
        let of_project = trace::Column::ProjectId.eq(id.0);
        let Some(found) = self.project(id).await? else { return Ok(false) };
        let entry = AuditEntry::new(AuditAction::DeleteProject, id.global_id()).with("name", found.name);
        let mut entry = Some(entry);
        for _ in 0..ATTEMPTS {
            self.delete_traces(of_project.clone(), &mut entry).await?;
            let transaction = self.begin().await?;
            let sessions = self.release_traces_of_sessions(&transaction, id).await?;
            let deleted = project::Entity::delete_by_id((self.tenant, id.0)).exec(&transaction).await?;
            session::Entity::delete_many()
                .filter(session::Column::TenantId.eq(self.tenant))
                .filter(session::Column::ProjectId.eq(id.0))
                .exec(&transaction)
                .await?;
            let mut joined = self.has_trace(&transaction, of_project.clone()).await?;
            for some in sessions.chunks(SESSIONS_A_STATEMENT) {
                joined |= self.has_trace(&transaction, of_sessions(some)).await?;
            }
            if joined {
                transaction.rollback().await?;
                continue;
            }
            self.delete_annotations_of(&transaction, &[TargetKind::Session], &sessions).await?;
            self.drop_assignments(&transaction, id).await?;
            if deleted.rows_affected > 0 {
                self.record_once(&transaction, &mut entry).await?;
            }
            transaction.commit().await?;
            self.store.forget_deleted_pages().await?;
            return Ok(deleted.rows_affected > 0);
        }
        Err(StoreError::LostRace)
    }

    /// Traces of other projects that joined a session of this one are in none from now on. Answers the sessions.
    async fn release_traces_of_sessions(
        self,
        transaction: &WriteTransaction,
        project: ProjectId,
    ) -> Result<Vec<i64>, StoreError> {
        let sessions: Vec<i64> = session::Entity::find()
            .select_only()
            .column(session::Column::Id)
            .filter(session::Column::TenantId.eq(self.tenant))
            .filter(session::Column::ProjectId.eq(project.0))
            .into_tuple()
            .all(transaction)
            .await?;
        for some in sessions.chunks(SESSIONS_A_STATEMENT) {
            trace::Entity::update_many()
                .col_expr(trace::Column::SessionRowId, Expr::value(Option::<i64>::None))
                .filter(trace::Column::TenantId.eq(self.tenant))
                .filter(of_sessions(some))
                .exec(transaction)
                .await?;
        }
        Ok(sessions)
    }

    async fn has_trace(self, transaction: &WriteTransaction, which: SimpleExpr) -> Result<bool, StoreError> {
        let found: Option<i64> = trace::Entity::find()
            .select_only()
            .column(trace::Column::Id)
            .filter(trace::Column::TenantId.eq(self.tenant))
            .filter(which)
            .limit(1)
            .into_tuple()
            .one(transaction)
            .await?;
        Ok(found.is_some())
    }
}

fn of_sessions(sessions: &[i64]) -> SimpleExpr {
    trace::Column::SessionRowId.is_in(sessions.iter().copied())
}
