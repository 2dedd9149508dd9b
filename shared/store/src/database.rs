//! The database, and the two doors to its rows: that of one tenant, and the one to all of them.
//!
//! Code asks for the rows of its tenant only; on Postgres the database itself knows no others. Every unit of work there is
//! a transaction that begins by going through a door: as the role `bennu_tenant`, to which row-level security shows one
//! tenant, or across all tenants with a reason. SQLite has no such thing: there the filter in each query is the wall.

use async_trait::async_trait;
use bennu_migrations::{MigratorTrait, assume_statistics};
use sea_orm::sqlx::error::DatabaseError;
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, ExecResult, QueryResult,
    RuntimeErr, SqliteTransactionMode, Statement, TransactionOptions, TransactionTrait as _,
};

use crate::connect::{ConnectOptions, Connections, DatabaseLocation, connect};
use crate::error::StoreError;
use crate::journal::Journal;
use crate::transaction::WriteTransaction;

/// Whose rows a unit of work reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    Tenant(i64),
    /// Those of a tenant that is erased, for who erases it.
    ErasedTenant(i64),
    /// All rows, for what is said here.
    AcrossTenants(&'static str),
}

/// Key of the advisory lock under which the schema changes: "bennu" in ASCII.
const MIGRATION_LOCK: i64 = 0x62_656e_6e75;

/// No tenant has this id: the door to nothing.
const NOBODY: i64 = 0;

impl Door {
    /// What a transaction of Postgres begins with; its end undoes it.
    fn statements(self) -> String {
        match self {
            Self::Tenant(tenant) | Self::ErasedTenant(tenant) => {
                format!("SET LOCAL ROLE bennu_tenant; SET LOCAL bennu.tenant = '{tenant}'")
            }
            Self::AcrossTenants(reason) => {
                format!("SET LOCAL bennu.across_tenants = '{}'", reason.replace('\'', "''"))
            }
        }
    }
}

/// Cheap to clone.
#[derive(Clone)]
pub(crate) struct Database {
    write: DatabaseConnection,
    read: DatabaseConnection,
    batches: DatabaseConnection,
    /// Another server that follows this one, a moment behind it.
    replica: Option<DatabaseConnection>,
    pub(crate) journal: Journal,
}

impl Database {
    /// Connects, and brings the schema up to date.
    pub async fn open<Steps: MigratorTrait>(options: &ConnectOptions) -> Result<Self, StoreError> {
        let mut connections = connect(options).await?;
        let (folding, writer) = (connections.folding.take(), connections.write.clone());
        let mut database = Self::new(connections);
        database.migrate::<Steps>().await?;
        if let (Some(folding), DatabaseLocation::SqliteFile(path)) = (folding, &options.location) {
            database.journal = Journal::open(path, writer, folding).await?;
        }
        Ok(database)
    }

    /// All missing steps in one transaction: a process that is killed leaves none half done, and of several that
    /// start together one does them while the others wait.
    async fn migrate<Steps: MigratorTrait>(&self) -> Result<(), StoreError> {
        let transaction = self.begin(Door::AcrossTenants("bringing the schema up to date")).await?;
        if transaction.get_database_backend() == DbBackend::Postgres {
            // A step may take as long as it has to.
            transaction
                .execute_unprepared(&format!(
                    "SET LOCAL statement_timeout = 0; SELECT pg_advisory_xact_lock({MIGRATION_LOCK})"
                ))
                .await?;
        }
        Steps::up(transaction.raw(), None).await?;
        assume_statistics(&transaction).await?;
        transaction.commit().await
    }

    pub fn new(connections: Connections) -> Self {
        let Connections { write, read, batches, folding: _ } = connections;
        Self { write, read, batches, replica: None, journal: Journal::default() }
    }

    /// From now on reads that may be a moment behind go there.
    pub fn follow_with(&mut self, replica: DatabaseConnection) {
        self.replica = Some(replica);
    }

    pub fn backend(&self) -> DbBackend {
        self.read.get_database_backend()
    }

