//! The split form of a Postgres URL: host, port, user, password and database, a variable each.

use std::fmt::Write as _;

use super::variables::{ConfigError, Variables};
use super::{DatabaseUrl, port};

/// The database that the split variables name; none when the host is not set.
pub(super) fn read(vars: &Variables) -> Result<Option<DatabaseUrl>, ConfigError> {
    let Some(host) = vars.text("BENNU_POSTGRES_HOST") else { return Ok(None) };
    let host = vars.read("BENNU_POSTGRES_HOST", |_| super::host(&host))?;
    let host = if host.contains(':') { format!("[{host}]") } else { host };
    let port = vars.read("BENNU_POSTGRES_PORT", port)?;
    let Some(user) = vars.text("BENNU_POSTGRES_USER") else {
        return vars.refuse("BENNU_POSTGRES_USER", "a user, as BENNU_POSTGRES_HOST is set");
    };
    let password =
        vars.text("BENNU_POSTGRES_PASSWORD").map(|p| format!(":{}", encoded(&p))).unwrap_or_default();
    let name = vars.text("BENNU_POSTGRES_DB").unwrap_or_else(|| user.clone());
    let user = encoded(&user);
    let url = format!("postgresql://{user}{password}@{host}:{port}/{}", encoded(&name));
    Ok(Some(DatabaseUrl::Postgres(url)))
}

/// Percent-encoded, all but the unreserved characters of RFC 3986.
fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}
