//! Pages of the audit log, newest first.

use bennu_domain::audit::{AuditAction, AuditHash, AuditRecord};
use bennu_domain::facets::storable_text;
use bennu_domain::page::Page;
use bennu_domain::time::Timestamp;
use sea_orm::sea_query::{Alias, Expr, ExprTrait as _, Order, Query, SelectStatement, SimpleExpr};
use sea_orm::{ConnectionTrait as _, QueryResult};

use super::read_hash;
use crate::error::StoreError;
use crate::store::ScopedStore;

/// Which entries to list; what is not given does not narrow.
#[derive(Debug, Clone, Default)]
pub struct AuditPage {
    /// The first entry of the page, by its number.
    pub from: Option<i64>,
    pub limit: usize,
    /// The actor's name.
    pub actor: Option<String>,
    pub action: Option<AuditAction>,
    /// Inclusive.
    pub start: Option<Timestamp>,
    /// Exclusive.
    pub end: Option<Timestamp>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredAuditRecord {
    pub record: AuditRecord,
    pub hash: AuditHash,
}

impl ScopedStore<'_> {
    /// The page, and the number of the entry that the next one begins with.
    pub async fn audit_page(self, page: &AuditPage) -> Result<Page<StoredAuditRecord, i64>, StoreError> {
        let action = page.action.map(AuditAction::as_str);
        let select = self
            .audit_records()
            .and_where_option(page.from.map(|from| column("sequence").lte(from)))
            .and_where_option(page.actor.as_deref().map(|name| column("actor").eq(storable_text(name))))
            .and_where_option(action.map(|action| column("action").eq(action)))
            .and_where_option(page.start.map(|start| column("created_at").gte(start.0)))
            .and_where_option(page.end.map(|end| column("created_at").lt(end.0)))
            .order_by(Alias::new("sequence"), Order::Desc)
            .limit(page.limit as u64 + 1)
            .take();
        let rows = self.reads().query_all(&select).await?;
        let mut items = rows.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        let next = items.get(page.limit).map(|stored| stored.record.sequence);
        items.truncate(page.limit);
        Ok(Page { items, next })
    }

    /// Entries as [`read`] reads them.
    pub(super) fn audit_records(self) -> SelectStatement {
        let columns = [
            "sequence",
            "created_at",
            "actor_kind",
            "actor",
            "address",
            "action",
            "target",
            "details",
            "hash",
        ];
        Query::select()
            .columns(columns.map(Alias::new))
            .from(Alias::new("audit_log"))
            .and_where(column("tenant_id").eq(self.tenant))
            .take()
    }
}

pub(super) fn column(name: &str) -> SimpleExpr {
    Expr::col(Alias::new(name))
}

pub(super) fn read(row: &QueryResult) -> Result<StoredAuditRecord, StoreError> {
    let record = AuditRecord {
        sequence: row.try_get_by_index(0)?,
        time: Timestamp(row.try_get_by_index(1)?),
        actor_kind: row.try_get_by_index(2)?,
        actor: row.try_get_by_index(3)?,
        address: row.try_get_by_index(4)?,
        action: row.try_get_by_index(5)?,
        target: row.try_get_by_index(6)?,
        details: row.try_get_by_index(7)?,
    };
    Ok(StoredAuditRecord { record, hash: read_hash(&row.try_get_by_index::<Vec<u8>>(8)?) })
}
