//! Annotations of a project, newest row first, and those of given spans or traces.

use std::collections::HashMap;

use bennu_domain::annotation::{Annotation, AnnotationSource, AnnotatorKind, Target, TargetKind, Verdict};
use bennu_domain::facets::storable_text;
use bennu_domain::filter;
use bennu_domain::ids::{
    AnnotationId, ProjectId, SpanId, SpanRowId, TraceId, TraceRowId, UserId, encode_hex,
};
use bennu_domain::page::Page;
use bennu_domain::time::Timestamp;
use sea_orm::{
    ColumnTrait as _, Condition, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _,
};

use crate::entities::{annotation, session, span, trace};
use crate::error::StoreError;
use crate::prepared::storable_session_id;
use crate::store::ScopedStore;

/// Rows named in one statement; SQLite allows 32,766 parameters.
const ROWS_A_STATEMENT: usize = 500;

/// Which annotations to list.
#[derive(Debug, Clone)]
pub struct AnnotationList {
    pub project: ProjectId,
    pub kind: TargetKind,
    /// Those of any of these targets, by the ids that tracers gave.
    pub targets: Option<Vec<String>>,
    pub identifiers: Option<Vec<String>>,
    pub include_names: Option<Vec<String>>,
    pub exclude_names: Vec<String>,
    pub annotator: Option<AnnotatorKind>,
    /// First annotation of the page.
    pub from: Option<AnnotationId>,
    pub limit: usize,
}

#[derive(Debug, Clone, PartialEq)]
pub struct StoredAnnotation {
    pub id: AnnotationId,
    pub annotation: Annotation,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

impl ScopedStore<'_> {
    /// `None` if targets are given and the project has none of them.
    pub async fn list_annotations(
        self,
        list: &AnnotationList,
    ) -> Result<Option<Page<StoredAnnotation, AnnotationId>>, StoreError> {
        let targets = match &list.targets {
            Some(ids) => Some(self.targets_in_project(list, ids).await?),
            None => None,
        };
        if targets.as_ref().is_some_and(Vec::is_empty) {
            return Ok(None);
        }
        let of_targets = targets.map(|rows| annotation::Column::TargetRowId.is_in(rows));
        let mut rows = annotation::Entity::find()
            .filter(annotation::Column::TenantId.eq(self.tenant))
            .filter(conditions(list))
            .filter(Condition::all().add_option(of_targets))
            .order_by_desc(annotation::Column::Id)
            .limit(list.limit as u64 + 1)
            .all(&self.reads())
            .await?;
        let next = rows.get(list.limit).map(|row| AnnotationId(row.id));
        rows.truncate(list.limit);
        Ok(Some(Page { items: self.with_targets(rows).await?, next }))
    }

    /// Kinds and names of the annotations of a project that annotators of a kind made, in order.
    pub async fn annotation_names(
        self,
        project: ProjectId,
        annotator: AnnotatorKind,
    ) -> Result<Vec<(TargetKind, String)>, StoreError> {
        let rows: Vec<(i16, String)> = annotation::Entity::find()
            .select_only()
            .columns([annotation::Column::TargetKind, annotation::Column::Name])
            .distinct()
            .filter(annotation::Column::TenantId.eq(self.tenant))
            .filter(annotation::Column::ProjectId.eq(project.0))
            .filter(annotation::Column::TargetKind.is_in(TargetKind::ALL.map(TargetKind::code)))
            .filter(annotation::Column::AnnotatorKind.eq(annotator.code()))
            .order_by_asc(annotation::Column::TargetKind)
            .order_by_asc(annotation::Column::Name)
            .into_tuple()
            .all(&self.reads())
            .await?;
        let known = rows.into_iter().filter_map(|(kind, name)| Some((TargetKind::from_code(kind)?, name)));
        Ok(known.collect())
    }

