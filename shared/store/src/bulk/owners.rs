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
    pub(super) async fn find_sessions(
        &self,
        traces: &mut [TraceBatch],
    ) -> Result<Vec<NewSession>, StoreError> {
        let unbound = || traces.iter().filter(|trace| trace.session_row.is_none());
        let names = distinct(unbound().filter_map(TraceBatch::session_id));
        let known = self.session_rows(&names).await?;
        let new = new_sessions(unbound(), &known);
        bind(traces, &known);
        Ok(new)
    }

    async fn session_rows(&self, names: &[&str]) -> Result<HashMap<String, i64>, StoreError> {
        let sql = "SELECT s.session_id, s.id FROM v CROSS JOIN sessions s \
                   WHERE s.tenant_id = {0} AND s.session_id = v.name";
        self.rows_by_name(names, sql).await
    }

    /// Answers the rows of those that it made. Traces of others join the row that another writer has made meanwhile.
    pub(super) async fn insert_sessions(
        &self,
        traces: &mut [TraceBatch],
        mut new: Vec<NewSession>,
    ) -> Result<HashSet<i64>, StoreError> {
        const COLUMNS: &[(&str, ColumnType)] = &[
            ("id", ColumnType::BigInt),
            ("project_id", ColumnType::BigInt),
            ("session_id", ColumnType::Text),
            ("start_time", ColumnType::BigInt),
            ("end_time", ColumnType::BigInt),
        ];
        new.sort_unstable_by(|one, other| one.name.cmp(&other.name)); // see `insert_projects`
        let mut rows = RowSet::new(COLUMNS, new.len());
        for NewSession { name, row, project_row, range } in &new {
            let session: Value = name.as_str().into();
            rows.push([(*row).into(), (*project_row).into(), session, range.start.into(), range.end.into()]);
        }
        let sql = "INSERT INTO sessions (tenant_id, id, project_id, session_id, start_time, end_time) \
                   SELECT {0}, v.id, v.project_id, v.session_id, v.start_time, v.end_time FROM v WHERE true \
                   ON CONFLICT DO NOTHING";
        let inserted = rows.execute(&self.transaction, sql, &[self.tenant()]).await?;
        let mut made: HashSet<i64> = new.iter().map(|session| session.row).collect();
        if inserted < new.len() as u64 {
            let names: Vec<&str> = new.iter().map(|session| session.name.as_str()).collect();
            let rows = self.session_rows(&names).await?;
            let mut others = HashMap::new();
            for NewSession { name, row, .. } in &new {
                let there = *rows.get(name).ok_or(StoreError::LostRace)?;
                if there != *row {
                    made.remove(row);
                    others.insert(*row, there);
                }
            }
            self.move_traces(traces, &others).await?;
        }
        Ok(made)
    }

    /// Between sessions.
    async fn move_traces(
        &self,
        traces: &mut [TraceBatch],
        moves: &HashMap<i64, i64>,
    ) -> Result<(), StoreError> {
        const COLUMNS: &[(&str, ColumnType)] = &[("id", ColumnType::BigInt), ("session", ColumnType::BigInt)];
        let mut rows = RowSet::new(COLUMNS, 0);
        for trace in traces {
            let Some(session) = trace.session_row.and_then(|session| moves.get(&session)) else { continue };
            trace.session_row = Some(*session);
            rows.push([trace.row.into(), (*session).into()]);
        }
        let sql = "UPDATE traces SET session_row_id = v.session FROM v \
                   WHERE traces.tenant_id = {0} AND traces.id = v.id";
        rows.execute(&self.transaction, sql, &[self.tenant()]).await?;
        Ok(())
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

/// Traces that are in no session join those that they name, as far as these have rows.
fn bind(traces: &mut [TraceBatch], sessions: &HashMap<String, i64>) {
    for trace in traces.iter_mut().filter(|trace| trace.session_row.is_none()) {
        trace.session_row = trace.session_id().and_then(|name| sessions.get(name)).copied();
    }
}

/// Gives new sessions their rows, which are written later.
pub(super) fn give_rows(new: &mut [NewSession], rows: Vec<i64>, traces: &mut [TraceBatch]) {
    new.iter_mut().zip(rows).for_each(|(session, row)| session.row = row);
    bind(traces, &new.iter().map(|session| (session.name.clone(), session.row)).collect());
}

/// A session that no trace was in so far.
pub(super) struct NewSession {
    name: String,
    row: i64,
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
            sessions.push(NewSession { name, row: 0, project_row, range: RollUp::default() });
        }
        let whole = trace.whole_range();
        sessions[place].range.include(whole.start, whole.end);
    }
    sessions
}
