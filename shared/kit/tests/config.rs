//! Configuration as a deployment meets it: variables in, settings or one clear line out.

#![allow(clippy::unwrap_used, clippy::expect_used)] // clippy knows only functions marked as tests, not their helpers

use std::path::PathBuf;
use std::time::Duration;

use bennu_kit::config::{
    AuthMode, CompactionSettings, Config, DatabaseUrl, IngestRoles, LogFormat, ObjectStoreUrl, S3Keys,
    S3Settings, SETTINGS, SmtpSecurity, SmtpSettings, help_text, markdown_table,
};

fn config(vars: &[(&str, &str)]) -> Result<Config, String> {
    let home = [("HOME", "/home/kit")];
    let vars = home.iter().chain(vars).map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Config::from_vars(vars).map_err(|error| error.to_string())
}

fn refusal(name: &str, value: &str) -> String {
    config(&[(name, value)]).unwrap_err()
}

#[test]
fn nothing_set_is_the_embedded_default() {
    let config = config(&[]).unwrap();
    assert_eq!((config.host.as_str(), config.port, config.grpc_port), ("0.0.0.0", 6006, 4317));
    assert_eq!(config.root_path.as_str(), "");
    assert_eq!(config.working_dir, PathBuf::from("/home/kit/.bennu"));
    assert_eq!(config.database, DatabaseUrl::SqliteFile("/home/kit/.bennu/bennu.db".into()));
    assert_eq!(config.object_store, ObjectStoreUrl::Directory("/home/kit/.bennu/objects".into()));
    assert_eq!((config.ingest_max_body_bytes, config.ingest_buffer_bytes), (64 << 20, 128 << 20));
    assert_eq!((config.ingest_batch_spans, config.ingest_batch_bytes), (4096, 16 << 20));
    assert_eq!((config.large_block_bytes, config.database_connections), (1 << 20, 8));
    let database_times = (config.database_acquire, config.database_statement);
    assert_eq!(database_times, (Duration::from_secs(10), Duration::from_secs(30)));
    assert_eq!((config.broker, config.broker_large_bytes, config.broker_prefetch), (None, 1 << 20, 256));
    assert_eq!(config.ingest_roles, IngestRoles { receiver: true, writer: true });
    assert_eq!(config.shutdown_grace, Duration::from_secs(5));
    assert_eq!((config.log.as_str(), config.log_format), ("info", LogFormat::Text));
}

#[test]
fn a_deployment_of_the_reference_server_is_understood() {
    let config = config(&[
        ("PHOENIX_PORT", "7007"),
        ("PHOENIX_GRPC_PORT", "5317"),
        ("PHOENIX_HOST", "127.0.0.1"),
        ("PHOENIX_HOST_ROOT_PATH", "/tools/traces"),
        ("PHOENIX_WORKING_DIR", "/data"),
        ("PHOENIX_LOGGING_LEVEL", "WARNING"),
        ("PHOENIX_ENABLE_PROMETHEUS", "true"),
    ])
    .unwrap();
    assert_eq!((config.host.as_str(), config.port, config.grpc_port), ("127.0.0.1", 7007, 5317));
    assert_eq!(config.root_path.as_str(), "/tools/traces");
    assert_eq!(config.database, DatabaseUrl::SqliteFile("/data/bennu.db".into()));
    assert_eq!(config.object_store, ObjectStoreUrl::Directory("/data/objects".into()));
    assert_eq!(config.log.as_str(), "warn");
}

#[test]
fn the_own_name_wins_over_its_alias_in_any_order() {
    let one = config(&[("PHOENIX_PORT", "1"), ("BENNU_PORT", "2")]).unwrap();
    let other = config(&[("BENNU_PORT", "2"), ("PHOENIX_PORT", "1")]).unwrap();
    assert_eq!((one.port, other.port), (2, 2));
}

#[test]
fn of_several_aliases_the_first_in_the_table_wins_in_any_order() {
    let one = ("AWS_ENDPOINT_URL_S3", "https://one");
    let two = ("AWS_ENDPOINT_URL", "https://two");
    for vars in [[one, two], [two, one]] {
        assert_eq!(config(&vars).unwrap().s3.endpoint.as_deref(), Some("https://one"));
    }
}

