//! New annotations on their way into the table.
//!
//! Most come in runs of an evaluator, whose annotations differ in target and verdict only. Postgres takes all rows in one statement.
//! SQLite is told each value of each row, so what a run has in common is told once.

use std::iter;

use bennu_domain::annotation::Verdict;
use sea_orm::Value;

use super::upsert::Latest;
use crate::bulk::{ColumnType, Insert, LARGEST_CHUNK, RowSet};
use crate::error::StoreError;
use crate::store::{ScopedStore, is_postgres};
use crate::transaction::WriteTransaction;

use ColumnType::{BigInt, Double, Text};

/// Of shorter runs the rows are told in full: a statement of their own would cost more.
const LONG_RUN: usize = 32;

/// An annotation as Postgres and the statement that changes rows are told it: `given` says which of the columns that may be null are
/// not, because arrays hold no nulls.
pub(super) const ROW: &[(&str, ColumnType)] = &[
    ("given", BigInt),
    ("id", BigInt),
    ("target_row_id", BigInt),
    ("label", Text),
    ("score", Double),
    ("explanation", Text),
    ("project_id", BigInt),
    ("target_kind", BigInt),
    ("position", BigInt),
    ("name", Text),
    ("identifier", Text),
    ("annotator_kind", BigInt),
    ("source", BigInt),
    ("user_id", BigInt),
    ("metadata", Text),
    ("received", BigInt),
];
/// As SQLite is told it: first what an annotation has for itself, then what it has in common with others of its run.
const NULLABLE: &[(&str, ColumnType)] = ROW.split_at(1).1;
const OWN: &[(&str, ColumnType)] = NULLABLE.split_at(5).0;
const COMMON: &[(&str, ColumnType)] = NULLABLE.split_at(5).1;

