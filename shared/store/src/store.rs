//! The store and its tenant-scoped view.

use std::sync::Arc;

use bennu_access::{Actor, TenantScope};
use bennu_archive::Archive;
use bennu_domain::time::{Clock, Timestamp};
use bennu_migrations::{JobsMigrator, Migrator};
use sea_orm::{ConnectionTrait, DbBackend};

use crate::annotations::SpanRows;
use crate::blocks::BlockPolicy;
use crate::connect::{BATCHES_AT_ONCE, ConnectOptions, connect_postgres};
use crate::database::{Database, Door, Reads};
use crate::error::StoreError;
use crate::prices::PriceBooks;
use crate::transaction::WriteTransaction;

/// Rows in the database and large blocks in the archive. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    database: Database,
    /// The queue of annotations where it has a SQLite file of its own: what is queued and settled there does not wait for who
    /// writes to the database, nor the other way round.
    jobs_apart: Option<Database>,
    pub(crate) archive: Archive,
    pub(crate) blocks: BlockPolicy,
    pub(crate) price_books: Arc<PriceBooks>,
    pub(crate) span_rows: Arc<SpanRows>,
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
        let database = Database::open::<Migrator>(options).await?;
        database.check_wall().await?;
        let jobs_apart = match options.jobs_apart() {
            Some(apart) => Some(Database::open::<JobsMigrator>(&apart).await?),
            None => None,
        };
        let (price_books, span_rows) = Default::default();
        let store = Self { database, jobs_apart, archive, blocks, price_books, span_rows, clock };
        store.move_jobs_apart().await?;
        Ok(store)
    }

    /// Has reads that may be a moment behind go to a replica of the Postgres server; see [`ScopedStore::lagging`].
    pub async fn read_from_replica(&mut self, url: &str, options: &ConnectOptions) -> Result<(), StoreError> {
        let replica = connect_postgres(url, options).await?;
        replica.ping().await?;
        self.database.follow_with(replica);
        Ok(())
    }

    /// Microseconds since 1970.
    pub(crate) fn now(&self) -> i64 {
        self.clock.now().0
    }

    /// How many batches of spans are worth writing at once: one on SQLite, which has one writer.
    pub fn batches_at_once(&self) -> usize {
        if self.backend() == DbBackend::Postgres { BATCHES_AT_ONCE as usize } else { 1 }
    }

    pub(crate) fn backend(&self) -> DbBackend {
        self.database.backend()
    }

    /// The data of one tenant; without a scope there is no way to any:
    ///
    /// ```
    /// use bennu_store::{ProjectList, Store};
    /// async fn projects(store: &Store, scope: &bennu_access::TenantScope) {
    ///     store.scoped(scope).list_projects(&ProjectList::default()).await.ok();
    /// }
    /// ```
    /// ```compile_fail,E0061
    /// use bennu_store::{ProjectList, Store};
    /// async fn projects(store: &Store, scope: &bennu_access::TenantScope) {
    ///     store.scoped().list_projects(&ProjectList::default()).await.ok();
    /// }
    /// ```
    /// ```compile_fail,E0308
    /// use bennu_store::{ProjectList, Store};
    /// async fn projects(store: &Store, tenant: &bennu_domain::ids::TenantId) {
    ///     store.scoped(tenant).list_projects(&ProjectList::default()).await.ok();
    /// }
    /// ```
    /// ```compile_fail,E0599
    /// use bennu_store::{ProjectList, Store};
    /// async fn projects(store: &Store, scope: &bennu_access::TenantScope) {
    ///     store.list_projects(&ProjectList::default()).await.ok();
    /// }
    /// ```
    ///
    /// Nor to the tables and the connection past it:
    ///
    /// ```compile_fail,E0451
    /// use bennu_store::{ScopedStore, Store};
    /// fn forged(store: &Store) -> ScopedStore<'_> {
    ///     ScopedStore { store, tenant: 7 }
    /// }
    /// ```
    /// ```compile_fail,E0603
    /// use bennu_store::entities::span;
    /// ```
    /// ```compile_fail,E0616
    /// fn connection(store: &bennu_store::Store) {
    ///     let _ = &store.database;
    /// }
    /// ```
    /// ```compile_fail,E0624
    /// fn everything(store: &bennu_store::Store) {
    ///     let _ = store.reads_across_tenants("for no good reason");
    /// }
    /// ```
    pub fn scoped(&self, scope: &TenantScope) -> ScopedStore<'_> {
        ScopedStore { store: self, tenant: scope.tenant().0, actor: None, erasing: false, lagging: false }
    }

    /// Where the queue of annotations is.
    pub(crate) fn jobs(&self) -> &Database {
        self.jobs_apart.as_ref().unwrap_or(&self.database)
    }

    /// The same, unless that is the database itself.
    pub(crate) fn jobs_apart(&self) -> Option<&Database> {
        self.jobs_apart.as_ref()
    }

    /// Reads the rows of all tenants: for background work, never for a caller. The reason goes to the log.
    pub(crate) fn reads_across_tenants(&self, reason: &'static str) -> Reads<'_> {
        tracing::debug!(reason, "access across tenants");
        self.database.reads(Door::AcrossTenants(reason))
    }

    /// A transaction over the rows of all tenants: for background work, never for a caller. The reason goes to the log.
    pub(crate) async fn begin_across_tenants(
        &self,
        reason: &'static str,
    ) -> Result<WriteTransaction, StoreError> {
        tracing::debug!(reason, "access across tenants");
        self.database.begin(Door::AcrossTenants(reason)).await
    }

    /// Whether the database answers, and its disk keeps what it is given.
    pub async fn ping(&self) -> Result<(), StoreError> {
        if let Some(jobs) = &self.jobs_apart {
            jobs.ping().await?;
        }
        self.database.ping().await
    }

    /// Closes the connections; SQLite folds its write-ahead logs into its files.
    pub async fn close(self) -> Result<(), StoreError> {
        if let Some(jobs) = self.jobs_apart {
            jobs.close().await?;
        }
        self.database.close().await
    }

    /// After a delete on SQLite: moves the write-ahead logs into the database and the queue and cuts them, so that no old page
    /// with deleted content stays in them. A reader in the way only puts it off to a later checkpoint.
    pub(crate) async fn forget_deleted_pages(&self) -> Result<(), StoreError> {
        if let Some(jobs) = &self.jobs_apart {
            jobs.journal.cut().await?;
        }
        self.database.journal.cut().await
    }

    /// Notes that a commit wrote about so many bytes.
    pub(crate) fn written(&self, bytes: usize) {
        self.database.journal.written(bytes);
    }
}

