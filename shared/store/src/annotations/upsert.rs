//! Annotations whose targets are known become rows: new ones, or newer content of those that are there.

use std::collections::BTreeMap;

use bennu_domain::ids::AnnotationId;
use sea_orm::{QueryResult, Value};

use super::AnnotationWrite;
use super::summaries::SummaryChanges;
use super::targets::Place;
use crate::bulk::{ColumnType, RowSet, reserve_ids};
use crate::error::StoreError;
use crate::store::{ScopedStore, is_postgres};
use crate::transaction::WriteTransaction;

use ColumnType::{BigInt, Double, Text};

/// An annotation, its place in the request and that of its target.
pub(super) struct Upsert<'a> {
    pub index: usize,
    pub write: &'a AnnotationWrite,
    pub place: Place,
}

/// What an annotation is one of: kind and row of the target, position, name, identifier.
type Key<'a> = (i16, i64, i64, &'a str, &'a str);

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

/// Answers the row of each annotation by its index. Of several with one key the latest counts, of equally late ones the
/// last; a row that is later than all of them stays as it is.
pub(super) async fn upsert(
    scoped: ScopedStore<'_>,
    transaction: &WriteTransaction,
    upserts: &[Upsert<'_>],
) -> Result<Vec<(usize, AnnotationId)>, StoreError> {
    // In order of the key: everybody inserts in the same order, or they may lock each other out.
    let mut latest: BTreeMap<Key<'_>, &Upsert<'_>> = BTreeMap::new();
    for upsert in upserts {
        let known = latest.entry(upsert.key()).or_insert(upsert);
        if upsert.write.received >= known.write.received {
            *known = upsert;
        }
    }
    let mut existing = find_existing(scoped, transaction, &latest).await?;
    let mut fresh: Vec<usize> = Vec::new();
    let (mut inserts, mut updates) = (RowSet::new(ROW, latest.len()), RowSet::new(ROW, latest.len()));
    let mut changes = SummaryChanges::default();
    fresh.extend(
        latest.iter().filter(|(key, _)| !existing.contains_key(*key)).map(|(_, upsert)| upsert.index),
    );
    fresh.sort_unstable(); // ids rise in the order of the request
    let [new_ids] = reserve_ids(transaction, [("annotations", fresh.len())]).await?;
    let new_ids: BTreeMap<usize, i64> = fresh.into_iter().zip(new_ids).collect();
    let mut rows: BTreeMap<Key<'_>, i64> = BTreeMap::new();
    for (key, upsert) in latest {
        let kind = upsert.write.annotation.target.kind();
        let (received, project) = (upsert.write.received.0, upsert.place.project);
        let verdict = &upsert.write.annotation.verdict;
        match (existing.remove(&key), new_ids.get(&upsert.index)) {
            (Some(old), _) => {
                rows.insert(key, old.id);
                if old.updated_at <= received {
                    changes.remove(
                        (old.project, kind, key.3),
                        old.created_at,
                        old.label.as_deref(),
                        old.score,
                    );
                    changes.add(
                        (project, kind, key.3),
                        old.created_at,
                        verdict.label.as_deref(),
                        verdict.score,
                    );
                    updates.push(row(old.id, key, upsert));
                }
            }
            (None, Some(id)) => {
                rows.insert(key, *id);
                changes.add((project, kind, key.3), received, verdict.label.as_deref(), verdict.score);
                inserts.push(row(*id, key, upsert));
            }
            (None, None) => return Err(StoreError::LostRace),
        }
    }
    let new = new_ids.len() as u64;
    if inserts.execute(transaction, INSERT, &[scoped.tenant.into()]).await? < new {
        return Err(StoreError::LostRace); // somebody else has just added one of them
    }
    updates.execute(transaction, UPDATE, &[scoped.tenant.into()]).await?;
    changes.write(scoped, transaction).await?;
    Ok(upserts
        .iter()
        .filter_map(|upsert| Some((upsert.index, AnnotationId(*rows.get(&upsert.key())?))))
        .collect())
}

async fn find_existing<'a>(
    scoped: ScopedStore<'_>,
    transaction: &WriteTransaction,
    latest: &BTreeMap<Key<'a>, &Upsert<'_>>,
) -> Result<BTreeMap<Key<'a>, Existing>, StoreError> {
    const KEY: &[(&str, ColumnType)] = &[
        ("n", BigInt),
        ("target_kind", BigInt),
        ("target_row_id", BigInt),
        ("position", BigInt),
        ("name", Text),
        ("identifier", Text),
    ];
    let mut rows = RowSet::new(KEY, latest.len());
    for (n, (kind, row, position, name, identifier)) in (0_i64..).zip(latest.keys().copied()) {
        rows.push([
            n.into(),
            i64::from(kind).into(),
            row.into(),
            position.into(),
            name.into(),
            identifier.into(),
        ]);
    }
    let lock = if is_postgres(transaction) { "ORDER BY a.id FOR UPDATE OF a" } else { "" };
    let sql = format!(
        "SELECT v.n, a.id, a.project_id, a.label, a.score, a.created_at, a.updated_at FROM v CROSS JOIN annotations a \
         WHERE a.tenant_id = {{0}} AND a.target_kind = v.target_kind AND a.target_row_id = v.target_row_id \
         AND a.position = v.position AND a.name = v.name AND a.identifier = v.identifier {lock}"
    );
    let keys: Vec<Key<'a>> = latest.keys().copied().collect();
    let read = |row: QueryResult| {
        let existing = Existing {
            id: row.try_get_by_index(1)?,
            project: row.try_get_by_index(2)?,
            label: row.try_get_by_index(3)?,
            score: row.try_get_by_index(4)?,
            created_at: row.try_get_by_index(5)?,
            updated_at: row.try_get_by_index(6)?,
        };
        Ok((row.try_get_by_index::<i64>(0)?, existing))
    };
    let found = rows.query(transaction, &sql, &[scoped.tenant.into()], read).await?;
    let keyed = |(n, existing)| Some((*keys.get(usize::try_from(n).ok()?)?, existing));
    Ok(found.into_iter().filter_map(keyed).collect())
}

