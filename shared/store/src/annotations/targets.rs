//! The rows of spans, traces and sessions that annotations are about.

use std::collections::HashMap;

use bennu_domain::annotation::{Target, TargetKind};
use bennu_domain::ids::{SpanId, TraceId};
use sea_orm::{DbErr, QueryResult, Value};

use super::StorableWrite;
use super::known_spans::KnownSpans;
use crate::bulk::{ColumnType, RowSet};
use crate::error::StoreError;
use crate::prepared::storable_session_id;
use crate::store::{ScopedStore, is_postgres};
use crate::transaction::WriteTransaction;

/// Row and project of a target.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub row: i64,
    pub project: i64,
}

/// Where targets of some kinds are found.
struct Table {
    kinds: &'static [TargetKind],
    columns: &'static [(&'static str, ColumnType)],
    sql: &'static str,
    /// On Postgres. Traces and spans may move to another project, sessions may not.
    hold: &'static str,
    /// The keys under which a target may be.
    keys: fn(&Target, &KnownSpans) -> Vec<Value>,
}

/// In the order in which everybody locks them.
const TABLES: [Table; 3] = [
    Table {
        kinds: &[TargetKind::Trace],
        columns: &[("n", ColumnType::BigInt), ("key", ColumnType::Bytes)],
        sql: "SELECT v.n, t.id, t.project_id FROM v CROSS JOIN traces t \
              WHERE t.tenant_id = {0} AND t.trace_id = v.key",
        hold: "ORDER BY t.id FOR SHARE OF t",
        keys: |target, _| TraceId::meant_by(target.id()).iter().map(|id| id.as_bytes().into()).collect(),
    },
    Table {
        kinds: &[TargetKind::Session],
        columns: &[("n", ColumnType::BigInt), ("key", ColumnType::Text)],
        sql: "SELECT v.n, t.id, t.project_id FROM v CROSS JOIN sessions t \
              WHERE t.tenant_id = {0} AND t.session_id = v.key",
        hold: "ORDER BY t.id FOR KEY SHARE OF t",
        keys: |target, _| vec![storable_session_id(target.id()).into()],
    },
    Table {
        kinds: &[TargetKind::Span, TargetKind::Document],
        columns: &[("n", ColumnType::BigInt), ("key", ColumnType::BigInt)],
        sql: "SELECT v.n, t.id, t.project_id FROM v CROSS JOIN spans t \
              WHERE t.tenant_id = {0} AND t.id = v.key",
        hold: "ORDER BY t.id FOR SHARE OF t",
        keys: |target, spans| spans.row(target.id()).map(Value::from).into_iter().collect(),
    },
];

impl ScopedStore<'_> {
    /// Where each target is; on Postgres it stays there until the commit.
    pub(super) async fn hold_targets(
        self,
        transaction: &WriteTransaction,
        writes: &[StorableWrite<'_>],
        spans: &KnownSpans,
    ) -> Result<Vec<Option<Place>>, StoreError> {
        let mut places: Vec<Option<Place>> = vec![None; writes.len()];
        for table in &TABLES {
            let mut numbers: HashMap<&str, usize> = HashMap::new();
            let mut targets: Vec<&Target> = Vec::new();
            // Of each write to this table, the number of its target.
            let mut uses: Vec<(usize, usize)> = Vec::new();
            for (index, write) in writes.iter().enumerate() {
                let target = &write.annotation.target;
                if table.kinds.contains(&target.kind()) {
                    let number = *numbers.entry(target.id()).or_insert(targets.len());
                    if number == targets.len() {
                        targets.push(target);
                    }
                    uses.push((index, number));
                }
            }
            let mut rows = RowSet::new(table.columns, targets.len());
            for (n, target) in (0_i64..).zip(&targets) {
                for key in (table.keys)(target, spans) {
                    rows.push([n.into(), key]);
                }
            }
            let hold = if is_postgres(transaction) { table.hold } else { "" };
            // In one row: each that SQLite answers wakes who waits for it.
            let sql = format!(
                "SELECT string_agg(held.n || ' ' || held.id || ' ' || held.project_id, ',') FROM ({} {hold}) AS held",
                table.sql
            );
            let mut found: Vec<Option<Place>> = vec![None; targets.len()];
            for places in rows.query(transaction, &sql, &[self.tenant.into()], read_places).await? {
                for (n, place) in places {
                    found[n] = Some(place);
                }
            }
            uses.into_iter().for_each(|(index, number)| places[index] = found[number]);
        }
        self.forget_missing(writes, spans, &places)?;
        Ok(places)
    }

    /// A span that was looked up and is not there was deleted since, and with its id there may be another one.
    fn forget_missing(
        self,
        writes: &[StorableWrite<'_>],
        spans: &KnownSpans,
        places: &[Option<Place>],
    ) -> Result<(), StoreError> {
        let missing = |(write, place): (&StorableWrite<'_>, &Option<Place>)| match &write.annotation.target {
            Target::Span(id) | Target::Document(id, _) if place.is_none() => {
                spans.row(id).map(|_| id.clone())
            }
            _ => None,
        };
        let missing: Vec<String> = writes.iter().zip(places).filter_map(missing).collect();
        if missing.is_empty() {
            return Ok(());
        }
        self.store.span_rows.forget(self.tenant, missing.iter().flat_map(|id| SpanId::meant_by(id)));
        Err(StoreError::LostRace)
    }
}

#[allow(clippy::needless_pass_by_value)] // the shape that row sets ask for
fn read_places(row: QueryResult) -> Result<Vec<(usize, Place)>, DbErr> {
    let places: Option<String> = row.try_get_by_index(0)?;
    let read = |place: &str| {
        let mut numbers = place.split(' ');
        let n = numbers.next()?.parse().ok()?;
        let mut number = || numbers.next()?.parse().ok();
        Some((n, Place { row: number()?, project: number()? }))
    };
    let places = places.as_deref().unwrap_or_default().split_terminator(',').map(read);
    places.collect::<Option<_>>().ok_or_else(|| DbErr::Type("no place of a target".to_owned()))
}