/// Inserts those whose keys are not there yet, in this order; answers how many.
pub(super) async fn insert(
    scoped: ScopedStore<'_>,
    transaction: &WriteTransaction,
    order: &[&Latest<'_>],
) -> Result<u64, StoreError> {
    let tenant = || iter::once(scoped.tenant.into());
    if is_postgres(transaction) {
        let mut rows = RowSet::new(ROW, order.len());
        order.iter().for_each(|new| rows.push(row(new)));
        let set = (rows, POSTGRES_SELECT, tenant().collect());
        return RowSet::insert_made(iter::once(set), &POSTGRES_INSERT, transaction).await;
    }
    let (of_all, of_run) = (select(false), select(true));
    let mut left = order;
    let sets = iter::from_fn(|| {
        let (some, is_run) = next_rows(left);
        left = &left[some.len()..];
        let first = some.first()?;
        if is_run {
            let mut rows = RowSet::new(OWN, some.len());
            some.iter().for_each(|new| rows.push(own(new)));
            Some((rows, of_run.as_str(), tenant().chain(common(first)).collect()))
        } else {
            let mut rows = RowSet::new(NULLABLE, some.len());
            some.iter().for_each(|new| rows.push(own(new).into_iter().chain(common(new))));
            Some((rows, of_all.as_str(), tenant().collect()))
        }
    });
    RowSet::insert_made(sets, &SQLITE_INSERT, transaction).await
}

/// A long run, or what comes before the next one; and whether it is one.
fn next_rows<'o, 'a>(order: &'o [&'o Latest<'a>]) -> (&'o [&'o Latest<'a>], bool) {
    let runs = || order.chunk_by(|one, next| are_of_one_run(one, next)).map(<[_]>::len);
    let long = runs().next().filter(|rows| *rows >= LONG_RUN);
    let rows = long.unwrap_or_else(|| runs().take_while(|rows| *rows < LONG_RUN).sum());
    (&order[..rows.min(LARGEST_CHUNK)], long.is_some())
}

/// Whether all is equal that [`common`] answers.
fn are_of_one_run(one: &Latest<'_>, next: &Latest<'_>) -> bool {
    fn facts<'n>(new: &'n Latest<'_>) -> impl PartialEq + use<'n> {
        let (kind, _, position, name, identifier) = new.key;
        let annotation = &new.upsert.write.annotation;
        let who = (annotation.annotator, annotation.source, annotation.user);
        let metadata = annotation.metadata.as_str();
        (new.upsert.place.project, kind, position, name, identifier, who, metadata, new.upsert.write.received)
    }
    facts(one) == facts(next)
}

/// See [`ROW`].
pub(super) fn row(new: &Latest<'_>) -> impl Iterator<Item = Value> {
    let Verdict { label, score, explanation } = &new.upsert.write.annotation.verdict;
    let given =
        [new.upsert.write.annotation.user.is_some(), label.is_some(), score.is_some(), explanation.is_some()];
    let given = given.into_iter().zip(0..).map(|(is_given, bit)| i64::from(is_given) << bit).sum::<i64>();
    let present = |value| match value {
        Value::String(None) => "".into(),
        Value::Double(None) => 0.0.into(),
        Value::BigInt(None) => 0_i64.into(),
        value => value,
    };
    iter::once(given.into()).chain(own(new).into_iter().chain(common(new)).map(present))
}

fn own(Latest { key, upsert, id }: &Latest<'_>) -> [Value; OWN.len()] {
    let Verdict { label, score, explanation } = &upsert.write.annotation.verdict;
    [(*id).into(), key.1.into(), label.as_deref().into(), (*score).into(), explanation.as_deref().into()]
}

fn common(Latest { key, upsert, .. }: &Latest<'_>) -> [Value; COMMON.len()] {
    let (kind, _, position, name, identifier) = *key;
    let annotation = &upsert.write.annotation;
    [
        upsert.place.project.into(),
        i64::from(kind).into(),
        position.into(),
        name.into(),
        identifier.into(),
        i64::from(annotation.annotator.code()).into(),
        i64::from(annotation.source.code()).into(),
        annotation.user.map(|user| user.0).into(),
        annotation.metadata.as_str().into(),
        upsert.write.received.0.into(),
    ]
}

/// Leaves out those whose keys are there.
const POSTGRES_INSERT: Insert = Insert { verb: "INSERT", into: INTO, conflict: "ON CONFLICT DO NOTHING" };
/// The same. What may end half done has SQLite keep a copy of each page that it changes, to be able to take that back: `ON CONFLICT` may
/// as long as a column must not be null, `OR IGNORE` may not.
const SQLITE_INSERT: Insert = Insert { verb: "INSERT OR IGNORE", into: INTO, conflict: "" };

const INTO: &str = "annotations (tenant_id, id, project_id, target_kind, target_row_id, position, name, identifier, \
    annotator_kind, source, user_id, label, score, explanation, metadata, created_at, updated_at)";

const POSTGRES_SELECT: &str = "SELECT {0}, v.id, v.project_id, v.target_kind, v.target_row_id, v.position, v.name, v.identifier, \
    v.annotator_kind, v.source, CASE WHEN v.given & 1 <> 0 THEN v.user_id END, \
    CASE WHEN v.given & 2 <> 0 THEN v.label END, CASE WHEN v.given & 4 <> 0 THEN v.score END, \
    CASE WHEN v.given & 8 <> 0 THEN v.explanation END, v.metadata, v.received, v.received FROM v";

fn select(of_run: bool) -> String {
    let common = |column: &(&str, ColumnType), parameter: usize| {
        if of_run { format!("{{{parameter}}}") } else { format!("v.{}", column.0) }
    };
    let common: Vec<String> = COMMON.iter().zip(1..).map(|(column, place)| common(column, place)).collect();
    let [project, kind, position, name, identifier, annotator, source, user, metadata, received] =
        common.as_slice()
    else {
        unreachable!("as many as there are columns")
    };
    format!(
        "SELECT {{0}}, v.id, {project}, {kind}, v.target_row_id, {position}, {name}, {identifier}, {annotator}, {source}, \
         {user}, v.label, v.score, v.explanation, {metadata}, {received}, {received} FROM v"
    )
}
