//! Opens the database: SQLite for the embedded shape, Postgres for the distributed one.

use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use sea_orm::sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sea_orm::{ConnectOptions as SeaOptions, Database, DatabaseConnection, DbErr};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::journal::LONG_LOG;
use crate::yielding::yield_to_others;

/// Where the rows are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DatabaseLocation {
    SqliteMemory,
    SqliteFile(PathBuf),
    /// `postgres://user:password@host:port/database`
    Postgres(String),
}

/// How to connect.
#[derive(Debug, Clone)]
pub struct ConnectOptions {
    pub location: DatabaseLocation,
    /// Connections for reading (SQLite), or altogether but for those of batches (Postgres).
    pub connections: u32,
    /// Waiting longer for a connection means that the database is overloaded: better an error than a pile of requests.
    pub acquire: Duration,
    /// After this Postgres ends a statement.
    pub statement: Duration,
}

impl ConnectOptions {
    /// With the times that the settings have by default.
    pub fn new(location: DatabaseLocation, connections: u32) -> Self {
        Self { location, connections, acquire: Duration::from_secs(10), statement: Duration::from_secs(30) }
    }

    /// For the file of the queue of annotations, which stands beside a SQLite database. Elsewhere the queue is in the database.
    pub(crate) fn jobs_apart(&self) -> Option<Self> {
        let DatabaseLocation::SqliteFile(database) = &self.location else { return None };
        let mut path = database.as_os_str().to_owned();
        path.push("-annotation-jobs");
        let location = DatabaseLocation::SqliteFile(path.into());
        Some(Self { location, connections: JOB_READERS, ..self.clone() })
    }
}

/// After this Postgres ends a transaction whose client is silent, with the locks that it holds. Large blocks are put into the object
/// store within a transaction, which may take some attempts.
const IDLE_TRANSACTION: Duration = Duration::from_mins(5);
/// Another process may hold SQLite's write lock for a moment (a backup, a shell).
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Bytes of a page of SQLite: compressed blocks of about 6 KB waste a quarter of larger ones.
const PAGE: u32 = 4_096;

/// Pages that a connection of SQLite keeps in memory, in KiB: of the writer, and of all readers together, who take turns. What
/// they do not keep is in the memory of the system, microseconds away.
const WRITER_CACHE: u32 = 16 << 10;
const READER_CACHES: u32 = 32 << 10;

/// Connections for reading the queue of annotations in a file of its own: one for the worker, one for who asks about a receipt.
const JOB_READERS: u32 = 2;

/// Prepared statements a connection keeps: those of the bulk writer in all their sizes.
const CACHED_STATEMENTS: usize = 1024;

/// Rows of an answer that SQLite's thread is ahead of who reads them. When there are more it waits, and is woken again, which takes
/// longer than to find them.
const ROWS_ON_THE_WAY: usize = 1024;

/// Batches of spans that are written to Postgres at once: while the statements of one run, the other is sent, or waits for the
/// disk. More would only take turns, and be shorter.
pub(crate) const BATCHES_AT_ONCE: u32 = 2;

/// A connection for writing and one for reading; the same one unless SQLite keeps them apart.
pub(crate) struct Connections {
    pub write: DatabaseConnection,
    pub read: DatabaseConnection,
    /// For batches of spans. On Postgres they have connections of their own, none before the first batch: a server process that
    /// writes nothing else has the plans and the pages for it at hand, and no flood of questions keeps them waiting.
    pub batches: DatabaseConnection,
    /// Folds the write-ahead log of a SQLite file into the database.
    pub folding: Option<DatabaseConnection>,
}

pub(crate) async fn connect(options: &ConnectOptions) -> Result<Connections, DbErr> {
    match &options.location {
        DatabaseLocation::Postgres(url) => {
            let connection = connect_postgres(url, options).await?;
            let mut batches = postgres(url, options, BATCHES_AT_ONCE);
            batches.connect_lazy(true);
            let batches = Database::connect(batches).await?;
            Ok(Connections { write: connection.clone(), read: connection, batches, folding: None })
        }
        // Every connection to ":memory:" is a database of its own, so there is only one.
        DatabaseLocation::SqliteMemory => {
            let mut memory = base_options("sqlite::memory:".to_owned(), 1, options.acquire);
            memory.min_connections(1).map_sqlx_sqlite_opts(|sqlite| sqlite_pragmas(sqlite, WRITER_CACHE));
            let connection = Database::connect(memory).await?;
            let (write, batches) = (connection.clone(), connection.clone());
            Ok(Connections { write, read: connection, batches, folding: None })
        }
        // SQLite has one writer at a time: a pool of one makes the others wait here, not in busy loops.
        DatabaseLocation::SqliteFile(path) => {
            let file = |thread, connections, cache| {
                let mut file = base_options("sqlite:".to_owned(), connections, options.acquire);
                let path = path.clone(); // set past the URL, in which `?`, `#` and `%` would mean something
                file.map_sqlx_sqlite_opts(move |sqlite| {
                    let sqlite = sqlite.filename(&path).create_if_missing(true);
                    sqlite_pragmas(sqlite.thread_name(move |_| String::from(thread)), cache)
                });
                file
            };
            let mut writer = file("sqlite-writer", 1, WRITER_CACHE);
            writer.min_connections(1);
            let write = Database::connect(writer).await?;
            let readers = options.connections.max(1);
            let read = Database::connect(file("sqlite-reader", readers, READER_CACHES / readers)).await?;
            let folding = connect_yielding(file("sqlite-folding", 1, WRITER_CACHE)).await?;
            Ok(Connections { batches: write.clone(), write, read, folding: Some(folding) })
        }
    }
}