    /// Rows of the targets; at most a thousand are asked for.
    async fn targets_in_project(self, list: &AnnotationList, ids: &[String]) -> Result<Vec<i64>, StoreError> {
        let (tenant, project) = (self.tenant, list.project.0);
        let read = &self.reads();
        Ok(match list.kind {
            TargetKind::Span | TargetKind::Document => {
                let ids: Vec<SpanId> = ids.iter().flat_map(|id| SpanId::meant_by(id)).collect();
                let ids = self.span_rows_with_ids(&ids).await?.into_iter().map(|(_, row)| row.0);
                let rows = span::Entity::find().select_only().column(span::Column::Id);
                let rows = rows
                    .filter(span::Column::TenantId.eq(tenant))
                    .filter(span::Column::Id.is_in(ids))
                    .filter(span::Column::ProjectId.eq(project));
                rows.into_tuple().all(read).await?
            }
            TargetKind::Trace => {
                let ids = ids.iter().flat_map(|id| TraceId::meant_by(id));
                let ids = ids.map(|id| id.as_bytes().to_vec());
                let rows = trace::Entity::find().select_only().column(trace::Column::Id);
                let rows = rows
                    .filter(trace::Column::TenantId.eq(tenant))
                    .filter(trace::Column::TraceId.is_in(ids))
                    .filter(trace::Column::ProjectId.eq(project));
                rows.into_tuple().all(read).await?
            }
            TargetKind::Session => {
                let ids = ids.iter().map(|id| storable_session_id(id));
                let rows = session::Entity::find().select_only().column(session::Column::Id);
                let rows = rows
                    .filter(session::Column::TenantId.eq(tenant))
                    .filter(session::Column::SessionId.is_in(ids))
                    .filter(session::Column::ProjectId.eq(project));
                rows.into_tuple().all(read).await?
            }
        })
    }

    /// The annotations of many spans in one query, by span; those of their documents are not among them.
    pub async fn annotations_of_spans(
        self,
        spans: &[SpanRowId],
    ) -> Result<HashMap<SpanRowId, Vec<StoredAnnotation>>, StoreError> {
        let rows = spans.iter().map(|span| span.0).collect();
        let found = self.annotations_of(TargetKind::Span, rows).await?;
        Ok(found.into_iter().map(|(row, annotations)| (SpanRowId(row), annotations)).collect())
    }

    /// The annotations of many traces in one query, by trace; those of their spans are not among them.
    pub async fn annotations_of_traces(
        self,
        traces: &[TraceRowId],
    ) -> Result<HashMap<TraceRowId, Vec<StoredAnnotation>>, StoreError> {
        let rows = traces.iter().map(|trace| trace.0).collect();
        let found = self.annotations_of(TargetKind::Trace, rows).await?;
        Ok(found.into_iter().map(|(row, annotations)| (TraceRowId(row), annotations)).collect())
    }

    /// Oldest first, by the row of their target.
    async fn annotations_of(
        self,
        kind: TargetKind,
        targets: Vec<i64>,
    ) -> Result<HashMap<i64, Vec<StoredAnnotation>>, StoreError> {
        let mut found: HashMap<i64, Vec<StoredAnnotation>> = HashMap::new();
        let rows = self.rows_about(kind, &targets).await?;
        let targets: Vec<i64> = rows.iter().map(|row| row.target_row_id).collect();
        for (target, annotation) in targets.into_iter().zip(self.with_targets(rows).await?) {
            found.entry(target).or_default().push(annotation);
        }
        Ok(found)
    }

    /// What conditions read of annotations, by the row of their target.
    pub(crate) async fn annotation_facts(
        self,
        kind: TargetKind,
        targets: &[i64],
    ) -> Result<HashMap<i64, Vec<filter::Annotation>>, StoreError> {
        let mut facts: HashMap<i64, Vec<filter::Annotation>> = HashMap::new();
        for row in self.rows_about(kind, targets).await? {
            let annotation::Model { target_row_id, name, label, score, explanation, identifier, .. } = row;
            let fact = filter::Annotation { name, label, score, explanation, identifier };
            facts.entry(target_row_id).or_default().push(fact);
        }
        Ok(facts)
    }

    async fn rows_about(
        self,
        kind: TargetKind,
        targets: &[i64],
    ) -> Result<Vec<annotation::Model>, StoreError> {
        let mut rows = Vec::new();
        for some in targets.chunks(ROWS_A_STATEMENT) {
            let found = annotation::Entity::find()
                .filter(annotation::Column::TenantId.eq(self.tenant))
                .filter(annotation::Column::TargetKind.eq(kind.code()))
                .filter(annotation::Column::TargetRowId.is_in(some.iter().copied()))
                .order_by_asc(annotation::Column::Id)
                .all(&self.reads())
                .await?;
            rows.extend(found);
        }
        Ok(rows)
    }

    /// The rows with the ids that tracers gave to their targets. A target that was deleted since has no id any more, and
    /// its annotation is on the way out too.
    pub(crate) async fn with_targets(
        self,
        rows: Vec<annotation::Model>,
    ) -> Result<Vec<StoredAnnotation>, StoreError> {
        let mut ids: HashMap<(TargetTable, i64), String> = HashMap::with_capacity(rows.len());
        for table in [TargetTable::Spans, TargetTable::Traces, TargetTable::Sessions] {
            let mut targets: Vec<i64> =
                rows.iter().filter(|row| table.holds(row)).map(|row| row.target_row_id).collect();
            targets.sort_unstable();
            targets.dedup();
            for some in targets.chunks(ROWS_A_STATEMENT) {
                let texts = self.target_ids(table, some).await?;
                ids.extend(texts.into_iter().map(|(row, id)| ((table, row), id)));
            }
        }
        let read = |row: annotation::Model| {
            let table = TargetTable::of(&row);
            let id = ids.get(&(table, row.target_row_id)).cloned().unwrap_or_default();
            read_annotation(row, id)
        };
        Ok(rows.into_iter().map(read).collect())
    }

