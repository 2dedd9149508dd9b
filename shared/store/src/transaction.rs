//! The one way to change rows: a transaction whose commit is on the disk before anybody hears of it.

use async_trait::async_trait;
use sea_orm::{
    ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, ExecResult, QueryResult, Statement, Value,
};

use crate::error::StoreError;
use crate::journal::{Durable, Journal};

/// A transaction that writes. Dropped, it is rolled back.
pub(crate) struct WriteTransaction {
    transaction: DatabaseTransaction,
    journal: Journal,
}

impl WriteTransaction {
    pub fn new(transaction: DatabaseTransaction, journal: Journal) -> Self {
        Self { transaction, journal }
    }

    /// For libraries that ask for their own type.
    pub fn raw(&self) -> &DatabaseTransaction {
        &self.transaction
    }

    /// Returns when the changes survive a crash.
    pub async fn commit(self) -> Result<(), StoreError> {
        self.commit_early().await?.wait().await
    }

    /// Returns when readers see the changes, and the next transaction can begin. Do not tell callers of success before the
    /// answer is waited for.
    pub async fn commit_early(self) -> Result<Durable, StoreError> {
        self.transaction.commit().await?;
        Ok(self.journal.committed())
    }

    /// For callers outside of the store who go on before the changes survive a crash.
    pub async fn commit_visibly(self) -> Result<Committed, StoreError> {
        self.commit_early().await.map(Committed)
    }

    /// Returns when readers see the changes; a crash may take them back. For what is then done again.
    pub async fn commit_loosely(self) -> Result<(), StoreError> {
        self.commit_early().await.map(drop)
    }

    /// One statement with values for `$1` and on; answers the rows that it changed.
    pub async fn run(&self, sql: &str, values: impl IntoIterator<Item = Value>) -> Result<u64, StoreError> {
        let statement = Statement::from_sql_and_values(self.get_database_backend(), sql, values);
        Ok(self.execute_raw(statement).await?.rows_affected())
    }

    pub async fn rollback(self) -> Result<(), StoreError> {
        Ok(self.transaction.rollback().await?)
    }
}

/// Changes that readers see, on their way to the disk. Those of one database get there in order.
#[must_use = "a crash may take the changes back before this is awaited"]
pub struct Committed(Durable);

impl Committed {
    /// Where nothing was changed.
    pub fn nothing() -> Self {
        Self(Durable::nothing())
    }

    /// Stands for `earlier` changes of the same database too.
    pub fn after(self, earlier: Self) -> Self {
        Self(self.0.after(earlier.0))
    }

    /// Returns when the changes survive a crash of the machine.
    pub async fn durable(self) -> Result<(), StoreError> {
        self.0.wait().await
    }
}

#[async_trait]
impl ConnectionTrait for WriteTransaction {
    fn get_database_backend(&self) -> DbBackend {
        self.transaction.get_database_backend()
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        self.transaction.execute_raw(statement).await
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        self.transaction.execute_unprepared(sql).await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        self.transaction.query_one_raw(statement).await
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        self.transaction.query_all_raw(statement).await
    }
}
