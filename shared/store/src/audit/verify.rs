//! Recomputes the chain of an audit log.

use bennu_domain::audit::AuditHash;
use bennu_domain::ids::TenantId;
use sea_orm::sea_query::{Alias, ExprTrait as _, Order};
use sea_orm::{ConnectionTrait as _, Statement};

use super::page::{StoredAuditRecord, column, read};
use super::read_hash;
use crate::error::StoreError;
use crate::store::{ScopedStore, Store};

/// Entries read at once.
const ENTRIES_AT_ONCE: u64 = 1_000;

/// What a log is found to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuditVerdict {
    /// The hash of the last entry stands for all of them: kept elsewhere, it shows later that they are still the same.
    Intact {
        entries: i64,
        last: AuditHash,
    },
    Broken(BrokenLink),
}

/// The first entry that is not as it was recorded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BrokenLink {
    #[error("entry {0} is missing")]
    Missing(i64),
    #[error("entry {0} was changed, or one was put in its place")]
    Changed(i64),
    #[error("entry {0} was added behind the end of the log")]
    Added(i64),
    #[error("entry {0} is not the last one that was recorded")]
    NotTheLast(i64),
}

impl ScopedStore<'_> {
    /// Recomputes the hashes of all entries, those that are added meanwhile among them.
    pub async fn verify_audit_log(self) -> Result<AuditVerdict, StoreError> {
        let (mut number, mut hash) = (0, AuditHash::START);
        let (mut from, mut end) = (i64::MIN, None);
        loop {
            let some = self.audit_records_from(from).await?;
            for stored in &some {
                let found = stored.record.sequence;
                if found <= number {
                    return Ok(AuditVerdict::Broken(BrokenLink::Added(found)));
                }
                if found > number + 1 {
                    return Ok(AuditVerdict::Broken(BrokenLink::Missing(number + 1)));
                }
                hash = stored.record.hash(TenantId(self.tenant), hash);
                if hash != stored.hash {
                    return Ok(AuditVerdict::Broken(BrokenLink::Changed(found)));
                }
                number = found;
            }
            from = number + 1;
            if !some.is_empty() {
                continue;
            }
            let now = self.audit_head().await?;
            match now {
                (last, end) if last == number && end == hash => {
                    return Ok(AuditVerdict::Intact { entries: number, last: hash });
                }
                (last, _) if last == number => {
                    return Ok(AuditVerdict::Broken(BrokenLink::NotTheLast(number)));
                }
                (last, _) if last < number => return Ok(AuditVerdict::Broken(BrokenLink::Added(last + 1))),
                // Not there although the end was known before it was looked for.
                _ if end == Some(now) => return Ok(AuditVerdict::Broken(BrokenLink::Missing(number + 1))),
                _ => end = Some(now),
            }
        }
    }

    /// Number and hash of the last entry.
    async fn audit_head(self) -> Result<(i64, AuditHash), StoreError> {
        let sql = "SELECT sequence, hash FROM audit_heads WHERE tenant_id = $1";
        let head = Statement::from_sql_and_values(self.store.backend(), sql, [self.tenant.into()]);
        Ok(match self.reads().query_one_raw(head).await? {
            Some(row) => (row.try_get_by_index(0)?, read_hash(&row.try_get_by_index::<Vec<u8>>(1)?)),
            None => (0, AuditHash::START),
        })
    }

    async fn audit_records_from(self, from: i64) -> Result<Vec<StoredAuditRecord>, StoreError> {
        let select = self
            .audit_records()
            .and_where(column("sequence").gte(from))
            .order_by(Alias::new("sequence"), Order::Asc)
            .limit(ENTRIES_AT_ONCE)
            .take();
        self.reads().query_all(&select).await?.iter().map(read).collect()
    }
}

impl Store {
    /// All tenants with their slugs, for the operator who verifies their logs.
    pub async fn audited_tenants(&self) -> Result<Vec<(TenantId, String)>, StoreError> {
        let reads = self.reads_across_tenants("listing tenants to verify their audit logs");
        let all = Statement::from_string(self.backend(), "SELECT id, slug FROM tenants ORDER BY id");
        let rows = reads.query_all_raw(all).await?;
        rows.iter().map(|row| Ok((TenantId(row.try_get_by_index(0)?), row.try_get_by_index(1)?))).collect()
    }
}
