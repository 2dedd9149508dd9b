//! What can go wrong below the repositories.

use bennu_archive::ArchiveError;
use bennu_domain::filter::TooCostly;
use bennu_domain::span::SpanError;
use bennu_migrations::TENANT_ERASED;
use sea_orm::{DbErr, RuntimeErr, SqlxError};

/// An error of the store. "Not found" is never one of these: repositories answer `Option` or `bool`.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("database: {0}")]
    Database(#[source] DbErr),
    #[error("the database took too long; a smaller request may be quick enough")]
    TooSlow,
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    #[error("a stored span cannot be read: {0}")]
    Span(#[from] SpanError),
    #[error("trace block {block}: {reason}")]
    Block { block: i64, reason: String },
    #[error(transparent)]
    Condition(#[from] TooCostly),
    #[error("the tenant was erased")]
    TenantErased,
    #[error("another process inserted or deleted the same rows meanwhile")]
    LostRace,
    #[error("the write-ahead log could not be written to the disk: {0}")]
    Journal(#[source] std::io::Error),
    #[error("the disk failed to keep what was written; restart to find out what it has")]
    JournalBroken,
    #[error("a background thread was stopped: {0}")]
    Interrupted(String),
    #[error(
        "the database user {user} cannot act as the role bennu_tenant, which keeps tenants apart; have a superuser run: \
         CREATE ROLE bennu_tenant NOLOGIN; GRANT bennu_tenant TO {user}"
    )]
    NoTenantRole { user: String },
    #[error(
        "row-level security does not bind the role bennu_tenant; run: ALTER ROLE bennu_tenant NOSUPERUSER NOBYPASSRLS"
    )]
    TenantRoleAboveRules,
}

impl From<DbErr> for StoreError {
    fn from(error: DbErr) -> Self {
        let code = match sql_error(&error) {
            Some(SqlxError::Database(sql)) => sql.code(),
            _ => None,
        };
        match code.as_deref() {
            Some(QUERY_CANCELED) => Self::TooSlow,
            Some(TENANT_ERASED) => Self::TenantErased,
            _ => Self::Database(error),
        }
    }
}

/// SQLSTATE of a statement that was ended by its time limit.
const QUERY_CANCELED: &str = "57014";

fn sql_error(error: &DbErr) -> Option<&SqlxError> {
    match error {
        DbErr::Exec(RuntimeErr::SqlxError(error)) | DbErr::Query(RuntimeErr::SqlxError(error)) => Some(error),
        _ => None,
    }
}

impl StoreError {
    /// Whether the same work may succeed later. What the database refuses because of the data itself
    /// (constraint, range, encoding) never will.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Database(DbErr::Conn(_) | DbErr::ConnectionAcquire(_))
            | Self::TooSlow
            | Self::Archive(_)
            | Self::Journal(_)
            | Self::JournalBroken
            | Self::LostRace
            | Self::Interrupted(_) => true,
            Self::Database(error) => sql_error(error).is_some_and(is_transient_sql),
            Self::Span(_)
            | Self::Condition(_)
            | Self::TenantErased
            | Self::Block { .. }
            | Self::NoTenantRole { .. }
            | Self::TenantRoleAboveRules => false,
        }
    }
}

/// Besides what the database says itself: the connection to it broke, or there was none. Values that cannot be read will
/// not be read the next time either.
fn is_transient_sql(error: &SqlxError) -> bool {
    match error {
        SqlxError::Database(error) => error.code().is_none_or(|code| is_transient_code(&code)),
        SqlxError::Io(_)
        | SqlxError::Tls(_)
        | SqlxError::Protocol(_)
        | SqlxError::PoolTimedOut
        | SqlxError::PoolClosed
        | SqlxError::WorkerCrashed => true,
        _ => false,
    }
}

/// SQLite primary result codes (busy, locked, no memory, read-only, I/O, full, cannot open) and SQLSTATE classes (connection,
/// transaction rollback, insufficient resources, operator intervention, system error).
fn is_transient_code(code: &str) -> bool {
    const SQLITE: [i64; 7] = [5, 6, 7, 8, 10, 13, 14];
    const SQLSTATE: [&str; 5] = ["08", "40", "53", "57", "58"];
    match code.parse::<i64>() {
        // SQLSTATE codes have five characters; SQLite's extended codes keep the primary one in the low byte.
        Ok(number) if code.len() < 5 => SQLITE.contains(&(number & 0xff)),
        _ => SQLSTATE.iter().any(|class| code.starts_with(class)),
    }
}
