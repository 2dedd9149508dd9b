//! Annotations are deleted by what they say, or with their targets.

use bennu_domain::annotation::{AnnotatorKind, TargetKind};
use bennu_domain::audit::AuditAction;
use bennu_domain::facets::storable_text;
use bennu_domain::global_id::Node as _;
use bennu_domain::ids::{ProjectId, UserId};
use bennu_domain::time::Timestamp;
use sea_orm::{
    ColumnTrait as _, Condition, EntityTrait as _, QueryFilter as _, QueryOrder as _, QueryResult,
    QuerySelect as _,
};

use super::summaries::SummaryChanges;
use crate::audit::AuditEntry;
use crate::bulk::{ColumnType, RowSet};
use crate::entities::annotation;
use crate::error::StoreError;
use crate::store::ScopedStore;
use crate::transaction::WriteTransaction;

/// Annotations deleted in one transaction: bounds how long writers wait behind a large delete.
const ROWS_A_TRANSACTION: u64 = 2_000;

const ID: &[(&str, ColumnType)] = &[("id", ColumnType::BigInt)];

/// Which annotations of a project to delete; what is not given does not narrow.
#[derive(Debug, Clone)]
pub struct AnnotationDelete {
    pub project: ProjectId,
    pub kind: TargetKind,
    pub name: Option<String>,
    pub identifier: Option<String>,
    pub annotator: Option<AnnotatorKind>,
    /// Who annotated.
    pub user: Option<UserId>,
    /// Inclusive, on the creation of the annotation.
    pub start: Option<Timestamp>,
    /// Exclusive.
    pub end: Option<Timestamp>,
}

impl ScopedStore<'_> {
    /// Answers how many annotations there were.
    pub async fn delete_annotations(self, delete: &AnnotationDelete) -> Result<u64, StoreError> {
        let (mut deleted, mut last, mut entry) = (0, 0, Some(entry(delete)));
        loop {
            let transaction = self.begin().await?;
            let ids: Vec<i64> = annotation::Entity::find()
                .select_only()
                .column(annotation::Column::Id)
                .filter(annotation::Column::TenantId.eq(self.tenant))
                .filter(conditions(delete))
                .filter(annotation::Column::Id.gt(last)) // what stays is not read again
                .order_by_asc(annotation::Column::Id)
                .limit(ROWS_A_TRANSACTION)
                .lock_exclusive()
                .into_tuple()
                .all(&transaction)
                .await?;
            let some = ids.len() as u64;
            last = ids.last().copied().unwrap_or(last);
            self.delete_annotation_rows(&transaction, &ids).await?;
            if some > 0 {
                self.record_once(&transaction, &mut entry).await?;
            }
            transaction.commit().await?;
            deleted += some;
            if some < ROWS_A_TRANSACTION {
                self.store.forget_deleted_pages().await?;
                return Ok(deleted);
            }
        }
    }

    /// Deletes the annotations of rows that the transaction has deleted; nobody can add to them any more.
    pub(crate) async fn delete_annotations_of(
        self,
        transaction: &WriteTransaction,
        kinds: &[TargetKind],
        target_rows: &[i64],
    ) -> Result<(), StoreError> {
        for kind in kinds {
            let kind: sea_orm::Value = kind.code().into();
            if !self.has_annotations(transaction, &kind).await? {
                continue;
            }
            let mut rows = RowSet::new(ID, target_rows.len());
            target_rows.iter().for_each(|row| rows.push([(*row).into()]));
            let sql = "SELECT a.id FROM v CROSS JOIN annotations a \
                       WHERE a.tenant_id = {0} AND a.target_kind = {1} AND a.target_row_id = v.id ORDER BY a.id";
            let read = |row: QueryResult| row.try_get_by_index(0);
            let ids = rows.query(transaction, sql, &[self.tenant.into(), kind], read).await?;
            self.delete_annotation_rows(transaction, &ids).await?;
        }
        Ok(())
    }

    /// Most traces have none; then their spans need not be looked up one by one.
    async fn has_annotations(
        self,
        transaction: &WriteTransaction,
        kind: &sea_orm::Value,
    ) -> Result<bool, StoreError> {
        let found: Option<i64> = annotation::Entity::find()
            .select_only()
            .column(annotation::Column::Id)
            .filter(annotation::Column::TenantId.eq(self.tenant))
            .filter(annotation::Column::TargetKind.eq(kind.clone()))
            .limit(1)
            .into_tuple()
            .one(transaction)
            .await?;
        Ok(found.is_some())
    }

    async fn delete_annotation_rows(
        self,
        transaction: &WriteTransaction,
        ids: &[i64],
    ) -> Result<(), StoreError> {
        let mut rows = RowSet::new(ID, ids.len());
        ids.iter().for_each(|id| rows.push([(*id).into()]));
        let sql = "DELETE FROM annotations WHERE tenant_id = {0} AND id IN (SELECT id FROM v) \
                   RETURNING project_id, target_kind, name, created_at, label, score";
        let read = |row: QueryResult| {
            let group: (i64, i16, String) =
                (row.try_get_by_index(0)?, row.try_get_by_index(1)?, row.try_get_by_index(2)?);
            let label: Option<String> = row.try_get_by_index(4)?;
            Ok((group, row.try_get_by_index::<i64>(3)?, label, row.try_get_by_index::<Option<f64>>(5)?))
        };
        let deleted = rows.query(transaction, sql, &[self.tenant.into()], read).await?;
        let mut changes = SummaryChanges::default();
        for ((project, kind, name), created_at, label, score) in &deleted {
            let Some(kind) = TargetKind::from_code(*kind) else { continue };
            changes.remove((*project, kind, name), *created_at, label.as_deref(), *score);
        }
        changes.write(self, transaction).await
    }
}

fn entry(delete: &AnnotationDelete) -> AuditEntry {
    let time = |time: Option<Timestamp>| time.map(|time| time.to_string());
    AuditEntry::new(AuditAction::DeleteAnnotations, delete.project.global_id())
        .with("target_kind", delete.kind.as_str())
        .with("name", delete.name.as_deref())
        .with("identifier", delete.identifier.as_deref())
        .with("annotator_kind", delete.annotator.map(AnnotatorKind::as_str))
        .with("user_id", delete.user.map(UserId::global_id))
        .with("start_time", time(delete.start))
        .with("end_time", time(delete.end))
}

fn conditions(delete: &AnnotationDelete) -> Condition {
    let text = |text: &Option<String>| text.as_deref().map(storable_text);
    Condition::all()
        .add(annotation::Column::ProjectId.eq(delete.project.0))
        .add(annotation::Column::TargetKind.eq(delete.kind.code()))
        .add_option(text(&delete.name).map(|name| annotation::Column::Name.eq(name)))
        .add_option(text(&delete.identifier).map(|identifier| annotation::Column::Identifier.eq(identifier)))
        .add_option(delete.annotator.map(|kind| annotation::Column::AnnotatorKind.eq(kind.code())))
        .add_option(delete.user.map(|user| annotation::Column::UserId.eq(user.0)))
        .add_option(delete.start.map(|start| annotation::Column::CreatedAt.gte(start.0)))
        .add_option(delete.end.map(|end| annotation::Column::CreatedAt.lt(end.0)))
}
