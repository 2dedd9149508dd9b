//! SQLite's write-ahead log: when its commits are on the disk, and when it is folded into the database.
//!
//! With `synchronous=FULL` SQLite syncs the log inside of each commit, and every few megabytes copies it into the database
//! there too: the one writer then waits for the disk half of its time. Here the log is synced after the commit, once for all
//! commits that wait for it, while the next transaction is under way; and a connection of its own does the copying.
//! Nobody hears of a commit before the sync that follows it, so the promise is that of `FULL`.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use sea_orm::{ConnectionTrait as _, DatabaseConnection, DbBackend, DbErr, Statement};
use tokio::sync::Mutex;

use crate::error::StoreError;
use crate::write_back::write_back;

/// Bytes written between two foldings: few enough that none keeps the disk busy for long, enough to write pages that change
/// often only once. With the pages that spans share the log grows by three or four times as many. With a quarter of this
/// there is a folding under way so often that the slowest acknowledgements beside a flood take a tenth longer.
const FOLD_EVERY: usize = 16 << 20;
/// Pages, 128 MiB, after which the log should begin anew. Twice as many and SQLite folds it inside of a commit.
pub(crate) const LONG_LOG: i64 = 32_768;
/// Foldings of a long log before the last one. Each takes a fraction of the time of the one before it, and so leaves a fraction of
/// the pages.
const ROUNDS: usize = 2;

/// Cheap to clone. Does nothing on Postgres and in memory.
#[derive(Clone, Default)]
pub(crate) struct Journal(Option<Arc<WriteAheadLog>>);

struct WriteAheadLog {
    file: File,
    /// For copying the log into the database. One at a time, as SQLite allows no more.
    folding: Mutex<DatabaseConnection>,
    /// The one through which all transactions go.
    writer: DatabaseConnection,
    unfolded: AtomicUsize,
    committed: AtomicU64,
    /// How many of the commits are on the disk.
    synced: Mutex<u64>,
    broken: AtomicBool,
    /// Only to be synced. It stays open as long as SQLite has the database open: closing it would drop the locks that SQLite
    /// holds on the same file (POSIX locks are of a process and a file, not of a handle).
    database: File,
}

impl Journal {
    /// The log of a database that `folding` has opened in WAL mode.
    pub async fn open(
        database: &Path,
        writer: DatabaseConnection,
        folding: DatabaseConnection,
    ) -> Result<Self, StoreError> {
        folding.execute_unprepared("PRAGMA user_version").await?;
        let mut path = database.as_os_str().to_owned();
        path.push("-wal");
        let database = database.to_owned();
        let open = move || Ok((File::options().read(true).write(true).open(path)?, File::open(database)?));
        let (file, database) = blocking(open).await?.map_err(StoreError::Journal)?;
        Ok(Self(Some(Arc::new(WriteAheadLog {
            file,
            database,
            folding: Mutex::new(folding),
            writer,
            unfolded: AtomicUsize::new(0),
            committed: AtomicU64::new(0),
            synced: Mutex::new(0),
            broken: AtomicBool::new(false),
        }))))
    }

    /// Notes a commit that just happened; it is durable once the answer is.
    pub fn committed(&self) -> Durable {
        let log = self.0.clone();
        log.map_or(Durable(None), |log| {
            let number = log.committed.fetch_add(1, Ordering::SeqCst) + 1;
            Durable(Some((log, number)))
        })
    }

    /// Notes that about so many bytes went into the log, and folds it when there are enough of them, beside the caller.
    pub fn written(&self, bytes: usize) {
        let Some(log) = &self.0 else { return };
        if log.unfolded.fetch_add(bytes, Ordering::Relaxed) + bytes < FOLD_EVERY {
            return;
        }
        let log = Arc::clone(log);
        tokio::spawn(async move {
            if let Err(error) = log.fold().await {
                tracing::warn!(%error, "the write-ahead log could not be folded into the database for now");
            }
        });
    }

    /// Folds the whole log into the database and cuts it. A reader in the way puts it off.
    pub async fn cut(&self) -> Result<(), StoreError> {
        if let Some(log) = &self.0 {
            let connection = log.folding.lock().await;
            connection.execute_unprepared("PRAGMA wal_checkpoint(TRUNCATE)").await?;
        }
        Ok(())
    }

    /// An error once a sync has failed: what the disk then holds is unknown until the database is opened again.
    pub fn check(&self) -> Result<(), StoreError> {
        self.0.as_ref().map_or(Ok(()), |log| log.check())
    }

    pub async fn close(&self) -> Result<(), StoreError> {
        if let Some(log) = &self.0 {
            log.folding.lock().await.clone().close().await?;
        }
        Ok(())
    }
}

/// A commit on its way to the disk.
#[must_use = "the commit may be lost before this is awaited"]
pub(crate) struct Durable(Option<(Arc<WriteAheadLog>, u64)>);

impl Durable {
    /// Where nothing was committed.
    pub fn nothing() -> Self {
        Self(None)
    }

    /// The later of two, which is on the disk no sooner than the `earlier` one.
    pub fn after(self, earlier: Self) -> Self {
        if self.0.is_some() { self } else { earlier }
    }

