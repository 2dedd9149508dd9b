//! Configuration from environment variables: one table ([`SETTINGS`]) feeds the parser, `--help` and the README.

mod annotations;
mod auth;
mod authorization_server;
mod broker_url;
mod byte_size;
mod compaction;
mod database_url;
mod identity_provider;
mod ingest_roles;
mod ldap;
mod log;
mod mail;
mod object_store_url;
mod postgres_parts;
mod provider_names;
mod root_path;
mod s3;
mod secret_file;
mod secret_text;
mod settings;
mod variables;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use annotations::AnnotationSettings;
pub use auth::{AuthMode, AuthSettings, CookieSettings, Credentials, PasswordSettings};
pub use authorization_server::{AllowedRedirects, AuthorizationServerSettings};
pub use broker_url::BrokerUrl;
pub use compaction::CompactionSettings;
pub use database_url::DatabaseUrl;
pub use identity_provider::{ClientAuthentication, GroupRule, IdentityProvider, RoleRule, role_of_people};
pub use ingest_roles::IngestRoles;
pub use ldap::{LdapGroups, LdapSettings, LdapTls};
pub use log::{LogFilter, LogFormat};
pub use mail::{SmtpSecurity, SmtpSettings};
pub use object_store_url::ObjectStoreUrl;
pub use root_path::RootPath;
pub use s3::{S3Keys, S3Settings};
pub use secret_text::SecretText;
pub use settings::{SETTINGS, Setting, Shown, help_text, markdown_table};
pub use variables::ConfigError;

use byte_size::byte_size;
use database_url::mask as masked;
use variables::Variables;

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;
const GIB: u64 = 1024 * MIB;

/// The settings of a process, checked. `Debug` shows no password.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Address or host name to listen on.
    pub host: String,
    /// HTTP port; 0 lets the system choose.
    pub port: u16,
    /// OTLP gRPC port; 0 lets the system choose.
    pub grpc_port: u16,
    pub root_path: RootPath,
    /// Absolute.
    pub working_dir: PathBuf,
    pub database: DatabaseUrl,
    /// A replica of it, which is behind it by a moment.
    pub database_replica: Option<DatabaseUrl>,
    pub object_store: ObjectStoreUrl,
    pub s3: S3Settings,
    /// None: spans are handed over within the process.
    pub broker: Option<BrokerUrl>,
    /// A request of at least this size travels through the object store instead of the broker.
    pub broker_large_bytes: usize,
    /// Requests that a writer takes from the broker before it has stored the first.
    pub broker_prefetch: u16,
    pub ingest_roles: IngestRoles,
    /// Largest request body, as sent and after inflation.
    pub ingest_max_body_bytes: usize,
    /// Bytes received and not yet stored, over all requests.
    pub ingest_buffer_bytes: usize,
    pub ingest_batch_spans: usize,
    pub ingest_batch_bytes: usize,
    /// A compressed trace block of at least this size goes to the object store.
    pub large_block_bytes: usize,
    pub compaction: CompactionSettings,
    pub annotations: AnnotationSettings,
    pub auth: AuthSettings,
    /// `redis://…`; each process counts for itself if none is given.
    pub quota_url: Option<RedisUrl>,
    pub limits_check: Duration,
    /// Connections of the read pool.
    pub database_connections: u32,
    /// How long work waits for a connection.
    pub database_acquire: Duration,
    /// After this Postgres ends a statement.
    pub database_statement: Duration,
    /// Time to finish work in hand after a signal.
    pub shutdown_grace: Duration,
    pub log: LogFilter,
    pub log_format: LogFormat,
    /// Settings that have a value of their own.
    given: BTreeSet<&'static str>,
}

/// Where a Redis is. `Debug` shows no password.
#[derive(Clone, PartialEq, Eq)]
pub struct RedisUrl(String);

impl RedisUrl {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RedisUrl({})", masked(&self.0))
    }
}

