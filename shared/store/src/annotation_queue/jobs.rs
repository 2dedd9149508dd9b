//! The table of the embedded queue: in the database, or apart from it in a SQLite file of its own. A claim moves the time at which a
//! job is due behind the end of its lease, so that the jobs of a process that died come up again by themselves.

use std::iter;

use bennu_access::{SystemScope, TenantScope};
use bennu_domain::ids::TenantId;
use bennu_domain::time::Timestamp;
use sea_orm::{ConnectionTrait as _, QueryResult, Statement, Value};

use crate::bulk::{ColumnType, RowSet, reserve_ids};
use crate::database::{Door, Reads, refuse_erased};
use crate::error::StoreError;
use crate::store::{ScopedStore, Store, is_postgres};
use crate::transaction::{Committed, WriteTransaction};

use ColumnType::{BigInt, Bytes, Text};

/// A job to queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewJobRow {
    pub receipt: String,
    pub items: usize,
    /// What the payload takes when it is inflated; zero if it is not compressed.
    pub bytes: usize,
    pub payload: Vec<u8>,
}

/// Which job of the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JobKey {
    tenant: i64,
    id: i64,
}

impl JobKey {
    fn values(self) -> [Value; 2] {
        [self.tenant.into(), self.id.into()]
    }
}

/// A job that was claimed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobRow {
    pub key: JobKey,
    pub scope: TenantScope,
    /// See [`NewJobRow::bytes`].
    pub bytes: usize,
    pub payload: Vec<u8>,
}

const KEY: &[(&str, ColumnType)] = &[("tenant_id", BigInt), ("id", BigInt)];

/// Tenant, receipt, items, time at which it is due, inflated bytes, payload.
pub(super) type JobValues = [Value; 6];

/// Answers their ids, in order.
pub(super) async fn insert_jobs(
    transaction: &WriteTransaction,
    jobs: Vec<JobValues>,
) -> Result<Vec<i64>, StoreError> {
    const COLUMNS: &[(&str, ColumnType)] = &[
        ("id", BigInt),
        ("tenant_id", BigInt),
        ("receipt", Text),
        ("items", BigInt),
        ("due_at", BigInt),
        ("bytes", BigInt),
        ("payload", Bytes),
    ];
    let [ids] = reserve_ids(transaction, [("annotation_jobs", jobs.len())]).await?;
    let mut rows = RowSet::new(COLUMNS, jobs.len());
    for (id, job) in ids.iter().zip(jobs) {
        rows.push(iter::once((*id).into()).chain(job));
    }
    let sql = "INSERT INTO annotation_jobs (id, tenant_id, receipt, items, due_at, bytes, payload) \
               SELECT v.id, v.tenant_id, v.receipt, v.items, v.due_at, v.bytes, v.payload FROM v";
    rows.execute(transaction, sql, &[]).await?;
    Ok(ids)
}

impl ScopedStore<'_> {
    /// Queues jobs, all or none, that are due at this time. Answers which they are, in order.
    pub async fn queue_jobs(
        self,
        jobs: Vec<NewJobRow>,
        due: Timestamp,
    ) -> Result<(Vec<JobKey>, Committed), StoreError> {
        let written: usize = jobs.iter().map(|job| job.payload.len()).sum();
        let values = jobs.into_iter().map(|NewJobRow { receipt, items, bytes, payload }| {
            let (items, bytes) = (as_i64(items).into(), as_i64(bytes).into());
            [self.tenant.into(), receipt.into(), items, due.0.into(), bytes, payload.into()]
        });
        let values: Vec<JobValues> = values.collect();
        let transaction = self.begin_queueing().await?;
        let ids = insert_jobs(&transaction, values).await?;
        let committed = transaction.commit_visibly().await?;
        self.store.jobs().journal.written(2 * written); // they are overwritten when they are deleted
        Ok((ids.into_iter().map(|id| JobKey { tenant: self.tenant, id }).collect(), committed))
    }

    /// A file of the queue knows no tenants. Whoever erases one closes it first and then deletes its jobs, which waits for the end of
    /// this transaction if it was still open at the time of the question.
    async fn begin_queueing(self) -> Result<WriteTransaction, StoreError> {
        let Some(apart) = self.store.jobs_apart() else { return self.begin().await };
        let transaction = apart.begin(Door::AcrossTenants("queueing annotations")).await?;
        refuse_erased(&self.current().reads(), self.tenant).await?;
        Ok(transaction)
    }

    /// How many annotations of a request are queued.
    pub async fn queued_items(self, receipt: &str) -> Result<usize, StoreError> {
        let sum = Statement::from_sql_and_values(
            self.store.backend(),
            "SELECT CAST(COALESCE(sum(items), 0) AS BIGINT) FROM annotation_jobs WHERE tenant_id = $1 AND receipt = $2",
            [self.tenant.into(), receipt.into()],
        );
        let reads = self.store.jobs().reads(Door::Tenant(self.tenant));
        let items: i64 = match reads.query_one_raw(sum).await? {
            Some(row) => row.try_get_by_index(0)?,
            None => 0,
        };
        Ok(usize::try_from(items).unwrap_or_default())
    }
}