#[test]
fn a_bucket_and_how_to_reach_it() {
    let bucket = ("BENNU_OBJECT_STORE_URL", "s3://traces/eu");
    let plain = config(&[bucket]).unwrap();
    assert_eq!(
        plain.object_store,
        ObjectStoreUrl::Bucket { bucket: "traces".to_owned(), prefix: "eu".to_owned() }
    );
    let second = Duration::from_secs(1);
    let defaults = S3Settings {
        endpoint: None,
        region: "us-east-1".to_owned(),
        keys: None,
        allow_http: false,
        path_style: true,
        timeout: 30 * second,
        retries: 5,
        retry_for: 20 * second,
    };
    assert_eq!(plain.s3, defaults);
    let keys = [
        bucket,
        ("AWS_ACCESS_KEY_ID", "AKEXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", "hunter2"),
        ("AWS_REGION", "eu-central-1"),
        ("AWS_ALLOW_HTTP", "true"),
        ("BENNU_S3_ENDPOINT", "http://minio:9000/"),
        ("BENNU_S3_PATH_STYLE", "false"),
    ];
    let given = config(&keys).unwrap().s3;
    let expected = S3Settings {
        endpoint: Some("http://minio:9000".to_owned()),
        region: "eu-central-1".to_owned(),
        keys: Some(S3Keys {
            access_key: "AKEXAMPLE".to_owned(),
            secret_key: "hunter2".to_owned(),
            session_token: None,
        }),
        allow_http: true,
        path_style: false,
        ..defaults
    };
    assert!(given == expected, "{given:?}");
    assert!(!format!("{:?}", config(&keys).unwrap()).contains("hunter2"));
}

#[test]
fn traces_are_archived_by_age_only_when_asked_for() {
    let compaction = |vars: &[(&str, &str)]| config(vars).unwrap().compaction;
    let hour = Duration::from_hours(1);
    let defaults = CompactionSettings {
        idle: Duration::from_mins(5),
        batch: 200,
        traces_a_second: 200,
        block_bytes: 16 << 20,
        archive_after: None,
        sweep_every: hour,
        sweep_grace: 24 * hour,
    };
    assert_eq!(compaction(&[]), defaults);
    let after = compaction(&[("BENNU_ARCHIVE_AFTER_DAYS", "30")]);
    assert_eq!(after, CompactionSettings { archive_after: Some(30 * 24 * hour), ..defaults });
}

#[test]
fn settings_of_s3_must_fit_each_other_where_there_is_a_bucket() {
    let bucket = ("BENNU_OBJECT_STORE_URL", "s3://traces");
    let secret = ("AWS_SECRET_ACCESS_KEY", "hunter2");
    for (vars, name) in [
        ([("AWS_ACCESS_KEY_ID", "AKEXAMPLE")], "BENNU_S3_SECRET_ACCESS_KEY: not set"),
        ([secret], "BENNU_S3_ACCESS_KEY_ID: not set"),
        (
            [("BENNU_S3_ENDPOINT", "http://minio:9000")],
            "BENNU_S3_ENDPOINT=http://minio:9000: expected https://",
        ),
    ] {
        let refused = config(&[&vars[..], &[bucket]].concat()).unwrap_err();
        assert!(refused.starts_with(name) && !refused.contains("hunter2"), "{refused}");
        assert!(config(&vars).is_ok(), "other programs may need it");
    }
}

#[test]
fn an_empty_value_counts_as_not_set() {
    let config =
        config(&[("BENNU_PORT", ""), ("PHOENIX_PORT", "7007"), ("PHOENIX_SQL_DATABASE_URL", " ")]).unwrap();
    assert_eq!(config.port, 7007);
    assert_eq!(config.database, DatabaseUrl::SqliteFile("/home/kit/.bennu/bennu.db".into()));
}

