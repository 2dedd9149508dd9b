//! What the annotations of a project come to: counts, mean scores and labels, kept by hour with every change.

use std::collections::BTreeMap;

use bennu_domain::annotation::TargetKind;
use bennu_domain::facets::cut;
use bennu_domain::ids::ProjectId;
use bennu_domain::time::Timestamp;
use sea_orm::sea_query::{
    Alias, Expr, ExprTrait as _, Func, IntoIden as _, Order, Query, SelectStatement, SimpleExpr,
};
use sea_orm::{ConnectionTrait as _, QueryResult, Value};

use crate::bulk::{ColumnType, RowSet};
use crate::error::StoreError;
use crate::store::ScopedStore;
use crate::transaction::WriteTransaction;

const HOUR: i64 = 3_600_000_000;
/// Labels are part of a key, see `MAX_KEY_BYTES` of annotations; beside a name of that size this much is left.
const LABEL_BYTES: usize = 256;
/// Labels in an answer, the most frequent ones: free text as a label would make it endless.
const MOST_LABELS: u64 = 1_000;

/// Which annotations to sum up.
#[derive(Debug, Clone)]
pub struct SummaryQuery {
    pub project: ProjectId,
    pub kind: Option<TargetKind>,
    /// All if none is given.
    pub names: Vec<String>,
    /// Inclusive, on the creation of the annotation.
    pub start: Option<Timestamp>,
    /// Exclusive.
    pub end: Option<Timestamp>,
}

/// The annotations of one name on one kind of target.
#[derive(Debug, Clone, PartialEq)]
pub struct AnnotationSummary {
    pub kind: TargetKind,
    pub name: String,
    pub count: i64,
    pub score_count: i64,
    pub score_sum: f64,
    /// Most frequent first.
    pub labels: Vec<LabelCount>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelCount {
    /// Cut at 256 bytes.
    pub label: String,
    pub count: i64,
}

/// Project, kind of target and name.
pub(super) type Group<'a> = (i64, TargetKind, &'a str);

/// Changes of annotations on their way into the sums: by project, kind of target, name, hour and label.
#[derive(Default)]
pub(crate) struct SummaryChanges<'a>(BTreeMap<(i64, i16, &'a str, i64, Option<&'a str>), Sums>);

#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Sums {
    annotations: i64,
    scores: i64,
    score_sum: f64,
}

impl<'a> SummaryChanges<'a> {
    pub(super) fn add(
        &mut self,
        group: Group<'a>,
        created_at: i64,
        label: Option<&'a str>,
        score: Option<f64>,
    ) {
        self.change(group, created_at, label, score, 1);
    }

    pub(super) fn remove(
        &mut self,
        group: Group<'a>,
        created_at: i64,
        label: Option<&'a str>,
        score: Option<f64>,
    ) {
        self.change(group, created_at, label, score, -1);
    }

    fn change(
        &mut self,
        (project, kind, name): Group<'a>,
        created_at: i64,
        label: Option<&'a str>,
        score: Option<f64>,
        by: i32,
    ) {
        let label = label.map(|label| cut(label, LABEL_BYTES));
        let key = (project, kind.code(), name, created_at.div_euclid(HOUR), label);
        let sums = self.0.entry(key).or_default();
        sums.annotations += i64::from(by);
        if let Some(score) = score {
            sums.scores += i64::from(by);
            sums.score_sum += f64::from(by) * score;
        }
    }