impl Store {
    fn reads_jobs(&self, reason: &'static str) -> Reads<'_> {
        self.jobs().reads(Door::AcrossTenants(reason))
    }

    /// Jobs in the queue, of all tenants, or `most` if there are more.
    pub async fn queued_jobs(&self, most: usize) -> Result<usize, StoreError> {
        let count = Statement::from_sql_and_values(
            self.backend(),
            "SELECT count(*) FROM (SELECT 1 FROM annotation_jobs LIMIT $1) AS waiting",
            [as_i64(most).into()],
        );
        let reads = self.reads_jobs("counting queued annotations");
        let jobs: i64 = match reads.query_one_raw(count).await? {
            Some(row) => row.try_get_by_index(0)?,
            None => 0,
        };
        Ok(usize::try_from(jobs).unwrap_or_default())
    }

    /// Up to so many jobs that are due, of all tenants, longest due first; they are due again at `lease_ends`. Those after
    /// the one with which their payloads reach `most_bytes`, inflated, are left.
    pub async fn claim_jobs(
        &self,
        most: usize,
        most_bytes: usize,
        lease_ends: Timestamp,
    ) -> Result<Vec<JobRow>, StoreError> {
        let transaction = self.jobs().begin(Door::AcrossTenants("claiming queued annotations")).await?;
        let skip = if is_postgres(&transaction) { "FOR UPDATE SKIP LOCKED" } else { "" };
        let sql = format!(
            "UPDATE annotation_jobs SET due_at = $1 WHERE (tenant_id, id) IN (SELECT tenant_id, id FROM \
             (SELECT tenant_id, id, sum(bytes) OVER (ORDER BY due_at, id) - bytes AS before FROM \
             (SELECT tenant_id, id, due_at, CASE WHEN bytes > 0 THEN bytes ELSE octet_length(payload) END AS bytes FROM annotation_jobs \
             WHERE due_at <= $2 ORDER BY due_at, id LIMIT $3 {skip}) AS due) AS due WHERE before < $4) \
             RETURNING tenant_id, id, bytes, payload"
        );
        let values: [Value; 4] =
            [lease_ends.0.into(), self.now().into(), as_i64(most).into(), as_i64(most_bytes).into()];
        let statement = Statement::from_sql_and_values(transaction.get_database_backend(), sql, values);
        let rows = transaction.query_all_raw(statement).await?;
        transaction.commit_loosely().await?; // unclaimed again after a crash
        let mut jobs = rows.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        jobs.sort_by_key(|job| job.key.id);
        Ok(jobs)
    }

    /// Drops jobs that are done, and queues again what is left of others, with the time at which they are due. What was done must
    /// be durable by now.
    pub async fn settle_jobs(
        &self,
        done: &[JobKey],
        again: Vec<(JobKey, NewJobRow, Timestamp)>,
    ) -> Result<(), StoreError> {
        const AGAIN: &[(&str, ColumnType)] = &[
            ("tenant_id", BigInt),
            ("id", BigInt),
            ("items", BigInt),
            ("due_at", BigInt),
            ("bytes", BigInt),
            ("payload", Bytes),
        ];
        let mut finished = RowSet::new(KEY, done.len());
        done.iter().for_each(|key| finished.push(key.values()));
        let mut left = RowSet::new(AGAIN, again.len());
        for (key, job, due) in again {
            let (items, bytes) = (as_i64(job.items).into(), as_i64(job.bytes).into());
            left.push(key.values().into_iter().chain([items, due.0.into(), bytes, job.payload.into()]));
        }
        let transaction = self.jobs().begin(Door::AcrossTenants("settling queued annotations")).await?;
        let sql = "DELETE FROM annotation_jobs WHERE (tenant_id, id) IN (SELECT tenant_id, id FROM v)";
        finished.execute(&transaction, sql, &[]).await?;
        let sql = "UPDATE annotation_jobs SET items = v.items, due_at = v.due_at, bytes = v.bytes, payload = v.payload FROM v \
                   WHERE annotation_jobs.tenant_id = v.tenant_id AND annotation_jobs.id = v.id";
        left.execute(&transaction, sql, &[]).await?;
        // After a crash they come up again, and their receipts say what is done.
        transaction.commit_loosely().await
    }

    /// Jobs are due at once that were claimed and not begun.
    pub async fn release_jobs(&self, jobs: &[JobKey]) -> Result<(), StoreError> {
        if jobs.is_empty() {
            return Ok(());
        }
        let mut rows = RowSet::new(KEY, jobs.len());
        jobs.iter().for_each(|key| rows.push(key.values()));
        let transaction = self.jobs().begin(Door::AcrossTenants("giving queued annotations back")).await?;
        let sql = "UPDATE annotation_jobs SET due_at = {0} FROM v \
                   WHERE annotation_jobs.tenant_id = v.tenant_id AND annotation_jobs.id = v.id";
        rows.execute(&transaction, sql, &[self.now().into()]).await?;
        transaction.commit_loosely().await // after a crash they are due when their lease is over
    }

    /// When the next job is due, if there is any.
    pub async fn next_job_due(&self) -> Result<Option<Timestamp>, StoreError> {
        let reads = self.reads_jobs("looking for queued annotations that are due");
        let next = Statement::from_string(self.backend(), "SELECT min(due_at) FROM annotation_jobs");
        let due: Option<i64> = match reads.query_one_raw(next).await? {
            Some(row) => row.try_get_by_index(0)?,
            None => None,
        };
        Ok(due.map(Timestamp))
    }
}

fn read(row: &QueryResult) -> Result<JobRow, StoreError> {
    let (tenant, bytes): (i64, i64) = (row.try_get_by_index(0)?, row.try_get_by_index(2)?);
    Ok(JobRow {
        key: JobKey { tenant, id: row.try_get_by_index(1)? },
        scope: SystemScope::for_tenant(TenantId(tenant), "annotations of its queue"),
        bytes: usize::try_from(bytes).unwrap_or_default(),
        payload: row.try_get_by_index(3)?,
    })
}

fn as_i64(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
