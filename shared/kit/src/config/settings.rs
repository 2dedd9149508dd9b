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
    Setting::new("BENNU_DATABASE_READ_URL", &[], "", "A replica of that Postgres, for everything that only reads; what was written a moment ago may be missing there").shown(Shown::Url),
    Setting::new("BENNU_POSTGRES_HOST", &["PHOENIX_POSTGRES_HOST"], "", "Postgres host, used when no database URL is set"),
    Setting::new("BENNU_POSTGRES_PORT", &["PHOENIX_POSTGRES_PORT"], "5432", "Postgres port, beside the host"),
    Setting::new("BENNU_POSTGRES_USER", &["PHOENIX_POSTGRES_USER"], "", "Postgres user, required beside the host"),
    Setting::new("BENNU_POSTGRES_PASSWORD", &["PHOENIX_POSTGRES_PASSWORD"], "", "Postgres password, beside the host").shown(Shown::Never),
    Setting::new("BENNU_POSTGRES_DB", &["PHOENIX_POSTGRES_DB"], "", "Postgres database, beside the host; the user's name if not set"),
    Setting::new("BENNU_OBJECT_STORE_URL", &[], "file://{working_dir}/objects", "Where large requests and trace blocks are kept: file:///absolute/directory, or s3://bucket/prefix").shown(Shown::Url),
    Setting::new("BENNU_OBJECT_STORE_TIMEOUT_SECONDS", &[], "30", "For one attempt of one request to S3"),
    Setting::new("BENNU_OBJECT_STORE_RETRIES", &[], "5", "Further attempts of a request to S3 that failed for a passing reason, with longer and longer pauses"),
    Setting::new("BENNU_OBJECT_STORE_RETRY_SECONDS", &[], "20", "No further attempt begins later than this"),
    Setting::new("BENNU_S3_ENDPOINT", &["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"], "", "An S3 server other than Amazon's: https://host:port"),
    Setting::new("BENNU_S3_REGION", &["AWS_REGION", "AWS_DEFAULT_REGION"], "us-east-1", "Region of the bucket"),
    Setting::new("BENNU_S3_ACCESS_KEY_ID", &["AWS_ACCESS_KEY_ID"], "", "Access key; without one the role of the pod, task or instance is used").shown(Shown::Never),
    Setting::new("BENNU_S3_SECRET_ACCESS_KEY", &["AWS_SECRET_ACCESS_KEY"], "", "Secret key, beside the access key").shown(Shown::Never),
    Setting::new("BENNU_S3_SESSION_TOKEN", &["AWS_SESSION_TOKEN"], "", "Session token, beside keys that end").shown(Shown::Never),
    Setting::new("BENNU_S3_ALLOW_HTTP", &["AWS_ALLOW_HTTP"], "false", "Whether the endpoint may be one without TLS: true or false"),
    Setting::new("BENNU_S3_PATH_STYLE", &[], "true", "Whether the bucket is named in the path (true) or in the host name (false)"),
    Setting::new("BENNU_BROKER_URL", &[], "", "RabbitMQ between receivers and writers: amqp://user:password@host:5672/virtual-host; spans are handed over within the process when not set").shown(Shown::Url),
    Setting::new("BENNU_BROKER_LARGE_BYTES", &[], "1MiB", "A request from this size on travels through the object store, with a small message in the broker"),
    Setting::new("BENNU_BROKER_PREFETCH", &[], "256", "Requests that a writer takes from the broker before it has stored the first"),
    Setting::new("BENNU_INGEST_ROLES", &[], "receiver,writer", "What an ingest process does: receiver (takes spans in), writer (stores them), or both"),
    Setting::new("BENNU_INGEST_MAX_BODY_BYTES", &[], "64MiB", "Largest request body, as sent and after inflation; larger ones are refused with 413"),
    Setting::new("BENNU_INGEST_BUFFER_BYTES", &[], "128MiB", "Bytes received and not yet stored; beyond it requests are refused with 503"),
    Setting::new("BENNU_INGEST_BATCH_SPANS", &[], "4096", "Most spans written in one transaction"),
    Setting::new("BENNU_INGEST_BATCH_BYTES", &[], "16MiB", "Most span bytes written in one transaction"),
    Setting::new("BENNU_LARGE_BLOCK_BYTES", &[], "1MiB", "A compressed trace block from this size on goes to the object store"),
    Setting::new("BENNU_COMPACT_IDLE_SECONDS", &[], "300", "A trace that got no span for this long is compacted: its blocks become one"),
    Setting::new("BENNU_COMPACT_BLOCK_BYTES", &[], "16MiB", "Blocks of a trace become one up to this size, before compression"),
    Setting::new("BENNU_COMPACT_BATCH_TRACES", &[], "200", "Traces compacted in a row by one process, before another may take over"),
    Setting::new("BENNU_COMPACT_TRACES_PER_SECOND", &[], "200", "Traces compacted in a second at most"),
    Setting::new("BENNU_ARCHIVE_AFTER_DAYS", &[], "", "Blocks of traces that began longer ago go to the object store, however small; only large ones do when not set"),
    Setting::new("BENNU_SWEEP_EVERY_MINUTES", &[], "60", "How often the object store is searched for objects that nothing refers to"),
    Setting::new("BENNU_SWEEP_GRACE_HOURS", &[], "24", "Such objects are deleted once they are older than this"),
    Setting::new("BENNU_ANNOTATION_QUEUE_URL", &[], "", "Redis for annotations that are sent without sync: redis://:password@host:6379/0, or rediss:// with TLS; they wait in the database when not set, or beside it if it is a SQLite file").shown(Shown::Url),
    Setting::new("BENNU_ANNOTATION_QUEUE_SYNC", &[], "everysec", "What Redis must do before an annotation is acknowledged: everysec (it survives the death of Redis; that of its machine may cost a second) or always (it survives both; insists on appendfsync always)"),
    Setting::new("BENNU_ANNOTATION_QUEUE_REPLICAS", &[], "0", "Replicas of Redis that must have an annotation before it is acknowledged"),
    Setting::new("BENNU_ANNOTATION_QUEUE_JOBS", &[], "200000", "Most requests of up to 100 annotations that wait; beyond it they are refused with 503"),
    Setting::new("BENNU_ANNOTATION_LEASE_SECONDS", &[], "30", "After this the annotations that a worker took and did not finish are given to another"),
    Setting::new("BENNU_ANNOTATION_PATIENCE_SECONDS", &[], "600", "How long annotations wait for their span, trace or session before they fail"),
    Setting::new("BENNU_ANNOTATION_RECEIPT_SECONDS", &[], "86400", "How long GET /v1/receipts tells what became of a request"),
    Setting::new("BENNU_ENABLE_AUTH", &["PHOENIX_ENABLE_AUTH"], "false", "Whether callers must log in or present a key; without it everybody has all rights"),
    Setting::new("BENNU_SECRET", &["PHOENIX_SECRET"], "", "Signs tokens and keys the hashes of API keys; required with authentication: at least 32 ASCII characters with a digit and a lower-case letter").shown(Shown::Never),
    Setting::new("BENNU_PREVIOUS_SECRETS", &[], "", "Earlier values of BENNU_SECRET, with commas between them, whose tokens and API keys are still taken").shown(Shown::Never),
    Setting::new("BENNU_ADMIN_SECRET", &["PHOENIX_ADMIN_SECRET"], "", "Presented as a bearer token it has all rights; another value than BENNU_SECRET").shown(Shown::Never),
    Setting::new("BENNU_TOKEN_PRIVATE_KEY_FILE", &[], "", "Ed25519 key in PEM that signs tokens in place of BENNU_SECRET"),
    Setting::new("BENNU_TOKEN_PUBLIC_KEY_FILES", &[], "", "Ed25519 public keys in PEM, with commas between them: first that of the private key, then earlier ones whose tokens are still taken"),
    Setting::new("BENNU_DEFAULT_ADMIN_INITIAL_PASSWORD", &["PHOENIX_DEFAULT_ADMIN_INITIAL_PASSWORD"], "admin", "Password of admin@localhost until it is changed").shown(Shown::Never),
    Setting::new("BENNU_ADMINS", &["PHOENIX_ADMINS"], "", "More administrators to make at the start: name=mail;name=mail"),
    Setting::new("BENNU_ACCESS_TOKEN_EXPIRY_MINUTES", &["PHOENIX_ACCESS_TOKEN_EXPIRY_MINUTES"], "10", "Life of an access token"),
    Setting::new("BENNU_REFRESH_TOKEN_EXPIRY_MINUTES", &["PHOENIX_REFRESH_TOKEN_EXPIRY_MINUTES"], "10080", "Life of a log-in that is not used"),
    Setting::new("BENNU_PASSWORD_RESET_TOKEN_EXPIRY_MINUTES", &["PHOENIX_PASSWORD_RESET_TOKEN_EXPIRY_MINUTES"], "15", "Life of a link that resets a password"),
    Setting::new("BENNU_USE_SECURE_COOKIES", &["PHOENIX_USE_SECURE_COOKIES"], "false", "Whether browsers send the cookies of a log-in over HTTPS only"),
    Setting::new("BENNU_COOKIES_PATH", &["PHOENIX_COOKIES_PATH"], "/", "Path to which browsers send them"),
    Setting::new("BENNU_CSRF_TRUSTED_ORIGINS", &["PHOENIX_CSRF_TRUSTED_ORIGINS"], "", "Origins whose pages may send requests, with commas between them; all when not set"),
    Setting::new("BENNU_ALLOWED_ORIGINS", &["PHOENIX_ALLOWED_ORIGINS"], "", "Origins whose pages may call the API from a browser, with the cookies of a log-in: https://app.example.com, with commas between them; none when not set"),
    Setting::new("BENNU_TRUSTED_PROXIES", &[], "0", "Proxies before the server, each of which appends the address of its client to X-Forwarded-For"),
    Setting::new("BENNU_DISABLE_RATE_LIMIT", &["PHOENIX_DISABLE_RATE_LIMIT"], "false", "Lets an address try to log in as often as it wants"),
    Setting::new("BENNU_DISABLE_BRUTE_FORCE_LOGIN_PROTECTION", &["PHOENIX_DISABLE_BRUTE_FORCE_LOGIN_PROTECTION"], "false", "Never locks an account after failed log-ins"),
    Setting::new("BENNU_BRUTE_FORCE_LOGIN_PROTECTION_MAX_ATTEMPTS", &["PHOENIX_BRUTE_FORCE_LOGIN_PROTECTION_MAX_ATTEMPTS"], "5", "Failed log-ins after which an account is locked for five minutes"),
    Setting::new("BENNU_ENABLE_STRONG_PASSWORD_POLICY", &["PHOENIX_ENABLE_STRONG_PASSWORD_POLICY"], "false", "Insists on twelve characters of four kinds in new passwords, in place of four characters"),
    Setting::new("BENNU_DISABLE_BASIC_AUTH", &["PHOENIX_DISABLE_BASIC_AUTH"], "false", "Lets nobody log in with a password"),
    Setting::new("BENNU_ROOT_URL", &["PHOENIX_ROOT_URL"], "", "Where browsers and programs find the server, root path included: for links in mails, and to come back to from identity providers; https://traces.example.com"),
    Setting::new("BENNU_ENABLE_OAUTH2_AUTHORIZATION_SERVER", &["PHOENIX_ENABLE_OAUTH2_AUTHORIZATION_SERVER"], "true", "With authentication, whether programs may ask people to let them act in their name (OAuth 2.0), as phoenix-cli does"),
    Setting::new("BENNU_OAUTH2_DYNAMIC_CLIENT_REGISTRATION", &["PHOENIX_OAUTH2_DYNAMIC_CLIENT_REGISTRATION"], "enabled", "Which other programs may register themselves for that: enabled (all), local_only (those on a person's own machine) or disabled (none)"),
    Setting::new("BENNU_OAUTH2_ALLOWED_REDIRECT_HOSTS", &["PHOENIX_OAUTH2_ALLOWED_REDIRECT_HOSTS"], "", "Hosts of the programs of the web among them, with commas between them; all when not set"),
    Setting::new("BENNU_OAUTH2_DCR_RATE_LIMIT_PER_HOUR", &["PHOENIX_OAUTH2_DCR_RATE_LIMIT_PER_HOUR"], "10", "Programs that an address may register in an hour"),
    Setting::new("BENNU_OAUTH2_GRANT_EXPIRY_DAYS", &["PHOENIX_OAUTH2_GRANT_EXPIRY_DAYS"], "90", "How long a program may act for a person until it has to ask again"),
    Setting::new("BENNU_SMTP_HOSTNAME", &["PHOENIX_SMTP_HOSTNAME"], "", "Mail server by which links for new passwords, welcomes and invitations are sent; no mail is sent when not set"),
    Setting::new("BENNU_SMTP_PORT", &["PHOENIX_SMTP_PORT"], "587", "Port of the mail server"),
    Setting::new("BENNU_SMTP_TLS", &[], "starttls", "How mails are sent: starttls (TLS is asked for, and insisted on), tls (from the first byte, as on port 465) or none"),
    Setting::new("BENNU_SMTP_USERNAME", &["PHOENIX_SMTP_USERNAME"], "", "User of the mail server, if it wants one"),
    Setting::new("BENNU_SMTP_PASSWORD", &["PHOENIX_SMTP_PASSWORD"], "", "Password of that user").shown(Shown::Never),
    Setting::new("BENNU_SMTP_MAIL_FROM", &["PHOENIX_SMTP_MAIL_FROM"], "Bennu <noreply@localhost>", "What mails are from: an address, or a name with one in angle brackets"),
    Setting::new("BENNU_SMTP_VALIDATE_CERTS", &["PHOENIX_SMTP_VALIDATE_CERTS"], "true", "Whether the mail server must have a certificate that its name and the authorities of the system vouch for"),
    Setting::new("BENNU_OAUTH2_<IDP>_CLIENT_ID", &["PHOENIX_OAUTH2_<IDP>_CLIENT_ID"], "", "Lets people log in with an identity provider (OpenID Connect): the client that it knows this server by. IDP stands for any name, such as OKTA, which is part of the path /oauth2/okta/login"),
    Setting::new("BENNU_OAUTH2_<IDP>_CLIENT_SECRET", &["PHOENIX_OAUTH2_<IDP>_CLIENT_SECRET"], "", "The secret of that client").shown(Shown::Never),
    Setting::new("BENNU_OAUTH2_<IDP>_OIDC_CONFIG_URL", &["PHOENIX_OAUTH2_<IDP>_OIDC_CONFIG_URL"], "", "Where the provider describes itself: https://…/.well-known/openid-configuration"),
    Setting::new("BENNU_OAUTH2_<IDP>_DISPLAY_NAME", &["PHOENIX_OAUTH2_<IDP>_DISPLAY_NAME"], "", "What the provider is called on pages; its name when not set"),
    Setting::new("BENNU_OAUTH2_<IDP>_ALLOW_SIGN_UP", &["PHOENIX_OAUTH2_<IDP>_ALLOW_SIGN_UP"], "true", "Whether people without an account get one as they log in; without it only those whom an administrator made or invited get in"),
    Setting::new("BENNU_OAUTH2_<IDP>_AUTO_LOGIN", &["PHOENIX_OAUTH2_<IDP>_AUTO_LOGIN"], "false", "Whether the page of log-ins goes straight to this provider"),
    Setting::new("BENNU_OAUTH2_<IDP>_USE_PKCE", &["PHOENIX_OAUTH2_<IDP>_USE_PKCE"], "false", "Protects the code of a log-in by PKCE; always on for public clients"),
    Setting::new("BENNU_OAUTH2_<IDP>_TOKEN_ENDPOINT_AUTH_METHOD", &["PHOENIX_OAUTH2_<IDP>_TOKEN_ENDPOINT_AUTH_METHOD"], "client_secret_basic", "How the secret is presented: client_secret_basic, client_secret_post, or none for a public client"),
    Setting::new("BENNU_OAUTH2_<IDP>_SCOPES", &["PHOENIX_OAUTH2_<IDP>_SCOPES"], "", "Scopes beside openid, email and profile, with blanks between them"),
    Setting::new("BENNU_OAUTH2_<IDP>_EMAIL_ATTRIBUTE_PATH", &["PHOENIX_OAUTH2_<IDP>_EMAIL_ATTRIBUTE_PATH"], "email", "Where the claims have the address (JMESPath)"),
    Setting::new("BENNU_OAUTH2_<IDP>_GROUPS_ATTRIBUTE_PATH", &["PHOENIX_OAUTH2_<IDP>_GROUPS_ATTRIBUTE_PATH"], "", "Where the claims have groups (JMESPath), for ALLOWED_GROUPS"),
    Setting::new("BENNU_OAUTH2_<IDP>_ALLOWED_GROUPS", &["PHOENIX_OAUTH2_<IDP>_ALLOWED_GROUPS"], "", "Groups of which a person must be in one, with commas between them"),
    Setting::new("BENNU_OAUTH2_<IDP>_ROLE_ATTRIBUTE_PATH", &["PHOENIX_OAUTH2_<IDP>_ROLE_ATTRIBUTE_PATH"], "", "Where the claims have the role (JMESPath); new people become viewers when not set"),
    Setting::new("BENNU_OAUTH2_<IDP>_ROLE_MAPPING", &["PHOENIX_OAUTH2_<IDP>_ROLE_MAPPING"], "", "Roles by what the claims say: Owner:ADMIN,Developer:MEMBER; without it they say ADMIN, MEMBER or VIEWER"),
    Setting::new("BENNU_OAUTH2_<IDP>_ROLE_ATTRIBUTE_STRICT", &["PHOENIX_OAUTH2_<IDP>_ROLE_ATTRIBUTE_STRICT"], "false", "Refuses people without such a role, who are viewers otherwise"),
    Setting::new("BENNU_OAUTH2_<IDP>_ROLE_RESYNC", &["PHOENIX_OAUTH2_<IDP>_ROLE_RESYNC"], "true", "Whether each log-in sets the role anew, or only the first"),
    Setting::new("BENNU_OAUTH2_<IDP>_TENANT", &[], "", "Slug of the only tenant that the provider lets people in to; when not set it is one of the whole deployment, whose new people join the first tenant"),
    Setting::new("BENNU_LDAP_HOST", &["PHOENIX_LDAP_HOST"], "", "Lets people log in with a directory (LDAP): its host, or those of its replicas with commas between them"),
    Setting::new("BENNU_LDAP_PORT", &["PHOENIX_LDAP_PORT"], "", "Its port; 389, or 636 with ldaps, when not set"),
    Setting::new("BENNU_LDAP_TLS_MODE", &["PHOENIX_LDAP_TLS_MODE"], "starttls", "starttls, ldaps, or none: passwords travel in the clear then"),
    Setting::new("BENNU_LDAP_TLS_VERIFY", &["PHOENIX_LDAP_TLS_VERIFY"], "true", "Whether its certificate is checked"),
    Setting::new("BENNU_LDAP_TLS_CA_CERT_FILE", &["PHOENIX_LDAP_TLS_CA_CERT_FILE"], "", "Certificates in PEM by which it is checked; those of the machine when not set"),
    Setting::new("BENNU_LDAP_TLS_CLIENT_CERT_FILE", &["PHOENIX_LDAP_TLS_CLIENT_CERT_FILE"], "", "Certificate in PEM by which the directory knows this server"),
    Setting::new("BENNU_LDAP_TLS_CLIENT_KEY_FILE", &["PHOENIX_LDAP_TLS_CLIENT_KEY_FILE"], "", "The key of that certificate, in PEM"),
    Setting::new("BENNU_LDAP_BIND_DN", &["PHOENIX_LDAP_BIND_DN"], "", "Who searches for people; anonymous when not set"),
    Setting::new("BENNU_LDAP_BIND_PASSWORD", &["PHOENIX_LDAP_BIND_PASSWORD"], "", "The password of that entry").shown(Shown::Never),
    Setting::new("BENNU_LDAP_USER_SEARCH_BASE_DNS", &["PHOENIX_LDAP_USER_SEARCH_BASE_DNS"], "", "Where people are found, required beside the host: a JSON list of names of entries"),
    Setting::new("BENNU_LDAP_USER_SEARCH_FILTER", &["PHOENIX_LDAP_USER_SEARCH_FILTER"], "(&(objectClass=user)(sAMAccountName=%s))", "How a person is found by the name that they log in with, %s"),
    Setting::new("BENNU_LDAP_ATTR_EMAIL", &["PHOENIX_LDAP_ATTR_EMAIL"], "mail", "Attribute of the address; null if there is none, and people are known by BENNU_LDAP_ATTR_UNIQUE_ID alone"),
    Setting::new("BENNU_LDAP_ATTR_DISPLAY_NAME", &["PHOENIX_LDAP_ATTR_DISPLAY_NAME"], "displayName", "Attribute of the name"),
    Setting::new("BENNU_LDAP_ATTR_MEMBER_OF", &["PHOENIX_LDAP_ATTR_MEMBER_OF"], "memberOf", "Attribute of the groups, unless they are searched"),
    Setting::new("BENNU_LDAP_ATTR_UNIQUE_ID", &["PHOENIX_LDAP_ATTR_UNIQUE_ID"], "", "Attribute by which a person is known even when the address changes: objectGUID or entryUUID"),
    Setting::new("BENNU_LDAP_GROUP_SEARCH_BASE_DNS", &["PHOENIX_LDAP_GROUP_SEARCH_BASE_DNS"], "", "Where groups are found, when they are searched: a JSON list of names of entries"),
    Setting::new("BENNU_LDAP_GROUP_SEARCH_FILTER", &["PHOENIX_LDAP_GROUP_SEARCH_FILTER"], "", "How the groups of a person are found, %s"),
    Setting::new("BENNU_LDAP_GROUP_SEARCH_FILTER_USER_ATTR", &["PHOENIX_LDAP_GROUP_SEARCH_FILTER_USER_ATTR"], "", "Attribute of the person that stands for %s there, or dn; the name that they log in with when not set"),
    Setting::new("BENNU_LDAP_GROUP_ROLE_MAPPINGS", &["PHOENIX_LDAP_GROUP_ROLE_MAPPINGS"], "", "Roles by groups, required beside the host; the first that fits counts, and * is everybody: a JSON list of objects with group_dn and role"),
    Setting::new("BENNU_LDAP_ALLOW_SIGN_UP", &["PHOENIX_LDAP_ALLOW_SIGN_UP"], "true", "Whether people without an account get one as they log in"),
    Setting::new("BENNU_LDAP_TENANT", &[], "", "Slug of the only tenant that the directory lets people in to; when not set it is the directory of the whole deployment, and new people join the first tenant"),
    Setting::new("BENNU_PASSWORD_MEMORY_KIB", &[], "19456", "Memory that checking a password takes (argon2id)"),
    Setting::new("BENNU_PASSWORD_PASSES", &[], "2", "Passes over that memory"),
    Setting::new("BENNU_PASSWORD_HASHES_AT_ONCE", &[], "1", "Passwords checked at once; other log-ins wait, so that many of them leave the processors to everything else"),
    Setting::new("BENNU_AUTH_URL", &[], "", "gRPC port of the auth service, such as http://auth:4317, for services that ask it about credentials; verified within the process when not set"),
    Setting::new("BENNU_QUOTA_URL", &[], "", "Redis in which the spans and bytes of tenants and keys, and attempts to log in, are counted for all processes; each counts its own when not set").shown(Shown::Url),
    Setting::new("BENNU_LIMITS_CHECK_SECONDS", &[], "60", "How often stored bytes and retention of tenants are looked at"),
    Setting::new("BENNU_DATABASE_CONNECTIONS", &[], "8", "Connections for reading; on Postgres those for writing are among them, but for two more of a process that writes spans"),
    Setting::new("BENNU_DATABASE_ACQUIRE_SECONDS", &[], "10", "How long work waits for a connection; a request is then answered with 503"),
    Setting::new("BENNU_DATABASE_STATEMENT_SECONDS", &[], "30", "Postgres ends a statement that takes longer; a request is then answered with 503"),
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
    text.push_str(
        "  A URL or a password can be read from a file: BENNU_DATABASE_URL_FILE=/run/secrets/database_url\n",
    );
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
