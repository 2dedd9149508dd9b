//! Annotations whose targets are known become rows: new ones, or newer content of those that are there.

use std::collections::HashMap;

use bennu_domain::ids::AnnotationId;
use sea_orm::{QueryResult, Value};

use super::StorableWrite;
use super::insertion::{ROW, insert, row};
use super::summaries::SummaryChanges;
use super::targets::Place;
use crate::bulk::{ColumnType, RowSet, reserve_ids};
use crate::error::StoreError;
use crate::store::{ScopedStore, is_postgres};
use crate::transaction::WriteTransaction;

use ColumnType::{BigInt, Text};

/// An annotation, its place in the request and that of its target.
pub(super) struct Upsert<'a> {
    pub index: usize,
    pub write: &'a StorableWrite<'a>,
    pub place: Place,
}

/// What an annotation is one of: kind and row of the target, position, name, identifier.
pub(super) type Key<'a> = (i16, i64, i64, &'a str, &'a str);

/// What is known of a row before it changes.
struct Existing {
    id: i64,
    project: i64,
    label: Option<String>,
    score: Option<f64>,
    created_at: i64,
    updated_at: i64,
}

impl<'a> Upsert<'a> {
    fn key(&self) -> Key<'a> {
        let annotation = &self.write.annotation;
        let position = match annotation.target {
            bennu_domain::annotation::Target::Document(_, position) => position,
            _ => 0,
        };
        (annotation.target.kind().code(), self.place.row, position, &annotation.name, &annotation.identifier)
    }
}

/// An annotation that counts: of several with one key the latest, of equally late ones the last.
pub(super) struct Latest<'a> {
    pub key: Key<'a>,
    pub upsert: &'a Upsert<'a>,
    /// A fresh one, or that of the row that is there.
    pub id: i64,
}