#[test]
fn split_postgres_variables_make_a_url() {
    let parts = [
        ("PHOENIX_POSTGRES_HOST", "db"),
        ("PHOENIX_POSTGRES_USER", "me"),
        ("PHOENIX_POSTGRES_PASSWORD", "a@b/c"),
    ];
    let url = config(&parts).unwrap().database;
    assert_eq!(url, DatabaseUrl::Postgres("postgresql://me:a%40b%2Fc@db:5432/me".to_owned()));
    assert!(!format!("{url:?}").contains("a%40b"));

    let with_url = [parts.as_slice(), &[("BENNU_DATABASE_URL", "sqlite:///:memory:")]].concat();
    assert_eq!(config(&with_url).unwrap().database, DatabaseUrl::SqliteMemory);

    let no_user = refusal("BENNU_POSTGRES_HOST", "db");
    assert_eq!(no_user, "BENNU_POSTGRES_USER: not set, expected a user, as BENNU_POSTGRES_HOST is set");
}

#[test]
fn origins_are_taken_as_browsers_write_them() {
    let given = "https://App.example.com/, http://localhost:3000,,";
    for name in ["BENNU_ALLOWED_ORIGINS", "PHOENIX_ALLOWED_ORIGINS"] {
        let origins = config(&[(name, given)]).unwrap().auth.allowed_origins;
        assert_eq!(origins, ["https://app.example.com", "http://localhost:3000"]);
    }
    assert_eq!(config(&[]).unwrap().auth.allowed_origins, [""; 0]);
    // Browsers refuse a wildcard beside cookies.
    for wrong in ["*", "https://*", "app.example.com", "https://", "https://a/b", "ftp://a", "https://u@a"] {
        let error = refusal("BENNU_ALLOWED_ORIGINS", wrong);
        assert!(
            error.starts_with(&format!("BENNU_ALLOWED_ORIGINS={wrong}: expected origins such as")),
            "{error}"
        );
    }
}

#[test]
fn a_mail_server_is_all_or_nothing() {
    let smtp = |more: &[(&str, &str)]| {
        let auth = [("BENNU_ENABLE_AUTH", "true"), ("BENNU_SECRET", "0123456789abcdefghijklmnopqrstuvwxyz")];
        let vars: Vec<(&str, &str)> = auth.iter().chain(more).copied().collect();
        config(&vars).map(|config| match config.auth.mode {
            AuthMode::Verify(credentials) => (credentials.smtp, config.auth.root_url),
            other => panic!("{other:?}"),
        })
    };
    assert_eq!(smtp(&[("PHOENIX_SMTP_PORT", "25")]).unwrap(), (None, None));
    let host = ("PHOENIX_SMTP_HOSTNAME", "mail.example.com");
    let login = [("PHOENIX_SMTP_USERNAME", "me"), ("PHOENIX_SMTP_PASSWORD", "hunter2")];
    let root = ("PHOENIX_ROOT_URL", "https://traces.example.com/x/");
    let (settings, root_url) = smtp(&[host, login[0], login[1], root]).unwrap();
    assert_eq!(root_url.as_deref(), Some("https://traces.example.com/x"));
    let settings = settings.unwrap();
    assert!(!format!("{settings:?}").contains("hunter2"));
    let expected = SmtpSettings {
        host: "mail.example.com".to_owned(),
        port: 587,
        security: SmtpSecurity::StartTls,
        login: Some(("me".to_owned(), "hunter2".to_owned())),
        from: "Bennu <noreply@localhost>".to_owned(),
        checks_certificates: true,
    };
    assert!(settings == expected);
    assert_eq!(
        smtp(&[host, login[0]]).unwrap_err(),
        "BENNU_SMTP_PASSWORD: not set, expected both a user and a password of the mail server, or neither"
    );
    let in_the_clear = smtp(&[host, login[0], login[1], ("BENNU_SMTP_TLS", "none")]).unwrap_err();
    assert!(in_the_clear.starts_with("BENNU_SMTP_TLS=none: expected starttls or tls"), "{in_the_clear}");
    for wrong in
        [("BENNU_SMTP_TLS", "ssl"), ("BENNU_SMTP_MAIL_FROM", "me"), ("BENNU_ROOT_URL", "example.com")]
    {
        let error = smtp(&[host, wrong]).unwrap_err();
        assert!(error.starts_with(&format!("{}={}: expected", wrong.0, wrong.1)), "{error}");
    }
}