/// `given` says which of the columns that may be null are not, because row sets hold no nulls.
const ROW: &[(&str, ColumnType)] = &[
    ("id", BigInt),
    ("project_id", BigInt),
    ("target_kind", BigInt),
    ("target_row_id", BigInt),
    ("position", BigInt),
    ("name", Text),
    ("identifier", Text),
    ("annotator_kind", BigInt),
    ("source", BigInt),
    ("given", BigInt),
    ("user_id", BigInt),
    ("label", Text),
    ("score", Double),
    ("explanation", Text),
    ("metadata", Text),
    ("received", BigInt),
];

fn row(id: i64, key: Key<'_>, upsert: &Upsert<'_>) -> [Value; ROW.len()] {
    let (kind, target, position, name, identifier) = key;
    let annotation = &upsert.write.annotation;
    let verdict = &annotation.verdict;
    let given = i64::from(annotation.user.is_some())
        | i64::from(verdict.label.is_some()) << 1
        | i64::from(verdict.score.is_some()) << 2
        | i64::from(verdict.explanation.is_some()) << 3;
    [
        id.into(),
        upsert.place.project.into(),
        i64::from(kind).into(),
        target.into(),
        position.into(),
        name.into(),
        identifier.into(),
        i64::from(annotation.annotator.code()).into(),
        i64::from(annotation.source.code()).into(),
        given.into(),
        annotation.user.map_or(0, |user| user.0).into(),
        verdict.label.as_deref().unwrap_or_default().into(),
        verdict.score.unwrap_or_default().into(),
        verdict.explanation.as_deref().unwrap_or_default().into(),
        annotation.metadata.as_str().into(),
        upsert.write.received.0.into(),
    ]
}

const INSERT: &str = "INSERT INTO annotations (tenant_id, id, project_id, target_kind, target_row_id, position, name, \
    identifier, annotator_kind, source, user_id, label, score, explanation, metadata, created_at, updated_at) \
    SELECT {0}, v.id, v.project_id, v.target_kind, v.target_row_id, v.position, v.name, v.identifier, \
    v.annotator_kind, v.source, CASE WHEN v.given & 1 <> 0 THEN v.user_id END, \
    CASE WHEN v.given & 2 <> 0 THEN v.label END, CASE WHEN v.given & 4 <> 0 THEN v.score END, \
    CASE WHEN v.given & 8 <> 0 THEN v.explanation END, v.metadata, v.received, v.received \
    FROM v WHERE true ON CONFLICT DO NOTHING";

const UPDATE: &str = "UPDATE annotations SET project_id = v.project_id, annotator_kind = v.annotator_kind, \
    source = v.source, user_id = CASE WHEN v.given & 1 <> 0 THEN v.user_id END, \
    label = CASE WHEN v.given & 2 <> 0 THEN v.label END, score = CASE WHEN v.given & 4 <> 0 THEN v.score END, \
    explanation = CASE WHEN v.given & 8 <> 0 THEN v.explanation END, metadata = v.metadata, updated_at = v.received \
    FROM v WHERE annotations.tenant_id = {0} AND annotations.id = v.id";