/// Answers the row of each annotation by its index. A row that is later than what comes stays as it is.
///
/// Most annotations are new. So all are inserted, and only if some are not taken, as their keys are there already, those
/// rows are looked up.
pub(super) async fn upsert(
    scoped: ScopedStore<'_>,
    transaction: &WriteTransaction,
    upserts: &[Upsert<'_>],
) -> Result<Vec<(usize, AnnotationId)>, StoreError> {
    let (mut latest, of_upsert) = latest(upserts);
    reserve(transaction, &mut latest).await?;
    let tenant: [Value; 1] = [scoped.tenant.into()];
    let inserted = insert(scoped, transaction, &insert_order(transaction, &latest)).await?;
    let existing = if inserted < latest.len() as u64 {
        find_existing(scoped, transaction, &latest).await?
    } else {
        HashMap::new()
    };
    let mut updates = RowSet::new(ROW, existing.len());
    let mut changes = SummaryChanges::default();
    let mut kept = 0;
    for (n, new) in latest.iter_mut().enumerate() {
        let (kind, name) = (new.upsert.write.annotation.target.kind(), new.key.3);
        let (received, group) = (new.upsert.write.received.0, (new.upsert.place.project, kind, name));
        let verdict = &new.upsert.write.annotation.verdict;
        let (label, score) = (verdict.label.as_deref(), verdict.score);
        let Some(old) = existing.get(&n).filter(|old| old.id != new.id) else {
            changes.add(group, received, label, score);
            continue;
        };
        kept += 1;
        new.id = old.id;
        if old.updated_at <= received {
            let old_group = (old.project, kind, name);
            changes.remove(old_group, old.created_at, old.label.as_deref(), old.score);
            changes.add(group, old.created_at, label, score);
            updates.push(row(new));
        }
    }
    if inserted + kept < latest.len() as u64 {
        return Err(StoreError::LostRace); // somebody else has just deleted one that was there
    }
    updates.execute(transaction, UPDATE, &tenant).await?;
    changes.write(scoped, transaction).await?;
    let row_of = |(upsert, place): (&Upsert<'_>, usize)| (upsert.index, AnnotationId(latest[place].id));
    Ok(upserts.iter().zip(of_upsert).map(row_of).collect())
}

/// The annotations that count, in order of the key, and for each of all the place of the one that counts for its key.
fn latest<'a>(upserts: &'a [Upsert<'_>]) -> (Vec<Latest<'a>>, Vec<usize>) {
    let mut order: Vec<(Key<'_>, usize)> = upserts.iter().map(Upsert::key).zip(0..).collect();
    order.sort_unstable();
    let mut latest: Vec<Latest<'a>> = Vec::with_capacity(upserts.len());
    let mut of_upsert = vec![0; upserts.len()];
    for (key, place) in order {
        let upsert = &upserts[place];
        match latest.last_mut().filter(|last| last.key == key) {
            Some(last) if upsert.write.received >= last.upsert.write.received => last.upsert = upsert,
            Some(_) => {}
            None => latest.push(Latest { key, upsert, id: 0 }),
        }
        of_upsert[place] = latest.len() - 1;
    }
    (latest, of_upsert)
}

/// Fresh ids, rising in the order of the request.
async fn reserve(transaction: &WriteTransaction, latest: &mut [Latest<'_>]) -> Result<(), StoreError> {
    let [ids] = reserve_ids(transaction, [("annotations", latest.len())]).await?;
    let mut in_order: Vec<&mut Latest<'_>> = latest.iter_mut().collect();
    in_order.sort_unstable_by_key(|new| new.upsert.index);
    in_order.into_iter().zip(ids).for_each(|(new, id)| new.id = id);
    Ok(())
}

/// On Postgres everybody inserts in order of the key, or they may lock each other out. On SQLite one writes at a time: there the
/// table, and the indexes that begin with the time or the identifier of a run, grow at their ends when ids rise.
fn insert_order<'a, 'l>(transaction: &WriteTransaction, latest: &'l [Latest<'a>]) -> Vec<&'l Latest<'a>> {
    let mut order: Vec<&Latest<'a>> = latest.iter().collect();
    if !is_postgres(transaction) {
        order.sort_unstable_by_key(|new| new.id);
    }
    order
}

/// The rows with the keys of these annotations, by the place of the annotation.
async fn find_existing(
    scoped: ScopedStore<'_>,
    transaction: &WriteTransaction,
    latest: &[Latest<'_>],
) -> Result<HashMap<usize, Existing>, StoreError> {
    const KEY: &[(&str, ColumnType)] = &[
        ("n", BigInt),
        ("target_kind", BigInt),
        ("target_row_id", BigInt),
        ("position", BigInt),
        ("name", Text),
        ("identifier", Text),
    ];
    let mut rows = RowSet::new(KEY, latest.len());
    for (n, Latest { key: (kind, row, position, name, identifier), .. }) in (0_i64..).zip(latest) {
        let kind = i64::from(*kind);
        let (name, identifier) = ((*name).into(), (*identifier).into());
        rows.push([n.into(), kind.into(), (*row).into(), (*position).into(), name, identifier]);
    }
    let lock = if is_postgres(transaction) { "ORDER BY a.id FOR UPDATE OF a" } else { "" };
    let sql = format!(
        "SELECT v.n, a.id, a.project_id, a.label, a.score, a.created_at, a.updated_at FROM v CROSS JOIN annotations a \
         WHERE a.tenant_id = {{0}} AND a.target_kind = v.target_kind AND a.target_row_id = v.target_row_id \
         AND a.position = v.position AND a.name = v.name AND a.identifier = v.identifier {lock}"
    );
    let read = |row: QueryResult| {
        let existing = Existing {
            id: row.try_get_by_index(1)?,
            project: row.try_get_by_index(2)?,
            label: row.try_get_by_index(3)?,
            score: row.try_get_by_index(4)?,
            created_at: row.try_get_by_index(5)?,
            updated_at: row.try_get_by_index(6)?,
        };
        Ok((usize::try_from(row.try_get_by_index::<i64>(0)?).unwrap_or(usize::MAX), existing))
    };
    Ok(rows.query(transaction, &sql, &[scoped.tenant.into()], read).await?.into_iter().collect())
}

const UPDATE: &str = "UPDATE annotations SET project_id = v.project_id, annotator_kind = v.annotator_kind, \
    source = v.source, user_id = CASE WHEN v.given & 1 <> 0 THEN v.user_id END, \
    label = CASE WHEN v.given & 2 <> 0 THEN v.label END, score = CASE WHEN v.given & 4 <> 0 THEN v.score END, \
    explanation = CASE WHEN v.given & 8 <> 0 THEN v.explanation END, metadata = v.metadata, updated_at = v.received \
    FROM v WHERE annotations.tenant_id = {0} AND annotations.id = v.id";