#[test]
fn an_error_is_one_line_with_the_name_the_value_and_what_is_expected() {
    assert_eq!(
        refusal("PHOENIX_PORT", "http"),
        "PHOENIX_PORT=http: expected a port number from 0 to 65535 (0 lets the system choose)"
    );
    let cases = [
        ("BENNU_PORT", "65536"),
        ("BENNU_HOST", "localhost:6006"),
        ("BENNU_HOST_ROOT_PATH", "bennu/"),
        ("BENNU_DATABASE_URL", "mysql://db/name"),
        ("BENNU_OBJECT_STORE_URL", "gs://bucket"),
        ("BENNU_OBJECT_STORE_RETRIES", "many"),
        ("BENNU_OBJECT_STORE_TIMEOUT_SECONDS", "0"),
        ("BENNU_S3_ENDPOINT", "s3.example:9000"),
        ("BENNU_S3_ENDPOINT", "https://s3.example/path"),
        ("BENNU_S3_REGION", "eu central"),
        ("BENNU_S3_ALLOW_HTTP", "maybe"),
        ("BENNU_BROKER_URL", "rabbit:5672"),
        ("BENNU_BROKER_URL", "http://rabbit"),
        ("BENNU_BROKER_PREFETCH", "0"),
        ("BENNU_INGEST_ROLES", "receiver,reader"),
        ("BENNU_INGEST_MAX_BODY_BYTES", "64MB"),
        ("BENNU_INGEST_MAX_BODY_BYTES", "256MiB"),
        ("BENNU_INGEST_BATCH_SPANS", "0"),
        ("BENNU_DATABASE_CONNECTIONS", "-1"),
        ("BENNU_DATABASE_ACQUIRE_SECONDS", "0"),
        ("BENNU_DATABASE_READ_URL", "postgresql://replica/bennu"), // the database is a file
        ("BENNU_DATABASE_STATEMENT_SECONDS", "0.5"),
        ("BENNU_COMPACT_IDLE_SECONDS", "5m"),
        ("BENNU_COMPACT_BLOCK_BYTES", "1"),
        ("BENNU_ARCHIVE_AFTER_DAYS", "soon"),
        ("BENNU_SWEEP_GRACE_HOURS", "0"),
        ("BENNU_SHUTDOWN_SECONDS", "5s"),
        ("BENNU_LOG", "verbose"),
        ("BENNU_LOG_FORMAT", "xml\nyml"),
    ];
    for (name, value) in cases {
        let error = refusal(name, value);
        assert!(error.contains("BENNU_") && error.contains("expected") && !error.contains('\n'), "{error}");
    }
}

#[test]
fn no_error_shows_a_password() {
    for url in
        ["postgres://me:hunter2@db /x", "mysql://me:hunter2@db/x", "hunter2", "postgresql:me:hunter2@db"]
    {
        let error = refusal("BENNU_DATABASE_URL", url);
        assert!(error.starts_with("BENNU_DATABASE_URL=") && !error.contains("hunter2"), "{error}");
    }
    let broker = config(&[("BENNU_BROKER_URL", "amqp://me:hunter2@rabbit/%2f")]).unwrap().broker.unwrap();
    assert_eq!(format!("{broker} {broker:?}"), "amqp://***@rabbit/%2f BrokerUrl(amqp://***@rabbit/%2f)");
}

