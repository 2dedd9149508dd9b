//! Receipts: what became of every annotation of a request, for as long as receipts are kept.

use std::collections::{BTreeMap, HashMap};

use bennu_domain::annotation::TargetKind;
use bennu_domain::annotation_job::ITEMS_A_JOB;
use bennu_domain::ids::AnnotationId;
use bennu_domain::time::Timestamp;
use sea_orm::{QueryResult, Value};
use serde_json::Value as Json;

use super::QueuedWrite;
use crate::bulk::{ColumnType, RowSet};
use crate::error::StoreError;
use crate::store::{ScopedStore, Store};
use crate::transaction::WriteTransaction;

use ColumnType::{BigInt, Text};

/// What became of one annotation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ItemOutcome {
    Waiting,
    Applied(AnnotationId),
    Failed(String),
}

/// What is known of a request; of parts that were not looked at yet there is nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    pub kind: TargetKind,
    pub received: Timestamp,
    /// Annotations of the request.
    pub total: usize,
    /// By place in the request.
    pub items: BTreeMap<usize, ItemOutcome>,
}

/// Part of a receipt: [`ITEMS_A_JOB`] annotations.
struct Part {
    kind: i16,
    total: usize,
    received: Timestamp,
    outcomes: Vec<ItemOutcome>,
    changed: bool,
}

/// The parts of the receipts that some annotations belong to.
pub(super) struct Receipts<'a> {
    parts: Vec<(PartKey<'a>, Part)>,
    /// Of each annotation: its part, and the place in it.
    places: Vec<(usize, usize)>,
}

/// The receipt, and the number of the part.
type PartKey<'a> = (&'a str, usize);

impl<'a> Receipts<'a> {
    pub async fn load(
        scoped: ScopedStore<'_>,
        transaction: &WriteTransaction,
        items: &'a [QueuedWrite<'_>],
    ) -> Result<Self, StoreError> {
        const COLUMNS: &[(&str, ColumnType)] = &[("receipt", Text), ("part", BigInt), ("n", BigInt)];
        let mut parts: Vec<(PartKey<'_>, Part)> = Vec::new();
        let mut known: HashMap<PartKey<'_>, usize> = HashMap::new();
        let mut places: Vec<(usize, usize)> = Vec::with_capacity(items.len());
        for item in items {
            let key = (item.receipt, item.index / ITEMS_A_JOB);
            let place = item.index % ITEMS_A_JOB;
            // Nearly always it belongs to the part of the one before.
            if let Some((part, _)) = places.last().filter(|(part, _)| parts[*part].0 == key) {
                places.push((*part, place));
                continue;
            }
            let part = *known.entry(key).or_insert_with(|| {
                let kind = item.annotation.target.kind().code();
                let (total, received) = (item.total, item.received);
                parts.push((key, Part { kind, total, received, outcomes: Vec::new(), changed: false }));
                parts.len() - 1
            });
            places.push((part, place));
        }
        let mut rows = RowSet::new(COLUMNS, parts.len());
        for (n, ((receipt, part), _)) in parts.iter().enumerate() {
            rows.push([(*receipt).into(), as_i64(*part).into(), as_i64(n).into()]);
        }
        let sql = "SELECT v.n, r.part, r.target_kind, r.total, r.received_at, r.outcomes FROM v \
                   CROSS JOIN annotation_receipts r \
                   WHERE r.tenant_id = {0} AND r.receipt = v.receipt AND r.part = v.part";
        let read = |row: QueryResult| Ok((row.try_get_by_index::<i64>(0)?, read_part(&row)?.1));
        for (n, part) in rows.query(transaction, sql, &[scoped.tenant.into()], read).await? {
            if let Some((_, known)) = usize::try_from(n).ok().and_then(|n| parts.get_mut(n)) {
                *known = part;
            }
        }
        Ok(Self { parts, places })
    }

    /// Whether something is known of the annotation with this index already.
    pub fn is_settled(&self, index: usize) -> bool {
        let (part, place) = self.places[index];
        let outcome = self.parts[part].1.outcomes.get(place);
        outcome.is_some_and(|outcome| *outcome != ItemOutcome::Waiting)
    }

    pub fn settle(&mut self, index: usize, outcome: ItemOutcome) {
        let (part, place) = self.places[index];
        let part = &mut self.parts[part].1;
        if part.outcomes.len() <= place {
            part.outcomes.resize(place + 1, ItemOutcome::Waiting);
        }
        part.outcomes[place] = outcome;
        part.changed = true;
    }

    pub async fn write(
        self,
        scoped: ScopedStore<'_>,
        transaction: &WriteTransaction,
    ) -> Result<(), StoreError> {
        const COLUMNS: &[(&str, ColumnType)] = &[
            ("receipt", Text),
            ("part", BigInt),
            ("target_kind", BigInt),
            ("total", BigInt),
            ("received_at", BigInt),
            ("outcomes", Text),
        ];
        let mut changed: Vec<_> = self.parts.into_iter().filter(|(_, part)| part.changed).collect();
        changed.sort_unstable_by_key(|(key, _)| *key); // everybody writes them in the same order
        let mut rows = RowSet::new(COLUMNS, changed.len());
        for ((receipt, number), part) in changed {
            let kind: Value = i64::from(part.kind).into();
            let outcomes = written(&part.outcomes).into();
            let total = as_i64(part.total).into();
            rows.push([receipt.into(), as_i64(number).into(), kind, total, part.received.0.into(), outcomes]);
        }
        let sql = "INSERT INTO annotation_receipts (tenant_id, receipt, part, target_kind, total, received_at, outcomes) \
                   SELECT {0}, v.receipt, v.part, v.target_kind, v.total, v.received_at, v.outcomes FROM v WHERE true \
                   ON CONFLICT (tenant_id, receipt, part) DO UPDATE SET outcomes = excluded.outcomes";
        rows.execute(transaction, sql, &[scoped.tenant.into()]).await?;
        Ok(())
    }
}