impl Config {
    /// Reads the settings of this process.
    pub fn from_env() -> Result<Self, ConfigError> {
        // `env::vars` panics on a value that is not UTF-8; a mangled one fails its own check instead.
        let text = |part: std::ffi::OsString| part.to_string_lossy().into_owned();
        Self::from_vars(std::env::vars_os().map(|(name, value)| (text(name), text(value))))
    }

    /// Reads the settings from name and value pairs.
    pub fn from_vars(vars: impl IntoIterator<Item = (String, String)>) -> Result<Self, ConfigError> {
        let mut vars = Variables::collect(vars)?;
        let working_dir = working_dir(&mut vars)?;
        let object_store = vars.read("BENNU_OBJECT_STORE_URL", ObjectStoreUrl::parse)?;
        let config = Self {
            host: vars.read("BENNU_HOST", host)?,
            port: vars.read("BENNU_PORT", port)?,
            grpc_port: vars.read("BENNU_GRPC_PORT", port)?,
            root_path: vars.read("BENNU_HOST_ROOT_PATH", RootPath::parse)?,
            database: database(&mut vars)?,
            database_replica: replica(&mut vars)?,
            s3: s3::read(&vars, &object_store)?,
            object_store,
            broker: broker(&vars)?,
            broker_large_bytes: vars.read("BENNU_BROKER_LARGE_BYTES", |v| byte_size(v, KIB..=GIB))?,
            broker_prefetch: vars.read("BENNU_BROKER_PREFETCH", |v| number(v, 1..=10_000))?,
            ingest_roles: vars.read("BENNU_INGEST_ROLES", IngestRoles::parse)?,
            ingest_max_body_bytes: vars
                .read("BENNU_INGEST_MAX_BODY_BYTES", |v| byte_size(v, KIB..=2 * GIB))?,
            ingest_buffer_bytes: vars.read("BENNU_INGEST_BUFFER_BYTES", |v| byte_size(v, MIB..=64 * GIB))?,
            ingest_batch_spans: vars.read("BENNU_INGEST_BATCH_SPANS", |v| number(v, 1..=1_000_000))?,
            ingest_batch_bytes: vars.read("BENNU_INGEST_BATCH_BYTES", |v| byte_size(v, KIB..=GIB))?,
            large_block_bytes: vars.read("BENNU_LARGE_BLOCK_BYTES", |v| byte_size(v, 1..=GIB))?,
            compaction: compaction::read(&vars)?,
            annotations: annotations::read(&vars)?,
            auth: auth::read(&vars)?,
            quota_url: vars.read("BENNU_QUOTA_URL", annotations::redis_url)?.map(RedisUrl),
            limits_check: vars
                .read("BENNU_LIMITS_CHECK_SECONDS", |v| number(v, 1..=86_400).map(Duration::from_secs))?,
            database_connections: vars.read("BENNU_DATABASE_CONNECTIONS", |v| number(v, 1..=1000))?,
            database_acquire: vars.read("BENNU_DATABASE_ACQUIRE_SECONDS", seconds(1..=600))?,
            database_statement: vars.read("BENNU_DATABASE_STATEMENT_SECONDS", seconds(1..=3_600))?,
            shutdown_grace: vars.read("BENNU_SHUTDOWN_SECONDS", seconds(0..=3_600))?,
            log: vars.read("BENNU_LOG", LogFilter::parse)?,
            log_format: vars.read("BENNU_LOG_FORMAT", LogFormat::parse)?,
            working_dir,
            given: vars.names(),
        };
        if config.ingest_buffer_bytes < config.ingest_max_body_bytes {
            return vars.refuse(
                "BENNU_INGEST_BUFFER_BYTES",
                "at least BENNU_INGEST_MAX_BODY_BYTES, or the largest body could never be taken in",
            );
        }
        Ok(config)
    }

    /// Insists on a value for a setting that has no use as it is by default, and says what for.
    pub fn require(&self, name: &'static str, expected: &str) -> Result<(), ConfigError> {
        if self.given.contains(name) {
            return Ok(());
        }
        Err(ConfigError::Missing { name, expected: expected.to_owned() })
    }