#[test]
fn a_secret_can_be_in_a_file() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.display().to_string()
    };
    let (url, broker) = (file("url", "postgresql://me:hunter2@db/x\n"), file("broker", "amqp://rabbit"));
    let read = config(&[("BENNU_DATABASE_URL_FILE", &url), ("BENNU_BROKER_URL_FILE", &broker)]).unwrap();
    assert_eq!(read.database, DatabaseUrl::Postgres("postgresql://me:hunter2@db/x".to_owned()));
    assert_eq!(read.broker.map(|broker| broker.to_string()), Some("amqp://rabbit".to_owned()));
    let password = file("password", "a@b");
    let parts = [("BENNU_POSTGRES_HOST", "db"), ("BENNU_POSTGRES_USER", "me")];
    let parts = [parts.as_slice(), &[("BENNU_POSTGRES_PASSWORD_FILE", &password)]].concat();
    let url_of_parts = DatabaseUrl::Postgres("postgresql://me:a%40b@db:5432/me".to_owned());
    assert_eq!(config(&parts).unwrap().database, url_of_parts);

    let (empty, wrong) = (file("empty", " \n"), file("wrong", "mysql://me:hunter2@db/x"));
    let long = file("long", &"x".repeat(70_000));
    for (path, expected) in [
        (&empty, format!("BENNU_DATABASE_URL_FILE={empty}: expected a file with a value in it")),
        (&long, format!("BENNU_DATABASE_URL_FILE={long}: expected a file of at most 65536 bytes")),
        (&wrong, "BENNU_DATABASE_URL_FILE=mysql://***@db/x: expected sqlite:".to_owned()),
        (&"/none".to_owned(), "BENNU_DATABASE_URL_FILE=/none: expected a file that can be read".to_owned()),
    ] {
        let error = refusal("BENNU_DATABASE_URL_FILE", path);
        assert!(error.starts_with(&expected), "{error}");
    }
    let both = [("BENNU_DATABASE_URL_FILE", url.as_str()), ("PHOENIX_SQL_DATABASE_URL", "sqlite:///a.db")];
    let expected =
        format!("BENNU_DATABASE_URL_FILE={url}: expected no file, as PHOENIX_SQL_DATABASE_URL is set");
    assert_eq!(config(&both).unwrap_err(), expected);
    // What is no secret stands in the open.
    assert!(refusal("BENNU_PORT_FILE", &url).starts_with("BENNU_PORT_FILE: unknown setting"));
}

#[test]
fn a_process_that_shares_its_data_must_be_told_where_it_is() {
    let missing =
        |vars: &[(&str, &str)]| config(vars).unwrap().require_shared_data().unwrap_err().to_string();
    assert!(
        missing(&[]).starts_with("BENNU_DATABASE_URL: not set, expected postgresql://"),
        "{}",
        missing(&[])
    );
    let sqlite = missing(&[("BENNU_DATABASE_URL", "sqlite:///b.db")]);
    assert!(sqlite.starts_with("BENNU_DATABASE_URL=sqlite:///b.db: expected postgresql://"), "{sqlite}");
    let postgres = ("BENNU_DATABASE_URL", "postgresql://db/bennu");
    assert!(missing(&[postgres]).starts_with("BENNU_OBJECT_STORE_URL: not set"));
    let told = config(&[postgres, ("BENNU_OBJECT_STORE_URL", "file:///shared")]).unwrap();
    assert_eq!(told.require_shared_data(), Ok(()));
    assert!(
        told.require("BENNU_BROKER_URL", "a broker").unwrap_err().to_string().contains("BENNU_BROKER_URL")
    );
}

#[test]
fn a_misspelt_name_gets_a_suggestion() {
    assert_eq!(refusal("BENNU_PROT", "1"), "BENNU_PROT: unknown setting, did you mean BENNU_PORT?");
    assert_eq!(
        refusal("BENNU_DATABASEURL", "x"),
        "BENNU_DATABASEURL: unknown setting, did you mean BENNU_DATABASE_URL?"
    );
    assert_eq!(refusal("BENNU_ENABLE_TELEPATHY", "1"), "BENNU_ENABLE_TELEPATHY: unknown setting");
}

#[test]
fn variables_that_kubernetes_injects_for_a_service_are_not_settings() {
    let config = config(&[
        ("BENNU_PORT", "tcp://10.0.0.1:6006"),
        ("BENNU_SERVICE_HOST", "10.0.0.1"),
        ("BENNU_SERVICE_PORT_HTTP", "6006"),
        ("BENNU_PORT_6006_TCP_ADDR", "10.0.0.1"),
    ])
    .unwrap();
    assert_eq!(config.port, 6006);
}

#[test]
fn without_a_home_the_working_directory_must_be_named() {
    let error = Config::from_vars([]).unwrap_err().to_string();
    assert!(error.contains("BENNU_WORKING_DIR") && error.contains("HOME is not set"), "{error}");
}

#[test]
fn every_setting_is_in_the_help_and_in_the_table() {
    let (help, table) = (help_text(), markdown_table());
    for setting in SETTINGS {
        assert!(help.contains(setting.name) && help.contains(setting.help), "{}", setting.name);
        assert!(table.contains(&format!("| `{}` |", setting.name)), "{}", setting.name);
        assert!(setting.aliases.iter().all(|alias| help.contains(alias) && table.contains(alias)));
    }
    assert_eq!(table.lines().count(), SETTINGS.len() + 2);
}