/// The store as one tenant sees it.
#[derive(Clone, Copy)]
pub struct ScopedStore<'a> {
    pub(crate) store: &'a Store,
    pub(crate) tenant: i64,
    /// Who goes on record for changes; the system itself if nobody is named.
    pub(crate) actor: Option<&'a Actor>,
    /// Whether it is there to erase the tenant, and works though that has happened.
    erasing: bool,
    lagging: bool,
}

impl<'a> ScopedStore<'a> {
    /// Has this actor go on record for changes.
    #[must_use]
    pub fn by(self, actor: &'a Actor) -> Self {
        Self { actor: Some(actor), ..self }
    }

    /// For who erases the tenant.
    #[must_use]
    pub(crate) fn erasing(self) -> Self {
        Self { erasing: true, ..self }
    }

    /// For callers who only read: what was written a moment ago may be missing.
    #[must_use]
    pub fn lagging(self) -> Self {
        Self { lagging: true, ..self }
    }

    /// Reads what is there at this moment, whatever a replica knows.
    #[must_use]
    pub(crate) fn current(self) -> Self {
        Self { lagging: false, ..self }
    }

    /// Reads the tenant's rows.
    pub(crate) fn reads(self) -> Reads<'a> {
        let door = Door::Tenant(self.tenant);
        match self.lagging {
            true => self.store.database.lagging_reads(door),
            false => self.store.database.reads(door),
        }
    }

    /// A transaction over the tenant's rows; none if it was erased.
    pub(crate) async fn begin(self) -> Result<WriteTransaction, StoreError> {
        let door = if self.erasing { Door::ErasedTenant(self.tenant) } else { Door::Tenant(self.tenant) };
        self.store.database.begin(door).await
    }

    /// A transaction for a batch of spans.
    pub(crate) async fn begin_batch(self) -> Result<WriteTransaction, StoreError> {
        self.store.database.begin_batch(Door::Tenant(self.tenant)).await
    }

    /// The time by the store's clock, which stamps what is received.
    pub fn time(self) -> Timestamp {
        Timestamp(self.store.now())
    }
}

/// Rows are locked one by one on Postgres only; a writing transaction of SQLite has locked them all already.
pub(crate) fn is_postgres(connection: &impl ConnectionTrait) -> bool {
    connection.get_database_backend() == DbBackend::Postgres
}
