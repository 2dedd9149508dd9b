//! The audit log: entries are added in the transaction of the change that they tell of, read in pages, and verified.
//!
//! The last entry of a tenant is a row that whoever adds one holds until the commit. It is asked for last of all, so that
//! nobody waits for anything else while holding it, and ingest never asks for it.

mod page;
mod verify;

use bennu_access::Actor;
use bennu_domain::audit::{AuditAction, AuditHash, AuditRecord};
use bennu_domain::facets::storable_text;
use bennu_domain::ids::TenantId;
use bennu_domain::time::Timestamp;
use sea_orm::{ConnectionTrait as _, Statement, Value};

pub use page::{AuditPage, StoredAuditRecord};
pub use verify::{AuditVerdict, BrokenLink};

use crate::error::StoreError;
use crate::store::{ScopedStore, Store, is_postgres};
use crate::transaction::WriteTransaction;

/// Longest target, in bytes; details are made by this program.
const TARGET_BYTES: usize = 1_024;

/// What goes on record; who did it and when is added.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditEntry {
    pub action: AuditAction,
    /// A GlobalId where there is one.
    pub target: String,
    /// Members that tell more of it.
    pub details: serde_json::Map<String, serde_json::Value>,
}

impl AuditEntry {
    pub fn new(action: AuditAction, target: impl Into<String>) -> Self {
        Self { action, target: target.into(), details: serde_json::Map::new() }
    }

    #[must_use]
    pub fn with(mut self, member: &str, value: impl Into<serde_json::Value>) -> Self {
        self.details.insert(member.to_owned(), value.into());
        self
    }
}

impl ScopedStore<'_> {
    /// Records what changed nothing in the database, such as an export.
    pub async fn record(self, entry: AuditEntry) -> Result<(), StoreError> {
        let transaction = self.begin().await?;
        self.record_in(&transaction, entry).await?;
        transaction.commit().await
    }

    /// Records a change with the change itself. Nothing but the commit may follow.
    pub(crate) async fn record_in(
        self,
        transaction: &WriteTransaction,
        entry: AuditEntry,
    ) -> Result<(), StoreError> {
        let (last, previous) = self.hold_head(transaction).await?;
        let system = Actor::system();
        let actor = self.actor.unwrap_or(&system);
        let record = AuditRecord {
            sequence: last + 1,
            time: Timestamp(self.store.now()),
            actor_kind: actor.kind.as_str().to_owned(),
            actor: storable_text(&actor.name),
            address: actor.address.map(|address| address.to_string()).unwrap_or_default(),
            action: entry.action.as_str().to_owned(),
            target: storable_text(bennu_domain::facets::cut(&entry.target, TARGET_BYTES)),
            details: storable_text(&serde_json::Value::Object(entry.details).to_string()),
        };
        let hash = record.hash(TenantId(self.tenant), previous);
        let AuditRecord { sequence, time, actor_kind, actor, address, action, target, details } = record;
        let hash = Value::Bytes(Some(hash.0.to_vec()));
        let tenant: Value = self.tenant.into();
        let values = [
            tenant.clone(),
            sequence.into(),
            time.0.into(),
            actor_kind.into(),
            actor.into(),
            address.into(),
            action.into(),
            target.into(),
            details.into(),
            hash.clone(),
        ];
        let insert = "INSERT INTO audit_log (tenant_id, sequence, created_at, actor_kind, actor, address, action, target, \
                      details, hash) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
        transaction.run(insert, values).await?;
        let advance = "UPDATE audit_heads SET sequence = $2, hash = $3 WHERE tenant_id = $1";
        transaction.run(advance, [tenant, sequence.into(), hash]).await?;
        Ok(())
    }

    /// Records a change of several transactions with the first of them.
    pub(crate) async fn record_once(
        self,
        transaction: &WriteTransaction,
        entry: &mut Option<AuditEntry>,
    ) -> Result<(), StoreError> {
        match entry.take() {
            Some(entry) => self.record_in(transaction, entry).await,
            None => Ok(()),
        }
    }

    /// Number and hash of the last entry, which stays the last one until the commit.
    async fn hold_head(self, transaction: &WriteTransaction) -> Result<(i64, AuditHash), StoreError> {
        let lock = if is_postgres(transaction) { " FOR UPDATE" } else { "" };
        let select = format!("SELECT sequence, hash FROM audit_heads WHERE tenant_id = $1{lock}");
        let select = || Statement::from_sql_and_values(self.store.backend(), &select, [self.tenant.into()]);
        let mut found = transaction.query_one_raw(select()).await?;
        if found.is_none() {
            let first = "INSERT INTO audit_heads (tenant_id, sequence, hash) VALUES ($1, 0, $2) ON CONFLICT DO NOTHING";
            let start = Value::Bytes(Some(AuditHash::START.0.to_vec()));
            transaction.run(first, [self.tenant.into(), start]).await?;
            found = transaction.query_one_raw(select()).await?;
        }
        let row = found.ok_or(StoreError::LostRace)?;
        Ok((row.try_get_by_index(0)?, read_hash(&row.try_get_by_index::<Vec<u8>>(1)?)))
    }
}

impl Store {
    /// Deletes the log of a tenant that is deleted with everything else of its own.
    pub(crate) async fn erase_audit_log(
        &self,
        transaction: &WriteTransaction,
        tenant: TenantId,
    ) -> Result<(), StoreError> {
        for sql in [
            "INSERT INTO audit_erasures (tenant_id) VALUES ($1)",
            "DELETE FROM audit_log WHERE tenant_id = $1",
            "DELETE FROM audit_heads WHERE tenant_id = $1",
            "DELETE FROM audit_erasures WHERE tenant_id = $1",
        ] {
            transaction.run(sql, [tenant.0.into()]).await?;
        }
        Ok(())
    }
}

/// What is no hash was put there by somebody else; it stands for one that no entry has.
fn read_hash(bytes: &[u8]) -> AuditHash {
    AuditHash::from_bytes(bytes).unwrap_or(AuditHash::START)
}