/// SQLite runs on a thread that the driver starts for each connection. Nobody waits for this one's: it takes a hundredth of a second at
/// a time, in which others had to wait for a processor.
async fn connect_yielding(mut options: SeaOptions) -> Result<DatabaseConnection, DbErr> {
    // A connection that is opened anew would be by another thread.
    options.idle_timeout(None).max_lifetime(None);
    let (connected, connection) = oneshot::channel();
    let runtime = Handle::current();
    let connecting = move || {
        yield_to_others();
        let _ = connected.send(runtime.block_on(Database::connect(options))); // who asked may be gone
    };
    let started = thread::Builder::new().name("connect".to_owned()).spawn(connecting);
    started.map_err(|error| DbErr::Custom(error.to_string()))?;
    connection.await.map_err(|error| DbErr::Custom(error.to_string()))?
}

/// A pool of connections to a Postgres server.
pub(crate) async fn connect_postgres(
    url: &str,
    options: &ConnectOptions,
) -> Result<DatabaseConnection, DbErr> {
    let mut postgres = postgres(url, options, options.connections);
    postgres.min_connections(1);
    Database::connect(postgres).await
}

fn postgres(url: &str, options: &ConnectOptions, connections: u32) -> SeaOptions {
    let mut postgres = base_options(url.to_owned(), connections, options.acquire);
    let limits = [
        ("statement_timeout", options.statement.as_millis()),
        ("idle_in_transaction_session_timeout", IDLE_TRANSACTION.as_millis()),
    ];
    postgres.map_sqlx_postgres_opts(move |postgres| postgres.options(limits));
    postgres
}

fn base_options(url: String, connections: u32, acquire: Duration) -> SeaOptions {
    let mut options = SeaOptions::new(url);
    options
        .max_connections(connections.max(1))
        .acquire_timeout(acquire)
        .sqlx_logging(false)
        .test_before_acquire(false);
    options
}

fn sqlite_pragmas(sqlite: SqliteConnectOptions, cache: u32) -> SqliteConnectOptions {
    sqlite
        .page_size(PAGE)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Normal) // the journal syncs each commit itself, see there
        .statement_cache_capacity(CACHED_STATEMENTS)
        .row_buffer_size(ROWS_ON_THE_WAY)
        .busy_timeout(BUSY_TIMEOUT)
        .pragma("cache_size", format!("-{cache}")) // KiB
        // In pages: the journal has folded all but the end of them by then.
        .pragma("wal_autocheckpoint", (2 * LONG_LOG).to_string())
        // In bytes: gives the disk back after a burst. The commit that cuts the log takes 30 ms longer, so no log that is folded in
        // time is cut.
        .pragma("journal_size_limit", (3 * LONG_LOG * i64::from(PAGE)).to_string())
        .pragma("secure_delete", "on") // what is deleted is overwritten
        .pragma("temp_store", "memory")
}

#[cfg(all(test, target_os = "linux"))]
#[allow(clippy::unwrap_used)] // clippy knows only functions marked as tests, not their helpers
mod tests {
    use std::fs;

    use super::*;
    use crate::yielding::NICENESS;

    /// Of the threads of this process with that name.
    fn niceness(name: &str) -> Vec<i32> {
        let threads = fs::read_dir("/proc/self/task").unwrap().map(|thread| thread.unwrap().path());
        let named = threads.filter(|thread| {
            fs::read_to_string(thread.join("comm")).is_ok_and(|comm| comm.trim_end() == name)
        });
        // After the name, which stands in brackets, from the third field on; this is the nineteenth. See proc_pid_stat(5).
        let stats = named.filter_map(|thread| fs::read_to_string(thread.join("stat")).ok());
        stats
            .map(|stat| stat.rsplit_once(')').unwrap().1.split(' ').nth(17).unwrap().parse().unwrap())
            .collect()
    }

    #[tokio::test]
    async fn the_log_is_folded_by_a_thread_that_yields_to_others() {
        let directory = tempfile::tempdir().unwrap();
        let location = DatabaseLocation::SqliteFile(directory.path().join("bennu.db"));
        let connections = connect(&ConnectOptions::new(location, 1)).await.unwrap();
        let folding = niceness("sqlite-folding");
        assert!(!folding.is_empty() && folding.iter().all(|niceness| *niceness == NICENESS), "{folding:?}");
        drop(connections);
    }
}