    /// To read through a door.
    pub fn reads(&self, door: Door) -> Reads<'_> {
        Reads { connection: &self.read, door }
    }

    /// The same, a moment behind if there is a replica.
    pub fn lagging_reads(&self, door: Door) -> Reads<'_> {
        Reads { connection: self.replica.as_ref().unwrap_or(&self.read), door }
    }

    /// A transaction that writes. For a tenant that was erased there is none: its id never comes back, and what was still on its
    /// way must find nobody. The answer holds until the end of the transaction, as whoever erases waits for that. On SQLite it takes the write lock at once: taking it later, after reading, can fail.
    pub async fn begin(&self, door: Door) -> Result<WriteTransaction, StoreError> {
        self.begin_on(&self.write, door).await
    }

    /// The same for a batch of spans.
    pub async fn begin_batch(&self, door: Door) -> Result<WriteTransaction, StoreError> {
        self.begin_on(&self.batches, door).await
    }

    async fn begin_on(
        &self,
        connection: &DatabaseConnection,
        door: Door,
    ) -> Result<WriteTransaction, StoreError> {
        self.journal.check()?;
        let options = TransactionOptions {
            isolation_level: None,
            access_mode: None,
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
        };
        let transaction = connection.begin_with_options(options).await?;
        match (door, self.backend()) {
            // In one message with the rest: it costs no way to the server.
            (Door::Tenant(tenant), DbBackend::Postgres) => {
                let hold = format!("{}; SELECT hold_tenant({tenant})", door.statements());
                transaction.execute_unprepared(&hold).await?;
            }
            (Door::Tenant(tenant), _) => refuse_erased(&transaction, tenant).await?,
            (_, DbBackend::Postgres) => {
                transaction.execute_unprepared(&door.statements()).await?;
            }
            _ => {}
        }
        Ok(WriteTransaction::new(transaction, self.journal.clone()))
    }

    /// An error unless the wall between tenants stands: the role is there, this user can act as it, and rules bind it.
    pub async fn check_wall(&self) -> Result<(), StoreError> {
        if self.backend() != DbBackend::Postgres {
            return Ok(());
        }
        let one = |sql: &str| Statement::from_string(DbBackend::Postgres, sql);
        let user = self.read.query_one_raw(one("SELECT quote_ident(current_user)")).await?;
        let user: String = user.map(|row| row.try_get_by_index(0)).transpose()?.unwrap_or_default();
        let above = one("SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user");
        match self.reads(Door::Tenant(NOBODY)).query_one_raw(above).await {
            Ok(Some(row)) if row.try_get_by_index(0)? => Err(StoreError::TenantRoleAboveRules),
            Ok(_) => Ok(()),
            Err(error) if is_refusal(&error) => Err(StoreError::NoTenantRole { user }),
            Err(error) => Err(error.into()),
        }
    }

    pub async fn ping(&self) -> Result<(), StoreError> {
        self.journal.check()?;
        if let Some(replica) = &self.replica {
            replica.ping().await?;
        }
        Ok(self.read.ping().await?)
    }

    pub async fn close(self) -> Result<(), StoreError> {
        if let Some(replica) = self.replica {
            replica.close().await?;
        }
        self.read.close().await?;
        self.journal.close().await?;
        self.write.close().await?;
        Ok(self.batches.close().await?)
    }
}

/// The same as what a transaction of a tenant begins with, for one that has gone through another door.
pub(crate) async fn refuse_erased(transaction: &impl ConnectionTrait, tenant: i64) -> Result<(), StoreError> {
    if transaction.get_database_backend() == DbBackend::Postgres {
        transaction.execute_unprepared(&format!("SELECT hold_tenant({tenant})")).await?;
        return Ok(());
    }
    // One transaction writes at a time there, so nobody erases the tenant before the end of this one.
    let sql = "SELECT 1 FROM tenants WHERE id = ? AND erased_at IS NOT NULL";
    let erased = Statement::from_sql_and_values(DbBackend::Sqlite, sql, [tenant.into()]);
    match transaction.query_one_raw(erased).await? {
        Some(_) => Err(StoreError::TenantErased),
        None => Ok(()),
    }
}

/// `SET ROLE` to a role that is not there, or that the user was not granted (SQLSTATE 22023 and 42501).
fn is_refusal(error: &DbErr) -> bool {
    let (DbErr::Exec(RuntimeErr::SqlxError(error)) | DbErr::Query(RuntimeErr::SqlxError(error))) = error
    else {
        return false;
    };
    let code = error.as_database_error().and_then(DatabaseError::code);
    code.is_some_and(|code| ["22023", "42501"].contains(&code.as_ref()))
}

/// Reads through a door, each statement in a transaction of its own: none is held while an answer is decoded or sent, so a
/// request never needs two connections at once.
pub(crate) struct Reads<'a> {
    connection: &'a DatabaseConnection,
    door: Door,
}

impl Reads<'_> {
    /// On Postgres, a transaction that has gone through the door. It ends as it is dropped, when nobody waits any more.
    async fn enter(&self) -> Result<Option<DatabaseTransaction>, DbErr> {
        if self.connection.get_database_backend() != DbBackend::Postgres {
            return Ok(None);
        }
        let transaction = self.connection.begin().await?;
        let read_only = format!("SET TRANSACTION READ ONLY; {}", self.door.statements());
        transaction.execute_unprepared(&read_only).await?;
        Ok(Some(transaction))
    }
}

#[async_trait]
impl ConnectionTrait for Reads<'_> {
    fn get_database_backend(&self) -> DbBackend {
        self.connection.get_database_backend()
    }

    async fn execute_raw(&self, _: Statement) -> Result<ExecResult, DbErr> {
        Err(write_refused())
    }

    async fn execute_unprepared(&self, _: &str) -> Result<ExecResult, DbErr> {
        Err(write_refused())
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        match self.enter().await? {
            Some(transaction) => transaction.query_one_raw(statement).await,
            None => self.connection.query_one_raw(statement).await,
        }
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        match self.enter().await? {
            Some(transaction) => transaction.query_all_raw(statement).await,
            None => self.connection.query_all_raw(statement).await,
        }
    }
}

fn write_refused() -> DbErr {
    DbErr::Custom("changes need a transaction".to_owned())
}

#[cfg(test)]
mod tests;