impl ScopedStore<'_> {
    /// `None` if nothing of the request was looked at yet, or it is too long ago.
    pub async fn receipt(self, receipt: &str) -> Result<Option<Receipt>, StoreError> {
        let mut rows = RowSet::new(&[("receipt", Text)], 1);
        rows.push([receipt.into()]);
        let sql = "SELECT r.receipt, r.part, r.target_kind, r.total, r.received_at, r.outcomes FROM v \
                   CROSS JOIN annotation_receipts r WHERE r.tenant_id = {0} AND r.receipt = v.receipt";
        let mut found: Option<Receipt> = None;
        let read = |row: QueryResult| read_part(&row);
        for (number, part) in rows.query(&self.reads(), sql, &[self.tenant.into()], read).await? {
            let kind = TargetKind::from_code(part.kind).unwrap_or(TargetKind::Span);
            let (received, total) = (part.received, part.total);
            let receipt = found.get_or_insert(Receipt { kind, received, total, items: BTreeMap::new() });
            let outcomes = part.outcomes.into_iter().enumerate();
            receipt.items.extend(outcomes.map(|(place, outcome)| (number * ITEMS_A_JOB + place, outcome)));
        }
        Ok(found)
    }
}

impl Store {
    /// Drops the receipts of requests before this time, of all tenants; answers how many parts.
    pub async fn forget_receipts(&self, before: Timestamp) -> Result<u64, StoreError> {
        let transaction = self.begin_across_tenants("forgetting old receipts").await?;
        let sql = "DELETE FROM annotation_receipts WHERE received_at < $1";
        let deleted = transaction.run(sql, [before.0.into()]).await?;
        transaction.commit().await?;
        Ok(deleted)
    }
}

/// From the second column on: its number, and what it says.
fn read_part(row: &QueryResult) -> Result<(usize, Part), sea_orm::DbErr> {
    let number: i64 = row.try_get_by_index(1)?;
    let total: i64 = row.try_get_by_index(3)?;
    let outcomes: String = row.try_get_by_index(5)?;
    let part = Part {
        kind: row.try_get_by_index(2)?,
        total: usize::try_from(total).unwrap_or_default(),
        received: Timestamp(row.try_get_by_index(4)?),
        outcomes: read(&outcomes),
        changed: false,
    };
    Ok((usize::try_from(number).unwrap_or_default(), part))
}

fn written(outcomes: &[ItemOutcome]) -> String {
    let outcome = |outcome: &ItemOutcome| match outcome {
        ItemOutcome::Waiting => Json::Null,
        ItemOutcome::Applied(id) => Json::from(id.0),
        ItemOutcome::Failed(reason) => Json::from(reason.as_str()),
    };
    Json::Array(outcomes.iter().map(outcome).collect()).to_string()
}

fn read(outcomes: &str) -> Vec<ItemOutcome> {
    let outcomes: Vec<Json> = serde_json::from_str(outcomes).unwrap_or_default();
    let outcome = |outcome: Json| match outcome {
        Json::Number(id) => ItemOutcome::Applied(AnnotationId(id.as_i64().unwrap_or_default())),
        Json::String(reason) => ItemOutcome::Failed(reason),
        _ => ItemOutcome::Waiting,
    };
    outcomes.into_iter().map(outcome).collect()
}

fn as_i64(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