    /// The last statements of a transaction: everybody needs these rows, so they are held for a moment only, and taken in
    /// one order.
    pub(crate) async fn write(
        self,
        scoped: ScopedStore<'_>,
        transaction: &WriteTransaction,
    ) -> Result<(), StoreError> {
        const COLUMNS: &[(&str, ColumnType)] = &[
            ("project_id", ColumnType::BigInt),
            ("target_kind", ColumnType::BigInt),
            ("name", ColumnType::Text),
            ("hour", ColumnType::BigInt),
            ("label", ColumnType::Text),
            ("annotations", ColumnType::BigInt),
            ("scores", ColumnType::BigInt),
            ("score_sum", ColumnType::Double),
        ];
        const KEY: &[(&str, ColumnType)] = COLUMNS.split_at(5).0;
        let changed: Vec<_> = self.0.into_iter().filter(|(_, sums)| *sums != Sums::default()).collect();
        let mut rows = RowSet::new(COLUMNS, changed.len());
        let mut shrunk = RowSet::new(KEY, changed.len());
        for ((project, kind, name, hour, label), sums) in changed {
            let label = label.map_or_else(String::new, |label| format!("={label}"));
            let key: [Value; 5] =
                [project.into(), i64::from(kind).into(), name.into(), hour.into(), label.into()];
            if sums.annotations < 0 {
                shrunk.push(key.clone());
            }
            let [project, kind, name, hour, label] = key;
            let (annotations, scores) = (sums.annotations.into(), sums.scores.into());
            rows.push([project, kind, name, hour, label, annotations, scores, sums.score_sum.into()]);
        }
        let sql = "INSERT INTO annotation_summaries \
                   (tenant_id, project_id, target_kind, name, hour, label, annotations, scores, score_sum) \
                   SELECT {0}, v.project_id, v.target_kind, v.name, v.hour, v.label, v.annotations, v.scores, v.score_sum \
                   FROM v WHERE true ON CONFLICT (tenant_id, project_id, target_kind, name, hour, label) DO UPDATE SET \
                   annotations = annotation_summaries.annotations + excluded.annotations, \
                   scores = annotation_summaries.scores + excluded.scores, \
                   score_sum = annotation_summaries.score_sum + excluded.score_sum";
        rows.execute(transaction, sql, &[scoped.tenant.into()]).await?;
        // Names and labels are content: with the last annotation they go too.
        let sql = "DELETE FROM annotation_summaries WHERE tenant_id = {0} AND annotations = 0 \
                   AND (project_id, target_kind, name, hour, label) IN \
                   (SELECT v.project_id, v.target_kind, v.name, v.hour, v.label FROM v)";
        shrunk.execute(transaction, sql, &[scoped.tenant.into()]).await?;
        Ok(())
    }
}

impl ScopedStore<'_> {
    /// Summaries by kind and name. Whole hours come from the sums, what is left at the ends of the range from the annotations.
    pub async fn summarize_annotations(
        self,
        query: &SummaryQuery,
    ) -> Result<Vec<AnnotationSummary>, StoreError> {
        let start = query.start.map_or(i64::MIN, |start| start.0);
        let end = query.end.map_or(i64::MAX, |end| end.0);
        let first_hour = start.div_euclid(HOUR) + i64::from(start.rem_euclid(HOUR) > 0 && start > i64::MIN);
        let end_hour = if end == i64::MAX { i64::MAX } else { end.div_euclid(HOUR) };
        let mut sums = SummaryRows::default();
        if first_hour < end_hour {
            self.read_sums(&mut sums, &by_hour(self, query, first_hour, end_hour)).await?;
        }
        let head_end = Ord::min(first_hour.saturating_mul(HOUR), end);
        let tail_start = Ord::max(end_hour.saturating_mul(HOUR), head_end);
        for (from, to) in [(start, head_end), (tail_start, end)] {
            if from > i64::MIN && to < i64::MAX && from < to {
                self.read_sums(&mut sums, &one_by_one(self, query, from, to)).await?;
            }
        }
        Ok(sums.summaries())
    }

    /// Reads the totals of each name and its most frequent labels.
    async fn read_sums(self, sums: &mut SummaryRows, source: &Source) -> Result<(), StoreError> {
        let read = |row: &QueryResult| -> Result<_, StoreError> {
            let kind: i16 = row.try_get_by_index(0)?;
            let name: String = row.try_get_by_index(1)?;
            Ok((kind, name, row.try_get_by_index::<i64>(2)?))
        };
        for row in self.reads().query_all(&source.totals()).await? {
            let (kind, name, count) = read(&row)?;
            let total = sums.0.entry((kind, name)).or_default();
            total.0.annotations += count;
            total.0.scores += row.try_get_by_index::<i64>(3)?;
            total.0.score_sum += row.try_get_by_index::<Option<f64>>(4)?.unwrap_or_default();
        }
        for row in self.reads().query_all(&source.labels()).await? {
            let (kind, name, count) = read(&row)?;
            let label: String = row.try_get_by_index(3)?;
            let label =
                cut(label.strip_prefix(source.label_prefix).unwrap_or(&label), LABEL_BYTES).to_owned();
            *sums.0.entry((kind, name)).or_default().1.entry(label).or_default() += count;
        }
        Ok(())
    }
}

