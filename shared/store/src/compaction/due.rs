//! Traces that wait for the compactor.

use bennu_access::{SystemScope, TenantScope};
use bennu_domain::ids::{TenantId, TraceRowId};
use bennu_domain::time::Timestamp;
use sea_orm::{ConnectionTrait as _, EntityTrait as _, QueryResult, QuerySelect as _, Statement};

use super::plan::BlockInShort;
use crate::entities::trace;
use crate::error::StoreError;
use crate::store::{ScopedStore, Store};
use crate::transaction::WriteTransaction;

/// A trace that the compactor is to look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DueTrace {
    pub scope: TenantScope,
    pub trace: TraceRowId,
}

impl DueTrace {
    pub(super) fn new(tenant: i64, trace: i64) -> Self {
        let scope = SystemScope::for_tenant(TenantId(tenant), "compaction");
        Self { scope, trace: TraceRowId(trace) }
    }
}

impl Store {
    /// Traces of all tenants that are in several blocks and got the last of them at `idle_since` or before, longest idle first.
    pub async fn due_traces(&self, idle_since: Timestamp, most: usize) -> Result<Vec<DueTrace>, StoreError> {
        let statement = Statement::from_sql_and_values(
            self.backend(),
            "SELECT tenant_id, trace_row_id FROM compactions WHERE written_at <= $1 ORDER BY written_at LIMIT $2",
            [idle_since.0.into(), i64::try_from(most).unwrap_or(i64::MAX).into()],
        );
        let rows =
            self.reads_across_tenants("looking for traces to compact").query_all_raw(statement).await?;
        let due = |row: &QueryResult| {
            Ok::<_, StoreError>(DueTrace::new(row.try_get_by_index(0)?, row.try_get_by_index(1)?))
        };
        rows.iter().map(due).collect()
    }
}

impl ScopedStore<'_> {
    /// Has the compactor come back to a trace that it could not do, behind the others.
    pub async fn postpone_compaction(self, trace: TraceRowId) -> Result<(), StoreError> {
        let transaction = self.begin().await?;
        let sql = "UPDATE compactions SET written_at = $3 WHERE tenant_id = $1 AND trace_row_id = $2";
        let values = [self.tenant.into(), trace.0.into(), self.store.now().into()];
        transaction.run(sql, values).await?;
        transaction.commit().await
    }

    /// Nothing is to be done for the trace, as long as its blocks are still these. `false` if they are not.
    pub(super) async fn forget_due_trace(
        self,
        trace: i64,
        blocks: &[BlockInShort],
    ) -> Result<bool, StoreError> {
        let transaction = self.begin().await?;
        self.lock_trace(&transaction, trace).await?;
        let unchanged = self.blocks_in_short(&transaction, trace).await? == blocks;
        if unchanged {
            self.drop_due_trace(&transaction, trace).await?;
            transaction.commit().await?;
        }
        Ok(unchanged)
    }

    pub(super) async fn drop_due_trace(
        self,
        transaction: &WriteTransaction,
        trace: i64,
    ) -> Result<(), StoreError> {
        let sql = "DELETE FROM compactions WHERE tenant_id = $1 AND trace_row_id = $2";
        transaction.run(sql, [self.tenant.into(), trace.into()]).await?;
        Ok(())
    }

    /// As writers do, who wait here. `false` if there is no such trace.
    pub(super) async fn lock_trace(
        self,
        transaction: &WriteTransaction,
        trace: i64,
    ) -> Result<bool, StoreError> {
        let found = trace::Entity::find_by_id((self.tenant, trace)).lock_exclusive().one(transaction).await?;
        Ok(found.is_some())
    }
}