    /// Insists on what processes that work together share; by default each would have a database and objects of its own.
    pub fn require_shared_data(&self) -> Result<(), ConfigError> {
        let (name, expected) = ("BENNU_DATABASE_URL", "postgresql://…, the database that all services share");
        if !matches!(self.database, DatabaseUrl::Postgres(_)) {
            self.require(name, expected)?;
            let (name, value) = (name.to_owned(), self.database.to_string());
            return Err(ConfigError::Invalid { name, value, expected: expected.to_owned() });
        }
        self.require("BENNU_OBJECT_STORE_URL", "the object store that all services share")
    }
}

/// None unless it is set: the hand-over within the process is the default.
fn broker(vars: &Variables) -> Result<Option<BrokerUrl>, ConfigError> {
    vars.is_set("BENNU_BROKER_URL").then(|| vars.read("BENNU_BROKER_URL", BrokerUrl::parse)).transpose()
}

/// Resolved first: the defaults of other settings name it as `{working_dir}`.
fn working_dir(vars: &mut Variables) -> Result<PathBuf, ConfigError> {
    let home = vars.home();
    let working_dir = vars.read("BENNU_WORKING_DIR", |value| absolute_dir(value, home.as_deref()))?;
    vars.set_working_dir(&working_dir);
    Ok(working_dir)
}

/// The URL if there is one, else the split `…_POSTGRES_…` form, else the default file.
fn database(vars: &mut Variables) -> Result<DatabaseUrl, ConfigError> {
    let parts = postgres_parts::read(vars)?;
    match parts {
        Some(url) if !vars.is_set("BENNU_DATABASE_URL") => Ok(url),
        _ => vars.read("BENNU_DATABASE_URL", DatabaseUrl::parse),
    }
}

/// A file has no replica.
fn replica(vars: &mut Variables) -> Result<Option<DatabaseUrl>, ConfigError> {
    const EXPECTED: &str = "postgresql://…, a replica of the Postgres in BENNU_DATABASE_URL";
    if !vars.is_set("BENNU_DATABASE_READ_URL") {
        return Ok(None);
    }
    let of_postgres = matches!(database(vars)?, DatabaseUrl::Postgres(_));
    let read = |value: &str| match DatabaseUrl::parse(value) {
        Ok(url @ DatabaseUrl::Postgres(_)) if of_postgres => Ok(url),
        _ => Err(EXPECTED.to_owned()),
    };
    vars.read("BENNU_DATABASE_READ_URL", read).map(Some)
}

fn absolute_dir(value: &str, home: Option<&str>) -> Result<PathBuf, String> {
    let path = match value.strip_prefix("~/") {
        Some(rest) => Path::new(home.ok_or("a path without ~, as HOME is not set")?).join(rest),
        None => PathBuf::from(value),
    };
    std::path::absolute(path).map_err(|_| "a path of a directory".to_owned())
}

fn host(value: &str) -> Result<String, String> {
    let plain = value.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '_'));
    let expected = "an address or a host name without scheme and port, such as 0.0.0.0, :: or localhost";
    // A colon is part of an IPv6 address only; `localhost:6006` is a common slip.
    if !plain || (value.contains(':') && value.parse::<std::net::Ipv6Addr>().is_err()) {
        return Err(expected.to_owned());
    }
    Ok(value.to_owned())
}

fn port(value: &str) -> Result<u16, String> {
    value.parse().map_err(|_| "a port number from 0 to 65535 (0 lets the system choose)".to_owned())
}

fn seconds(range: std::ops::RangeInclusive<u64>) -> impl FnOnce(&str) -> Result<Duration, String> {
    move |value| number(value, range).map(Duration::from_secs)
}

fn number<N>(value: &str, range: std::ops::RangeInclusive<u64>) -> Result<N, String>
where
    N: TryFrom<u64>,
{
    let expected = || format!("a whole number from {} to {}", range.start(), range.end());
    let parsed = value.parse::<u64>().ok().filter(|n| range.contains(n));
    parsed.and_then(|n| N::try_from(n).ok()).ok_or_else(expected)
}
