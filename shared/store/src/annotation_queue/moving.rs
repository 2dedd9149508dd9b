//! Earlier versions had the queue of an embedded store in its database. What waits there goes into the file of the queue.

use sea_orm::{ConnectionTrait as _, DbErr, QueryResult, Statement};

use super::jobs::{JobValues, insert_jobs};
use crate::database::Door;
use crate::error::StoreError;
use crate::store::Store;

/// Jobs that are moved together; bounds the memory.
const JOBS_AT_ONCE: u32 = 50;

impl Store {
    /// A crash in between leaves jobs in both places: applied twice they change nothing.
    pub(crate) async fn move_jobs_apart(&self) -> Result<(), StoreError> {
        let Some(apart) = self.jobs_apart() else { return Ok(()) };
        loop {
            let reads = self.reads_across_tenants("moving queued annotations into a file of their own");
            let some = format!(
                "SELECT tenant_id, receipt, items, due_at, bytes, payload, id FROM annotation_jobs ORDER BY id LIMIT {JOBS_AT_ONCE}"
            );
            let found = reads.query_all_raw(Statement::from_string(self.backend(), some)).await?;
            let Some(last) = found.last() else { return Ok(()) };
            let last: i64 = last.try_get_by_index(6)?;
            let rows = found.iter().map(values).collect::<Result<_, _>>()?;
            let arriving = apart.begin(Door::AcrossTenants("moving queued annotations")).await?;
            insert_jobs(&arriving, rows).await?;
            arriving.commit().await?;
            let leaving = self.begin_across_tenants("forgetting queued annotations that were moved").await?;
            leaving.run("DELETE FROM annotation_jobs WHERE id <= $1", [last.into()]).await?;
            leaving.commit().await?;
        }
    }
}

fn values(row: &QueryResult) -> Result<JobValues, DbErr> {
    let (tenant, receipt): (i64, String) = (row.try_get_by_index(0)?, row.try_get_by_index(1)?);
    let (items, due): (i64, i64) = (row.try_get_by_index(2)?, row.try_get_by_index(3)?);
    let (bytes, payload): (i64, Vec<u8>) = (row.try_get_by_index(4)?, row.try_get_by_index(5)?);
    Ok([tenant.into(), receipt.into(), items.into(), due.into(), bytes.into(), payload.into()])
}
