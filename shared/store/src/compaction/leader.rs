//! One of the processes on a database does what needs doing once.

use sea_orm::{ConnectionTrait as _, DbBackend, Statement};

use crate::error::StoreError;
use crate::store::Store;
use crate::transaction::WriteTransaction;

/// Key of the advisory lock of the compactor: "compact" in ASCII.
const COMPACTOR_LOCK: i64 = 0x63_6f6d_7061_6374;

/// Held by the one process that compacts and sweeps, until it is dropped or its connection breaks. Two would only do work twice:
/// what makes it correct are the locks of traces.
pub struct Leadership {
    _lock: Option<WriteTransaction>,
}

impl Store {
    /// `None` while another process leads. Keep it for seconds, not for hours: it takes a connection. On SQLite there is only this
    /// process.
    pub async fn try_to_lead(&self) -> Result<Option<Leadership>, StoreError> {
        if self.backend() != DbBackend::Postgres {
            return Ok(Some(Leadership { _lock: None }));
        }
        let transaction = self.begin_across_tenants("leading the compactors").await?;
        let sql = format!("SELECT pg_try_advisory_xact_lock({COMPACTOR_LOCK})");
        let statement = Statement::from_string(transaction.get_database_backend(), sql);
        let row = transaction.query_one_raw(statement).await?;
        let leads = row.map(|row| row.try_get_by_index(0)).transpose()?.unwrap_or(false);
        Ok(leads.then_some(Leadership { _lock: Some(transaction) }))
    }
}
