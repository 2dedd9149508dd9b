//! Annotations that could not be applied, kept with the reason until somebody replays or drops them.

use bennu_domain::annotation::Annotation;
use bennu_domain::audit::AuditAction;
use bennu_domain::facets::storable_text;
use bennu_domain::ids::{TenantId, UserId};
use bennu_domain::page::Page;
use bennu_domain::time::Timestamp;
use sea_orm::sea_query::{Alias, Expr, ExprTrait as _, Order, Query, SimpleExpr};
use sea_orm::{ConnectionTrait as _, DbErr, QueryResult};

use super::QueuedWrite;
use crate::audit::AuditEntry;
use crate::bulk::{ColumnType, RowSet};
use crate::error::StoreError;
use crate::store::{ScopedStore, Store};
use crate::transaction::WriteTransaction;

use ColumnType::{BigInt, Text};

#[derive(Debug, Clone, PartialEq)]
pub struct AnnotationFailure {
    pub id: i64,
    pub receipt: String,
    /// Place in the request.
    pub index: usize,
    pub received: Timestamp,
    pub failed: Timestamp,
    pub reason: String,
    pub annotation: Annotation,
}

/// Which failures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FailureSelection {
    All,
    Ids(Vec<i64>),
}

pub(super) struct NewFailure<'a> {
    pub item: &'a QueuedWrite<'a>,
    pub reason: String,
}

impl ScopedStore<'_> {
    /// One that is there already stays: its job came twice.
    pub(super) async fn insert_failures(
        self,
        transaction: &WriteTransaction,
        failures: &[NewFailure<'_>],
    ) -> Result<(), StoreError> {
        const COLUMNS: &[(&str, ColumnType)] = &[
            ("receipt", Text),
            ("item", BigInt),
            ("received_at", BigInt),
            ("reason", Text),
            ("annotation", Text),
            ("user_id", BigInt),
        ];
        let mut rows = RowSet::new(COLUMNS, failures.len());
        for NewFailure { item, reason } in failures {
            let index = i64::try_from(item.index).unwrap_or(i64::MAX);
            let annotation = serde_json::to_string(item.annotation).map_err(json)?;
            let (receipt, reason) = (item.receipt, storable_text(reason));
            rows.push([
                receipt.into(),
                index.into(),
                item.received.0.into(),
                reason.into(),
                annotation.into(),
                item.annotation.user.map_or(0, |user| user.0).into(),
            ]);
        }
        let sql = "INSERT INTO annotation_failures (tenant_id, receipt, item, received_at, failed_at, reason, annotation, user_id) \
                   SELECT {0}, v.receipt, v.item, v.received_at, {1}, v.reason, v.annotation, NULLIF(v.user_id, 0) FROM v WHERE true \
                   ON CONFLICT DO NOTHING";
        rows.execute(transaction, sql, &[self.tenant.into(), self.store.now().into()]).await?;
        Ok(())
    }

    /// Newest first, from the one with this id on.
    pub async fn annotation_failures(
        self,
        selection: &FailureSelection,
        from: Option<i64>,
        limit: usize,
    ) -> Result<Page<AnnotationFailure, i64>, StoreError> {
        let columns = ["id", "receipt", "item", "received_at", "failed_at", "reason", "annotation"];
        let select = Query::select()
            .columns(columns.map(Alias::new))
            .from(Alias::new("annotation_failures"))
            .and_where(column("tenant_id").eq(self.tenant))
            .and_where_option(selected(selection))
            .and_where_option(from.map(|from| column("id").lte(from)))
            .order_by(Alias::new("id"), Order::Desc)
            .limit(limit as u64 + 1)
            .take();
        let rows = self.reads().query_all(&select).await?;
        let mut items = rows.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        let next = items.get(limit).map(|failure| failure.id);
        items.truncate(limit);
        Ok(Page { items, next })
    }

    pub async fn count_annotation_failures(self, selection: &FailureSelection) -> Result<usize, StoreError> {
        let count = Query::select()
            .expr(Expr::cust("count(*)"))
            .from(Alias::new("annotation_failures"))
            .and_where(column("tenant_id").eq(self.tenant))
            .and_where_option(selected(selection))
            .take();
        let count: i64 = match self.reads().query_one(&count).await? {
            Some(row) => row.try_get_by_index(0)?,
            None => 0,
        };
        Ok(usize::try_from(count).unwrap_or_default())
    }

    /// Those of everybody, or of one account. Answers how many there were.
    pub async fn drop_annotation_failures(
        self,
        selection: &FailureSelection,
        of: Option<UserId>,
    ) -> Result<u64, StoreError> {
        let delete = Query::delete()
            .from_table(Alias::new("annotation_failures"))
            .and_where(column("tenant_id").eq(self.tenant))
            .and_where_option(selected(selection))
            .and_where_option(of.map(|user| column("user_id").eq(user.0)))
            .take();
        let transaction = self.begin().await?;
        let deleted = transaction.execute(&delete).await?.rows_affected();
        if deleted > 0 {
            let entry = AuditEntry::new(AuditAction::DropFailedAnnotations, "").with("count", deleted);
            self.record_in(&transaction, entry).await?;
        }
        transaction.commit().await?;
        self.store.forget_deleted_pages().await?;
        Ok(deleted)
    }
}

impl Store {
    /// For operators, who see the failures of everybody: the tenants that have any, and how many.
    pub async fn tenants_with_annotation_failures(&self) -> Result<Vec<(TenantId, i64)>, StoreError> {
        let select = Query::select()
            .column(Alias::new("tenant_id"))
            .expr(Expr::cust("count(*)"))
            .from(Alias::new("annotation_failures"))
            .add_group_by([column("tenant_id")])
            .order_by(Alias::new("tenant_id"), Order::Asc)
            .take();
        let reads = self.reads_across_tenants("telling operators of failed annotations");
        let rows = reads.query_all(&select).await?;
        let read = |row: QueryResult| Ok((TenantId(row.try_get_by_index(0)?), row.try_get_by_index(1)?));
        rows.into_iter().map(read).collect()
    }
}

fn column(name: &str) -> SimpleExpr {
    Expr::col(Alias::new(name))
}

fn selected(selection: &FailureSelection) -> Option<SimpleExpr> {
    match selection {
        FailureSelection::All => None,
        FailureSelection::Ids(ids) => Some(column("id").is_in(ids.iter().copied())),
    }
}

fn read(row: &QueryResult) -> Result<AnnotationFailure, StoreError> {
    let index: i64 = row.try_get_by_index(2)?;
    let annotation: String = row.try_get_by_index(6)?;
    Ok(AnnotationFailure {
        id: row.try_get_by_index(0)?,
        receipt: row.try_get_by_index(1)?,
        index: usize::try_from(index).unwrap_or_default(),
        received: Timestamp(row.try_get_by_index(3)?),
        failed: Timestamp(row.try_get_by_index(4)?),
        reason: row.try_get_by_index(5)?,
        annotation: serde_json::from_str(&annotation).map_err(json)?,
    })
}

#[allow(clippy::needless_pass_by_value)] // fits `map_err`
fn json(error: serde_json::Error) -> StoreError {
    StoreError::Database(DbErr::Json(error.to_string()))
}