    /// Returns when the commit survives a crash of the machine.
    pub async fn wait(self) -> Result<(), StoreError> {
        match self.0 {
            Some((log, number)) => log.sync(number).await,
            None => Ok(()),
        }
    }
}

impl WriteAheadLog {
    /// A long log is folded between two transactions at last: only when nothing of it is left SQLite writes it from its
    /// beginning again. It syncs the database then. So that transactions do not wait for long, only what was written in the
    /// last moment is left to be copied and synced.
    async fn fold(self: &Arc<Self>) -> Result<(), StoreError> {
        let Ok(folding) = self.folding.try_lock() else { return Ok(()) };
        self.unfolded.store(0, Ordering::Relaxed);
        let pages = fold_through(&folding).await?;
        let log = Arc::clone(self);
        blocking(move || write_back(&log.database)).await?.map_err(StoreError::Journal)?;
        if pages < LONG_LOG {
            return Ok(());
        }
        for _ in 0..ROUNDS {
            let log = Arc::clone(self);
            blocking(move || log.database.sync_data()).await?.map_err(StoreError::Journal)?;
            fold_through(&folding).await?;
        }
        fold_through(&self.writer).await?;
        Ok(())
    }

    async fn sync(self: Arc<Self>, number: u64) -> Result<(), StoreError> {
        let mut synced = self.synced.lock().await;
        self.check()?;
        if *synced >= number {
            return Ok(()); // with a commit that came later
        }
        let all = self.committed.load(Ordering::SeqCst);
        let log = Arc::clone(&self);
        blocking(move || log.sync_data()).await??;
        *synced = all;
        Ok(())
    }

    /// Marks the failure itself: whoever waits for it may be gone by then.
    fn sync_data(&self) -> Result<(), StoreError> {
        self.file.sync_data().map_err(|error| {
            // Linux reports a failed write once and then forgets it: a second sync would succeed and prove nothing.
            self.broken.store(true, Ordering::SeqCst);
            StoreError::Journal(error)
        })
    }

    fn check(&self) -> Result<(), StoreError> {
        if self.broken.load(Ordering::SeqCst) { Err(StoreError::JournalBroken) } else { Ok(()) }
    }
}

/// Copies what others do not need any more; answers the pages of the log.
async fn fold_through(connection: &DatabaseConnection) -> Result<i64, DbErr> {
    let fold = Statement::from_string(DbBackend::Sqlite, "PRAGMA wal_checkpoint(PASSIVE)");
    connection.query_one_raw(fold).await?.map_or(Ok(0), |row| row.try_get_by_index(1))
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, StoreError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| StoreError::Interrupted(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn journal(log: &str) -> Journal {
        let folding = sea_orm::Database::connect("sqlite::memory:").await.unwrap();
        Journal(Some(Arc::new(WriteAheadLog {
            file: File::options().write(true).open(log).unwrap(),
            database: File::open(log).unwrap(),
            writer: folding.clone(),
            folding: Mutex::new(folding),
            unfolded: AtomicUsize::new(0),
            committed: AtomicU64::new(0),
            synced: Mutex::new(0),
            broken: AtomicBool::new(false),
        })))
    }

    #[tokio::test]
    async fn one_sync_serves_all_commits_before_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        File::create(&path).unwrap();
        let journal = journal(path.to_str().unwrap()).await;
        let (first, second) = (journal.committed(), journal.committed());
        second.wait().await.unwrap();
        let log = journal.0.as_ref().unwrap();
        assert_eq!(*log.synced.lock().await, 2);
        first.wait().await.unwrap();
        let third = journal.committed();
        third.wait().await.unwrap();
        assert_eq!(*log.synced.lock().await, 3);
    }

    #[tokio::test]
    async fn where_nothing_is_committed_the_commit_before_it_is_waited_for() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        File::create(&path).unwrap();
        let journal = journal(path.to_str().unwrap()).await;
        let synced = async || *journal.0.as_ref().unwrap().synced.lock().await;
        Durable::nothing().after(journal.committed()).wait().await.unwrap();
        assert_eq!(synced().await, 1);
        journal.committed().after(Durable::nothing()).wait().await.unwrap();
        assert_eq!(synced().await, 2);
    }

    #[tokio::test]
    async fn a_failed_sync_counts_though_nobody_waits_for_it() {
        let journal = journal("/dev/full").await;
        let waiting = tokio::spawn(journal.committed().wait());
        tokio::task::yield_now().await; // the sync is under way
        waiting.abort();
        let _ = waiting.await;
        let noticed = async {
            while journal.check().is_ok() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(10), noticed).await.unwrap();
    }

    #[tokio::test]
    async fn after_a_failed_sync_no_commit_is_reported_durable() {
        let journal = journal("/dev/full").await; // a device that cannot be synced
        let (first, second) = (journal.committed(), journal.committed());
        journal.check().unwrap();
        assert!(matches!(first.wait().await, Err(StoreError::Journal(_))));
        assert!(matches!(second.wait().await, Err(StoreError::JournalBroken)));
        assert!(matches!(journal.check(), Err(StoreError::JournalBroken)));
    }
}
