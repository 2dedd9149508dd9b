//! A walk over all old traces, to find those that are not in the archive yet.

use bennu_domain::time::Timestamp;
use sea_orm::{ConnectionTrait as _, QueryResult, Statement, Value};

use super::DueTrace;
use crate::error::StoreError;
use crate::store::Store;

/// Before every row.
const BEGINNING: (i64, i64) = (i64::MIN, i64::MIN);

/// How far a walk has come: project by project, and in each of them by the start of the traces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OldTraceWalk {
    /// Tenant and id.
    project: (i64, i64),
    /// Start and row id.
    trace: (i64, i64),
}

impl Default for OldTraceWalk {
    fn default() -> Self {
        Self { project: BEGINNING, trace: BEGINNING }
    }
}

impl Store {
    /// Looks at the next traces that began before `before`, at most so many, and answers those with a block in the database. `None` at
    /// the end of the walk.
    pub async fn next_old_traces(
        &self,
        walk: &mut OldTraceWalk,
        before: Timestamp,
        most: usize,
    ) -> Result<Option<Vec<DueTrace>>, StoreError> {
        if walk.project == BEGINNING && !self.to_next_project(walk).await? {
            return Ok(None);
        }
        let ((tenant, project), (start, id)) = (walk.project, walk.trace);
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        // The bound on the start alone says nothing new, but lets SQLite find the place in the index.
        let sql = "SELECT t.start_time, t.id, EXISTS (SELECT 1 FROM trace_blocks b WHERE b.tenant_id = $1 \
                   AND b.trace_row_id = t.id AND b.object_key IS NULL) FROM \
                   (SELECT start_time, id FROM traces WHERE tenant_id = $1 AND project_id = $2 AND start_time >= $3 \
                   AND (start_time, id) > ($3, $4) AND start_time < $5 ORDER BY start_time, id LIMIT $6) t \
                   ORDER BY t.start_time, t.id";
        let values = [tenant, project, start, id, before.0, most].map(Value::from);
        let found = self.rows(sql, values, |row| {
            Ok((row.try_get_by_index(0)?, row.try_get_by_index(1)?, row.try_get_by_index::<bool>(2)?))
        });
        let found: Vec<(i64, i64, bool)> = found.await?;
        match found.last() {
            Some(&(start, id, _)) => walk.trace = (start, id),
            None if self.to_next_project(walk).await? => {}
            None => return Ok(None),
        }
        let in_database = found.into_iter().filter(|(_, _, in_database)| *in_database);
        Ok(Some(in_database.map(|(_, id, _)| DueTrace::new(tenant, id)).collect()))
    }

    async fn to_next_project(&self, walk: &mut OldTraceWalk) -> Result<bool, StoreError> {
        let sql = "SELECT tenant_id, id FROM projects WHERE tenant_id >= $1 AND (tenant_id, id) > ($1, $2) \
                   ORDER BY tenant_id, id LIMIT 1";
        let values = [walk.project.0, walk.project.1].map(Value::from);
        let read = |row: &QueryResult| Ok((row.try_get_by_index(0)?, row.try_get_by_index(1)?));
        let next: Option<(i64, i64)> = self.rows(sql, values, read).await?.pop();
        let Some(project) = next else { return Ok(false) };
        *walk = OldTraceWalk { project, trace: BEGINNING };
        Ok(true)
    }

    async fn rows<T, const N: usize>(
        &self,
        sql: &str,
        values: [Value; N],
        read: impl Fn(&QueryResult) -> Result<T, sea_orm::DbErr>,
    ) -> Result<Vec<T>, StoreError> {
        let statement = Statement::from_sql_and_values(self.backend(), sql, values);
        let rows = self.reads_across_tenants("looking for old traces").query_all_raw(statement).await?;
        Ok(rows.iter().map(read).collect::<Result<_, _>>()?)
    }
}