    async fn target_ids(self, table: TargetTable, rows: &[i64]) -> Result<Vec<(i64, String)>, StoreError> {
        let rows = rows.iter().copied();
        let read = &self.reads();
        let shown =
            |(row, id, text): (i64, Vec<u8>, Option<String>)| (row, text.unwrap_or_else(|| encode_hex(&id)));
        Ok(match table {
            TargetTable::Spans => {
                let found = span::Entity::find().select_only().columns([
                    span::Column::Id,
                    span::Column::SpanId,
                    span::Column::SpanText,
                ]);
                let found = found.filter(span::Column::TenantId.eq(self.tenant));
                let found = found.filter(span::Column::Id.is_in(rows)).into_tuple().all(read).await?;
                found.into_iter().map(shown).collect()
            }
            TargetTable::Traces => {
                let found = trace::Entity::find().select_only().columns([
                    trace::Column::Id,
                    trace::Column::TraceId,
                    trace::Column::TraceText,
                ]);
                let found = found.filter(trace::Column::TenantId.eq(self.tenant));
                let found = found.filter(trace::Column::Id.is_in(rows)).into_tuple().all(read).await?;
                found.into_iter().map(shown).collect()
            }
            TargetTable::Sessions => {
                let found = session::Entity::find()
                    .select_only()
                    .columns([session::Column::Id, session::Column::SessionId]);
                let found = found.filter(session::Column::TenantId.eq(self.tenant));
                found.filter(session::Column::Id.is_in(rows)).into_tuple().all(read).await?
            }
        })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum TargetTable {
    Spans,
    Traces,
    Sessions,
}

impl TargetTable {
    fn of(row: &annotation::Model) -> Self {
        match TargetKind::from_code(row.target_kind) {
            Some(TargetKind::Trace) => Self::Traces,
            Some(TargetKind::Session) => Self::Sessions,
            Some(TargetKind::Span | TargetKind::Document) | None => Self::Spans,
        }
    }

    fn holds(self, row: &annotation::Model) -> bool {
        Self::of(row) == self
    }
}

fn conditions(list: &AnnotationList) -> Condition {
    let texts = |texts: &Vec<String>| texts.iter().map(|text| storable_text(text)).collect::<Vec<_>>();
    let exclude = (!list.exclude_names.is_empty()).then(|| texts(&list.exclude_names));
    Condition::all()
        .add(annotation::Column::ProjectId.eq(list.project.0))
        .add(annotation::Column::TargetKind.eq(list.kind.code()))
        .add_option(list.identifiers.as_ref().map(|ids| annotation::Column::Identifier.is_in(texts(ids))))
        .add_option(list.include_names.as_ref().map(|names| annotation::Column::Name.is_in(texts(names))))
        .add_option(exclude.map(|names| annotation::Column::Name.is_not_in(names)))
        .add_option(list.annotator.map(|kind| annotation::Column::AnnotatorKind.eq(kind.code())))
        .add_option(list.from.map(|from| annotation::Column::Id.lte(from.0)))
}

fn read_annotation(row: annotation::Model, id: String) -> StoredAnnotation {
    let target = match TargetKind::from_code(row.target_kind) {
        Some(TargetKind::Trace) => Target::Trace(id),
        Some(TargetKind::Session) => Target::Session(id),
        Some(TargetKind::Document) => Target::Document(id, row.position),
        Some(TargetKind::Span) | None => Target::Span(id),
    };
    let verdict = Verdict { label: row.label, score: row.score, explanation: row.explanation };
    let annotation = Annotation {
        target,
        name: row.name,
        identifier: row.identifier,
        annotator: AnnotatorKind::from_code(row.annotator_kind).unwrap_or(AnnotatorKind::Human),
        source: AnnotationSource::from_code(row.source).unwrap_or(AnnotationSource::Api),
        user: row.user_id.map(UserId),
        verdict,
        metadata: row.metadata,
    };
    StoredAnnotation {
        id: AnnotationId(row.id),
        annotation,
        created_at: Timestamp(row.created_at),
        updated_at: Timestamp(row.updated_at),
    }
}
