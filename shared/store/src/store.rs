//! The store and its tenant-scoped view.

use bennu_access::TenantScope;
use std::sync::Arc;

use bennu_archive::Archive;
use bennu_domain::time::{Clock, Timestamp};
use bennu_migrations::{Migrator, MigratorTrait, assume_statistics};
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DbBackend, SqliteTransactionMode, TransactionOptions,
    TransactionTrait as _,
};

use crate::blocks::BlockPolicy;
use crate::connect::{ConnectOptions, Connections, DatabaseLocation, connect};
use crate::error::StoreError;
use crate::journal::Journal;
use crate::prices::PriceBooks;
use crate::transaction::WriteTransaction;

/// Key of the advisory lock under which the schema changes: "bennu" in ASCII.
const MIGRATION_LOCK: i64 = 0x62_656e_6e75;

/// Rows in the database and large blocks in the archive. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    write: DatabaseConnection,
    journal: Journal,
    pub(crate) read: DatabaseConnection,
    pub(crate) archive: Archive,
    pub(crate) blocks: BlockPolicy,
    pub(crate) price_books: Arc<PriceBooks>,
    clock: Arc<dyn Clock>,
}

impl Store {
    /// Connects, and brings the schema up to date.
    pub async fn open(
        options: &ConnectOptions,
        archive: Archive,
        blocks: BlockPolicy,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, StoreError> {
        let Connections { write, read, folding } = connect(options).await?;
        let price_books = Arc::default();
        let mut store =
            Self { write, journal: Journal::default(), read, archive, blocks, price_books, clock };
        store.migrate().await?;
        if let (Some(folding), DatabaseLocation::SqliteFile(path)) = (folding, &options.location) {
            store.journal = Journal::open(path, folding).await?;
        }
        Ok(store)
    }

    /// All missing steps in one transaction: a process that is killed leaves none half done, and of several that
    /// start together one does them while the others wait.
    async fn migrate(&self) -> Result<(), StoreError> {
        let transaction = self.begin().await?;
        if transaction.get_database_backend() == DbBackend::Postgres {
            // A step may take as long as it has to.
            transaction
                .execute_unprepared(&format!(
                    "SET LOCAL statement_timeout = 0; SELECT pg_advisory_xact_lock({MIGRATION_LOCK})"
                ))
                .await?;
        }
        Migrator::up(transaction.raw(), None).await?;
        assume_statistics(&transaction).await?;
        transaction.commit().await
    }

    /// Microseconds since 1970.
    pub(crate) fn now(&self) -> i64 {
        self.clock.now().0
    }

    /// The data of one tenant.
    pub fn scoped(&self, scope: &TenantScope) -> ScopedStore<'_> {
        ScopedStore { store: self, tenant: scope.tenant().0 }
    }

    /// Whether the database answers, and its disk keeps what it is given.
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.journal.check()?;
        Ok(self.read.ping().await?)
    }

    /// Closes the connections; SQLite folds its write-ahead log into the database.
    pub async fn close(self) -> Result<(), StoreError> {
        self.read.close().await?;
        self.journal.close().await?;
        Ok(self.write.close().await?)
    }

    /// A transaction that writes. On SQLite it takes the write lock at once: taking it later, after reading, can fail.
    pub(crate) async fn begin(&self) -> Result<WriteTransaction, StoreError> {
        self.journal.check()?;
        let options = TransactionOptions {
            isolation_level: None,
            access_mode: None,
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
        };
        let transaction = self.write.begin_with_options(options).await?;
        Ok(WriteTransaction::new(transaction, self.journal.clone()))
    }

    /// After a delete on SQLite: moves the write-ahead log into the database and cuts it, so that no old page
    /// with deleted content stays in it. A reader in the way only puts it off to a later checkpoint.
    pub(crate) async fn forget_deleted_pages(&self) -> Result<(), StoreError> {
        self.journal.cut().await
    }

    /// Notes that a commit wrote about so many bytes.
    pub(crate) fn written(&self, bytes: usize) {
        self.journal.written(bytes);
    }
}

/// The store as one tenant sees it.
#[derive(Clone, Copy)]
pub struct ScopedStore<'a> {
    pub(crate) store: &'a Store,
    pub(crate) tenant: i64,
}

impl ScopedStore<'_> {
    /// The time by the store's clock, which stamps what is received.
    pub fn time(self) -> Timestamp {
        Timestamp(self.store.now())
    }
}

/// Rows are locked one by one on Postgres only; a writing transaction of SQLite has locked them all already.
pub(crate) fn is_postgres(connection: &impl ConnectionTrait) -> bool {
    connection.get_database_backend() == DbBackend::Postgres
}
