//! The owners of the traces in a batch, projects and sessions: looked up, and made if they are new.

use std::collections::{HashMap, HashSet};

use sea_orm::{ConnectionTrait as _, DbBackend, Value};

use super::SpanWrite;
use super::batch::TraceBatch;
use super::ids::reserve_ids;
use super::roll_up::RollUp;
use super::row_set::{ColumnType, RowSet};
use crate::error::StoreError;

const NAMES: &[(&str, ColumnType)] = &[("name", ColumnType::Text)];

impl SpanWrite<'_> {
    /// New traces go to the project that their first span names; stored ones stay where they are.
    pub(super) async fn assign_projects(&self, traces: &mut [TraceBatch]) -> Result<(), StoreError> {
        let new = || traces.iter().filter(|trace| trace.stored.is_none());
        let names = distinct(new().map(|trace| trace.project.as_str()));
        let mut known = self.project_rows(&names).await?;
        let missing: Vec<&str> = names.into_iter().filter(|name| !known.contains_key(*name)).collect();
        if !missing.is_empty() {
            self.insert_projects(&missing).await?;
            known.extend(self.project_rows(&missing).await?);
        }
        for trace in traces.iter_mut().filter(|trace| trace.stored.is_none()) {
            trace.project_row = known.get(trace.project.as_str()).copied().ok_or(StoreError::LostRace)?;
        }
        Ok(())
    }

    /// On Postgres these rows are held until the commit, so that nobody deletes a project while it gets a trace.
    async fn project_rows(&self, names: &[&str]) -> Result<HashMap<String, i64>, StoreError> {
        let hold = match self.transaction.get_database_backend() {
            DbBackend::Postgres => "FOR KEY SHARE OF p",
            _ => "",
        };
        let sql =
            "SELECT p.name, p.id FROM v CROSS JOIN projects p WHERE p.tenant_id = {0} AND p.name = v.name";
        self.rows_by_name(names, &format!("{sql} {hold}")).await
    }

    async fn rows_by_name(&self, names: &[&str], sql: &str) -> Result<HashMap<String, i64>, StoreError> {
        let mut rows = RowSet::new(NAMES, names.len());
        names.iter().for_each(|name| rows.push([(*name).into()]));
        let read = |row: sea_orm::QueryResult| Ok((row.try_get_by_index(0)?, row.try_get_by_index(1)?));
        Ok(rows.query(&self.transaction, sql, &[self.tenant()], read).await?.into_iter().collect())
    }

    async fn insert_projects(&self, names: &[&str]) -> Result<(), StoreError> {
        const COLUMNS: &[(&str, ColumnType)] = &[("id", ColumnType::BigInt), ("name", ColumnType::Text)];
        let [ids] = reserve_ids(&self.transaction, [("projects", names.len())]).await?;
        let mut new: Vec<(i64, &str)> = ids.into_iter().zip(names.iter().copied()).collect();
        new.sort_unstable_by_key(|(_, name)| *name); // all writers insert in the same order, or they may lock each other out
        let mut rows = RowSet::new(COLUMNS, new.len());
        new.into_iter().for_each(|(id, name)| rows.push([id.into(), name.into()]));
        let sql = "INSERT INTO projects (tenant_id, id, name, created_at) SELECT {0}, v.id, v.name, {1} FROM v WHERE true \
                   ON CONFLICT DO NOTHING";
        let now = self.scoped.store.now();
        rows.execute(&self.transaction, sql, &[self.tenant(), now.into()]).await?;
        Ok(())
    }

    /// A trace joins the session that its first span with a session names, and stays in it. Answers the sessions that are new.
    pub(super) async fn assign_sessions(
        &self,
        traces: &mut [TraceBatch],
    ) -> Result<HashSet<i64>, StoreError> {
        let unbound = || traces.iter().filter(|trace| trace.session_row.is_none());
        let names = distinct(unbound().filter_map(TraceBatch::session_id));
        let mut known = self.session_rows(&names).await?;
        let missing: Vec<&str> = names.into_iter().filter(|name| !known.contains_key(*name)).collect();
        let mut new = HashMap::new();
        if !missing.is_empty() {
            match self.insert_sessions(new_sessions(unbound(), &known)).await? {
                Some(inserted) => new = inserted,
                // Another writer was first with one of them.
                None => known.extend(self.session_rows(&missing).await?),
            }
        }
        let fresh: HashSet<i64> = new.values().copied().collect();
        known.extend(new);
        for trace in traces.iter_mut().filter(|trace| trace.session_row.is_none()) {
            let Some(session) = trace.session_id() else { continue };
            trace.session_row = Some(known.get(session).copied().ok_or(StoreError::LostRace)?);
        }
        Ok(fresh)
    }

    async fn session_rows(&self, names: &[&str]) -> Result<HashMap<String, i64>, StoreError> {
        let sql = "SELECT s.session_id, s.id FROM v CROSS JOIN sessions s \
                   WHERE s.tenant_id = {0} AND s.session_id = v.name";
        self.rows_by_name(names, sql).await
    }

    /// Answers their rows, or nothing if not all of them are new after all.
    async fn insert_sessions(
        &self,
        sessions: Vec<NewSession>,
    ) -> Result<Option<HashMap<String, i64>>, StoreError> {
        const COLUMNS: &[(&str, ColumnType)] = &[
            ("id", ColumnType::BigInt),
            ("project_id", ColumnType::BigInt),
            ("session_id", ColumnType::Text),
            ("start_time", ColumnType::BigInt),
            ("end_time", ColumnType::BigInt),
        ];
        let [ids] = reserve_ids(&self.transaction, [("sessions", sessions.len())]).await?;
        let mut new: Vec<(i64, NewSession)> = ids.into_iter().zip(sessions).collect();
        new.sort_unstable_by(|(_, one), (_, other)| one.name.cmp(&other.name)); // see `insert_projects`
        let mut rows = RowSet::new(COLUMNS, new.len());
        let mut inserted = HashMap::with_capacity(new.len());
        for (id, NewSession { name, project_row, range }) in new {
            let session: Value = name.as_str().into();
            rows.push([id.into(), project_row.into(), session, range.start.into(), range.end.into()]);
            inserted.insert(name, id);
        }
        let sql = "INSERT INTO sessions (tenant_id, id, project_id, session_id, start_time, end_time) \
                   SELECT {0}, v.id, v.project_id, v.session_id, v.start_time, v.end_time FROM v WHERE true \
                   ON CONFLICT DO NOTHING";
        let rows_inserted = rows.execute(&self.transaction, sql, &[self.tenant()]).await?;
        Ok((rows_inserted == inserted.len() as u64).then_some(inserted))
    }

    /// A session spans its traces; the new ones do already. One that is gone was deleted after it was looked up.
    pub(super) async fn extend_sessions(
        &self,
        traces: &[TraceBatch],
        new: &HashSet<i64>,
    ) -> Result<(), StoreError> {
        const COLUMNS: &[(&str, ColumnType)] = &[
            ("id", ColumnType::BigInt),
            ("start_time", ColumnType::BigInt),
            ("end_time", ColumnType::BigInt),
        ];
        let mut ranges: HashMap<i64, RollUp> = HashMap::new();
        for trace in traces {
            let Some(session) = trace.session_row.filter(|session| !new.contains(session)) else { continue };
            let whole = trace.whole_range();
            ranges.entry(session).or_default().include(whole.start, whole.end);
        }
        let mut rows = RowSet::new(COLUMNS, ranges.len());
        let mut ranges: Vec<_> = ranges.into_iter().collect();
        let sessions = ranges.len() as u64;
        ranges.sort_unstable_by_key(|(session, _)| *session);
        ranges
            .into_iter()
            .for_each(|(id, range)| rows.push([id.into(), range.start.into(), range.end.into()]));
        let sql = "UPDATE sessions SET \
                   start_time = CASE WHEN v.start_time < sessions.start_time THEN v.start_time ELSE sessions.start_time END, \
                   end_time = CASE WHEN v.end_time > sessions.end_time THEN v.end_time ELSE sessions.end_time END \
                   FROM v WHERE sessions.tenant_id = {0} AND sessions.id = v.id";
        let extended = rows.execute(&self.transaction, sql, &[self.tenant()]).await?;
        if extended < sessions { Err(StoreError::LostRace) } else { Ok(()) }
    }
}

/// Each once, in order of first appearance.
fn distinct<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut seen = HashSet::new();
    names.filter(|name| seen.insert(*name)).collect()
}

/// A session that no trace was in so far.
struct NewSession {
    name: String,
    /// Of its first trace.
    project_row: i64,
    range: RollUp,
}

/// The sessions that are not known yet, in order of first appearance.
fn new_sessions<'a>(
    traces: impl Iterator<Item = &'a TraceBatch>,
    known: &HashMap<String, i64>,
) -> Vec<NewSession> {
    let mut sessions: Vec<NewSession> = Vec::new();
    let mut places: HashMap<&str, usize> = HashMap::new();
    for trace in traces {
        let Some(name) = trace.session_id().filter(|name| !known.contains_key(*name)) else { continue };
        let place = *places.entry(name).or_insert(sessions.len());
        if place == sessions.len() {
            let (name, project_row) = (name.to_owned(), trace.project_row);
            sessions.push(NewSession { name, project_row, range: RollUp::default() });
        }
        let whole = trace.whole_range();
        sessions[place].range.include(whole.start, whole.end);
    }
    sessions
}
