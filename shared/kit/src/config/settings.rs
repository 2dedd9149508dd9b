//! The one table of settings, and the two texts made from it.

use std::fmt::Write as _;

/// One environment variable. Values are trimmed; an empty value counts as not set.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    pub name: &'static str,
    /// Other accepted names; `name` wins when both are set.
    pub aliases: &'static [&'static str],
    /// Parsed like a value; `{working_dir}` stands for the directory of `BENNU_WORKING_DIR`. Empty means none.
    pub default: &'static str,
    pub help: &'static str,
    pub shown: Shown,
}

/// How a value may appear in messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    Plain,
    /// A URL: user, password and parameters are masked.
    Url,
    Never,
}

impl Setting {
    const fn new(
        name: &'static str,
        aliases: &'static [&'static str],
        default: &'static str,
        help: &'static str,
    ) -> Self {
        Self { name, aliases, default, help, shown: Shown::Plain }
    }

    const fn shown(self, shown: Shown) -> Self {
        Self { shown, ..self }
    }

    /// Default as people read it.
    fn default_text(&self) -> String {
        self.default.replace("{working_dir}", "<working dir>")
    }
}

/// Every setting. A new one is a line here and a field in [`Config`](super::Config).
#[rustfmt::skip]
pub const SETTINGS: &[Setting] = &[
    Setting::new("BENNU_HOST", &["PHOENIX_HOST"], "0.0.0.0", "Address to listen on"),
    Setting::new("BENNU_PORT", &["PHOENIX_PORT"], "6006", "Port of the REST API and of OTLP over HTTP"),
    Setting::new("BENNU_GRPC_PORT", &["PHOENIX_GRPC_PORT"], "4317", "Port of OTLP over gRPC"),
    Setting::new("BENNU_HOST_ROOT_PATH", &["PHOENIX_HOST_ROOT_PATH"], "", "Path prefix under which a proxy publishes the server, such as /bennu"),
    Setting::new("BENNU_WORKING_DIR", &["PHOENIX_WORKING_DIR"], "~/.bennu", "Directory of the embedded database and objects"),
    Setting::new("BENNU_DATABASE_URL", &["PHOENIX_SQL_DATABASE_URL"], "sqlite:///{working_dir}/bennu.db", "Database: sqlite:///:memory:, sqlite:///file.db, sqlite:////absolute/file.db or postgresql://user:password@host/name").shown(Shown::Url),
    Setting::new("BENNU_POSTGRES_HOST", &["PHOENIX_POSTGRES_HOST"], "", "Postgres host, used when no database URL is set"),
    Setting::new("BENNU_POSTGRES_PORT", &["PHOENIX_POSTGRES_PORT"], "5432", "Postgres port, beside the host"),
    Setting::new("BENNU_POSTGRES_USER", &["PHOENIX_POSTGRES_USER"], "", "Postgres user, required beside the host"),
    Setting::new("BENNU_POSTGRES_PASSWORD", &["PHOENIX_POSTGRES_PASSWORD"], "", "Postgres password, beside the host").shown(Shown::Never),
    Setting::new("BENNU_POSTGRES_DB", &["PHOENIX_POSTGRES_DB"], "", "Postgres database, beside the host; the user's name if not set"),
    Setting::new("BENNU_OBJECT_STORE_URL", &[], "file://{working_dir}/objects", "Where large trace blocks are kept: file:///absolute/directory").shown(Shown::Url),
    Setting::new("BENNU_BROKER_URL", &[], "", "RabbitMQ between receivers and writers: amqp://user:password@host:5672/virtual-host; spans are handed over within the process when not set").shown(Shown::Url),
    Setting::new("BENNU_BROKER_LARGE_BYTES", &[], "1MiB", "A request from this size on travels through the object store, with a small message in the broker"),
    Setting::new("BENNU_BROKER_PREFETCH", &[], "256", "Requests that a writer takes from the broker before it has stored the first"),
    Setting::new("BENNU_INGEST_ROLES", &[], "receiver,writer", "What an ingest process does: receiver (takes spans in), writer (stores them), or both"),
    Setting::new("BENNU_INGEST_MAX_BODY_BYTES", &[], "64MiB", "Largest request body, as sent and after inflation; larger ones are refused with 413"),
    Setting::new("BENNU_INGEST_BUFFER_BYTES", &[], "128MiB", "Bytes received and not yet stored; beyond it requests are refused with 503"),
    Setting::new("BENNU_INGEST_BATCH_SPANS", &[], "4096", "Most spans written in one transaction"),
    Setting::new("BENNU_INGEST_BATCH_BYTES", &[], "16MiB", "Most span bytes written in one transaction"),
    Setting::new("BENNU_LARGE_BLOCK_BYTES", &[], "1MiB", "A compressed trace block from this size on goes to the object store"),
    Setting::new("BENNU_ANNOTATION_QUEUE_URL", &[], "", "Redis for annotations that are sent without sync: redis://:password@host:6379/0; a table of the database when not set").shown(Shown::Url),
    Setting::new("BENNU_ANNOTATION_QUEUE_SYNC", &[], "everysec", "What Redis must do before an annotation is acknowledged: everysec (it survives the death of Redis; that of its machine may cost a second) or always (it survives both; insists on appendfsync always)"),
    Setting::new("BENNU_ANNOTATION_QUEUE_REPLICAS", &[], "0", "Replicas of Redis that must have an annotation before it is acknowledged"),
    Setting::new("BENNU_ANNOTATION_QUEUE_JOBS", &[], "200000", "Most requests of up to 100 annotations that wait; beyond it they are refused with 503"),
    Setting::new("BENNU_ANNOTATION_LEASE_SECONDS", &[], "30", "After this the annotations that a worker took and did not finish are given to another"),
    Setting::new("BENNU_ANNOTATION_PATIENCE_SECONDS", &[], "600", "How long annotations wait for their span, trace or session before they fail"),
    Setting::new("BENNU_ANNOTATION_RECEIPT_SECONDS", &[], "86400", "How long GET /v1/receipts tells what became of a request"),
    Setting::new("BENNU_DATABASE_CONNECTIONS", &[], "8", "Connections for reading"),
    Setting::new("BENNU_SHUTDOWN_SECONDS", &[], "5", "Time to finish work in hand after SIGTERM or Ctrl-C"),
    Setting::new("BENNU_LOG", &["PHOENIX_LOGGING_LEVEL"], "info", "Log level, or directives such as info,bennu_store=debug"),
    Setting::new("BENNU_LOG_FORMAT", &[], "text", "text or json"),
];

/// The settings as lines for `--help`.
pub fn help_text() -> String {
    let mut text = String::new();
    for setting in SETTINGS {
        let _ = write!(text, "  {}\n          {}", setting.name, setting.help);
        if !setting.default.is_empty() {
            let _ = write!(text, " [default: {}]", setting.default_text());
        }
        if !setting.aliases.is_empty() {
            let _ = write!(text, " [alias: {}]", setting.aliases.join(", "));
        }
        text.push('\n');
    }
    text
}

/// The settings as the table of the README.
pub fn markdown_table() -> String {
    let mut table = String::from("| Variable | Alias | Default | Meaning |\n|---|---|---|---|\n");
    for setting in SETTINGS {
        let code = |text: String| if text.is_empty() { text } else { format!("`{text}`") };
        let _ = writeln!(
            table,
            "| `{}` | {} | {} | {} |",
            setting.name,
            code(setting.aliases.join("`, `")),
            code(setting.default_text()),
            setting.help
        );
    }
    table
}
