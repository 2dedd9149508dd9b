//! Database URLs, in the SQLAlchemy forms that deployments of the reference server use.

use std::fmt;
use std::path::PathBuf;

const EXPECTED: &str = "sqlite:///:memory:, sqlite:///file.db, sqlite:////absolute/file.db or postgresql://user:password@host:port/name";

/// The database to use. `Debug` and `Display` mask user, password and parameters.
#[derive(Clone, PartialEq, Eq)]
pub enum DatabaseUrl {
    SqliteMemory,
    /// As given: a relative path is relative to the current directory.
    SqliteFile(PathBuf),
    /// `postgresql://…` without a driver name.
    Postgres(String),
}

impl DatabaseUrl {
    /// Takes `sqlite:` and `postgres:` URLs, with or without a driver (`postgresql+asyncpg:`); the error says what is expected.
    pub fn parse(value: &str) -> Result<Self, String> {
        let (scheme, rest) = value.split_once("://").ok_or(EXPECTED)?;
        match scheme.split_once('+').map_or(scheme, |(engine, _driver)| engine) {
            "sqlite" => Self::sqlite(rest),
            "postgres" | "postgresql" => Self::postgres(rest),
            _ => Err(EXPECTED.to_owned()),
        }
    }

    fn sqlite(rest: &str) -> Result<Self, String> {
        if rest.contains('?') {
            return Err(format!("a SQLite URL without parameters: {EXPECTED}"));
        }
        match rest {
            "" | "/" | "/:memory:" => Ok(Self::SqliteMemory),
            // `sqlite://file.db` would name a host: the path starts after the third slash.
            _ => rest
                .strip_prefix('/')
                .map(|path| Self::SqliteFile(path.into()))
                .ok_or_else(|| EXPECTED.to_owned()),
        }
    }

    fn postgres(rest: &str) -> Result<Self, String> {
        let blank = |c: char| c.is_whitespace() || c.is_control();
        if rest.is_empty() || rest.contains(blank) {
            return Err(EXPECTED.to_owned());
        }
        // The driver asyncpg spells the parameter differently from the Postgres library.
        let rest = rest.replace("?ssl=", "?sslmode=").replace("&ssl=", "&sslmode=");
        Ok(Self::Postgres(format!("postgresql://{rest}")))
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SqliteMemory => f.write_str("sqlite:///:memory:"),
            Self::SqliteFile(path) => write!(f, "sqlite:///{}", path.display()),
            Self::Postgres(url) => f.write_str(&mask(url)),
        }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatabaseUrl({self})")
    }
}

/// `url` with user, password and parameters masked; all of it when it is no URL, as it may be a stray password.
pub(super) fn mask(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return "***".to_owned() };
    // The last @: a password that was not percent-encoded may hold another one, or a question mark.
    let (masked, rest) = match rest.rsplit_once('@') {
        Some((_, rest)) => ("***@", rest),
        None => ("", rest),
    };
    let (rest, parameters) = rest.split_once('?').map_or((rest, ""), |(rest, _)| (rest, "?***"));
    let rest: String = rest.chars().take(200).flat_map(char::escape_debug).collect();
    format!("{scheme}://{masked}{rest}{parameters}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sqlalchemy_forms_of_sqlite() {
        let file = |path: &str| Ok(DatabaseUrl::SqliteFile(PathBuf::from(path)));
        assert_eq!(DatabaseUrl::parse("sqlite:///:memory:"), Ok(DatabaseUrl::SqliteMemory));
        assert_eq!(DatabaseUrl::parse("sqlite://"), Ok(DatabaseUrl::SqliteMemory));
        assert_eq!(DatabaseUrl::parse("sqlite:////abs/file.db"), file("/abs/file.db"));
        assert_eq!(DatabaseUrl::parse("sqlite:///relative.db"), file("relative.db"));
        assert_eq!(DatabaseUrl::parse("sqlite+aiosqlite:///relative.db"), file("relative.db"));
    }

    #[test]
    fn the_driver_of_a_postgres_url_is_dropped() {
        for scheme in ["postgres", "postgresql", "postgresql+asyncpg", "postgresql+psycopg"] {
            let url = DatabaseUrl::parse(&format!("{scheme}://u:p@host:5433/name?ssl=require"));
            assert_eq!(
                url,
                Ok(DatabaseUrl::Postgres("postgresql://u:p@host:5433/name?sslmode=require".to_owned()))
            );
        }
    }

    #[test]
    fn other_urls_are_refused() {
        for url in [
            "",
            "bennu.db",
            "mysql://h/d",
            "sqlite://file.db",
            "sqlite:///f.db?mode=ro",
            "postgresql://",
            "postgres://h /d",
        ] {
            assert!(DatabaseUrl::parse(url).is_err(), "{url}");
        }
    }

    #[test]
    fn no_form_shows_a_password() {
        let url = DatabaseUrl::parse("postgresql://me:hunter2@db:5432/name?password=hunter2").unwrap();
        assert_eq!(url.to_string(), "postgresql://***@db:5432/name?***");
        assert_eq!(format!("{url:?}"), "DatabaseUrl(postgresql://***@db:5432/name?***)");
        assert_eq!(mask("postgresql://me:hun@ter?2@db/name"), "postgresql://***@db/name");
        assert_eq!(mask("hunter2"), "***");
    }
}
