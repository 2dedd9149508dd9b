//! Traces move to another project, and with them everything that will arrive for them.

use std::collections::HashSet;

use bennu_domain::audit::AuditAction;
use bennu_domain::global_id::Node as _;
use bennu_domain::ids::{ProjectId, TraceRowId};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait as _, ConnectionTrait, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _,
};

use crate::audit::AuditEntry;
use crate::entities::{project, span, trace};
use crate::error::StoreError;
use crate::store::ScopedStore;
use crate::transaction::WriteTransaction;

/// Rows named in one statement; SQLite allows 32,766 parameters.
const TRACES_A_STATEMENT: usize = 500;

/// What became of a transfer. Unless it was done nothing moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transfer {
    /// How many traces are in the destination now.
    Done(usize),
    /// Some trace, or the destination, is not there.
    Missing,
    /// The traces are of several projects.
    SeveralSources,
}

impl ScopedStore<'_> {
    /// Moves traces of one project to another, all or none. Their sessions stay where they are.
    pub async fn transfer_traces(
        self,
        traces: &[TraceRowId],
        destination: ProjectId,
    ) -> Result<Transfer, StoreError> {
        let wanted: HashSet<i64> = traces.iter().map(|trace| trace.0).collect();
        let ids: Vec<i64> = wanted.into_iter().collect();
        let transaction = self.begin().await?;
        let sources = self.lock_and_read_projects(&transaction, &ids).await?;
        // Held until the commit, like writers do, so that nobody deletes the project meanwhile.
        let held = project::Entity::find_by_id((self.tenant, destination.0))
            .lock(sea_orm::sea_query::LockType::KeyShare)
            .one(&transaction)
            .await?;
        if sources.len() < ids.len() || held.is_none() {
            return Ok(Transfer::Missing);
        }
        if sources.iter().any(|source| *source != sources[0]) {
            return Ok(Transfer::SeveralSources);
        }
        for some in ids.chunks(TRACES_A_STATEMENT) {
            self.move_rows(&transaction, some, destination).await?;
            self.move_annotations(&transaction, some, sources[0], destination.0).await?;
        }
        let entry = AuditEntry::new(AuditAction::TransferTraces, destination.global_id())
            .with("from", sources.first().map(|source| ProjectId(*source).global_id()))
            .with("traces", ids.len());
        self.record_in(&transaction, entry).await?;
        transaction.commit().await?;
        Ok(Transfer::Done(ids.len()))
    }

    /// Locks in the order of writers; answers the project of each trace that is there.
    async fn lock_and_read_projects(
        self,
        transaction: &WriteTransaction,
        ids: &[i64],
    ) -> Result<Vec<i64>, StoreError> {
        let mut projects = Vec::with_capacity(ids.len());
        for some in ids.chunks(TRACES_A_STATEMENT) {
            let locked = trace::Entity::find()
                .select_only()
                .column(trace::Column::ProjectId)
                .filter(trace::Column::TenantId.eq(self.tenant))
                .filter(trace::Column::Id.is_in(some.iter().copied()))
                .order_by_asc(trace::Column::TraceId)
                .lock_exclusive();
            projects.extend(locked.into_tuple::<i64>().all(transaction).await?);
        }
        Ok(projects)
    }

    async fn move_rows(
        self,
        transaction: &impl ConnectionTrait,
        ids: &[i64],
        destination: ProjectId,
    ) -> Result<(), StoreError> {
        trace::Entity::update_many()
            .col_expr(trace::Column::ProjectId, Expr::value(destination.0))
            .filter(trace::Column::TenantId.eq(self.tenant))
            .filter(trace::Column::Id.is_in(ids.iter().copied()))
            .exec(transaction)
            .await?;
        span::Entity::update_many()
            .col_expr(span::Column::ProjectId, Expr::value(destination.0))
            .filter(span::Column::TenantId.eq(self.tenant))
            .filter(span::Column::TraceRowId.is_in(ids.iter().copied()))
            .exec(transaction)
            .await?;
        Ok(())
    }
}