#[derive(Default)]
struct SummaryRows(BTreeMap<(i16, String), (Sums, BTreeMap<String, i64>)>);

impl SummaryRows {
    fn summaries(self) -> Vec<AnnotationSummary> {
        let summary = |((kind, name), (sums, labels)): ((i16, String), (Sums, BTreeMap<String, i64>))| {
            let mut labels: Vec<LabelCount> =
                labels.into_iter().map(|(label, count)| LabelCount { label, count }).collect();
            labels.sort_by_key(|label| std::cmp::Reverse(label.count)); // stable: equal ones by name
            Some(AnnotationSummary {
                kind: TargetKind::from_code(kind)?,
                name,
                count: sums.annotations,
                score_count: sums.scores,
                score_sum: sums.score_sum,
                labels,
            })
        };
        self.0.into_iter().filter_map(summary).collect()
    }
}

/// A table that can be summed up, with its conditions.
struct Source {
    rows: SelectStatement,
    count: SimpleExpr,
    scores: SimpleExpr,
    score_sum: SimpleExpr,
    has_label: SimpleExpr,
    label_prefix: &'static str,
}

fn column(name: &str) -> SimpleExpr {
    Expr::col(Alias::new(name))
}

fn whole(expression: impl Into<SimpleExpr>) -> SimpleExpr {
    Expr::expr(expression).cast_as("BIGINT")
}

impl Source {
    fn totals(&self) -> SelectStatement {
        let mut rows = self.rows.clone();
        rows.expr(column("target_kind")).expr(column("name"));
        rows.expr(self.count.clone()).expr(self.scores.clone()).expr(self.score_sum.clone());
        rows.group_by_columns(["target_kind", "name"].map(Alias::new)).take()
    }

    fn labels(&self) -> SelectStatement {
        let mut rows = self.rows.clone();
        let frequency = Alias::new("frequency").into_iden();
        rows.expr(column("target_kind")).expr(column("name"));
        rows.expr_as(self.count.clone(), frequency.clone()).expr(column("label"));
        rows.and_where(self.has_label.clone());
        rows.group_by_columns(["target_kind", "name", "label"].map(Alias::new));
        rows.order_by(frequency, Order::Desc).limit(MOST_LABELS).take()
    }
}

fn rows_of(scoped: ScopedStore<'_>, query: &SummaryQuery, table: &str) -> SelectStatement {
    let mut rows = Query::select();
    rows.from(Alias::new(table));
    rows.and_where(column("tenant_id").eq(scoped.tenant)).and_where(column("project_id").eq(query.project.0));
    let kinds = query.kind.map_or_else(|| TargetKind::ALL.to_vec(), |kind| vec![kind]);
    rows.and_where(column("target_kind").is_in(kinds.into_iter().map(TargetKind::code)));
    if !query.names.is_empty() {
        rows.and_where(column("name").is_in(query.names.iter().map(String::as_str)));
    }
    rows
}

fn by_hour(scoped: ScopedStore<'_>, query: &SummaryQuery, first: i64, end: i64) -> Source {
    let mut rows = rows_of(scoped, query, "annotation_summaries");
    rows.and_where(column("hour").gte(first)).and_where(column("hour").lt(end));
    Source {
        rows,
        count: whole(Func::sum(column("annotations"))),
        scores: whole(Func::sum(column("scores"))),
        score_sum: Func::sum(column("score_sum")).into(),
        has_label: column("label").ne(""),
        label_prefix: "=",
    }
}

fn one_by_one(scoped: ScopedStore<'_>, query: &SummaryQuery, from: i64, to: i64) -> Source {
    let mut rows = rows_of(scoped, query, "annotations");
    rows.and_where(column("created_at").gte(from)).and_where(column("created_at").lt(to));
    Source {
        rows,
        count: whole(Func::count(column("id"))),
        scores: whole(Func::count(column("score"))),
        score_sum: Func::sum(column("score")).into(),
        has_label: column("label").is_not_null(),
        label_prefix: "",
    }
}
