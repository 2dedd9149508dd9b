//! The server that mails go out by, and the address that they lead back to.

use super::auth::{flag, optional, origin_and_path};
use super::number;
use super::variables::{ConfigError, Variables};

/// A mail server to submit mails to (RFC 6409). `Debug` shows no password.
#[derive(Clone, PartialEq, Eq)]
pub struct SmtpSettings {
    pub host: String,
    pub port: u16,
    pub security: SmtpSecurity,
    /// Name and password, if it wants any.
    pub login: Option<(String, String)>,
    /// What mails are from: an address, or a name with one in angle brackets.
    pub from: String,
    /// False: any certificate will do.
    pub checks_certificates: bool,
}

/// How the connection is kept from eyes and hands of others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SmtpSecurity {
    /// It begins plain and must change to TLS before anything else.
    StartTls,
    /// TLS from the first byte.
    Tls,
    /// Not at all.
    None,
}

impl std::fmt::Debug for SmtpSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { host, port, security, from, .. } = self;
        f.debug_struct("SmtpSettings")
            .field("host", host)
            .field("port", port)
            .field("security", security)
            .field("from", from)
            .finish_non_exhaustive()
    }
}

/// None unless a host is named.
pub(super) fn read(vars: &Variables) -> Result<Option<SmtpSettings>, ConfigError> {
    let Some(host) = vars.text("BENNU_SMTP_HOSTNAME") else { return Ok(None) };
    let login = match (vars.text("BENNU_SMTP_USERNAME"), vars.text("BENNU_SMTP_PASSWORD")) {
        (None, None) => None,
        (Some(name), Some(password)) => Some((name, password)),
        (name, _) => {
            let missing = if name.is_some() { "BENNU_SMTP_PASSWORD" } else { "BENNU_SMTP_USERNAME" };
            let expected = "both a user and a password of the mail server, or neither".to_owned();
            return Err(ConfigError::Missing { name: missing, expected });
        }
    };
    let settings = SmtpSettings {
        host: vars.read("BENNU_SMTP_HOSTNAME", |_| super::host(&host))?,
        port: vars.read("BENNU_SMTP_PORT", |v| number(v, 1..=65_535))?,
        security: vars.read("BENNU_SMTP_TLS", security)?,
        login,
        from: vars.read("BENNU_SMTP_MAIL_FROM", |v| {
            let fits = v.contains('@') && !v.contains(char::is_control);
            if fits {
                Ok(v.to_owned())
            } else {
                Err("an address such as Bennu <bennu@example.com>".to_owned())
            }
        })?,
        checks_certificates: vars.read("BENNU_SMTP_VALIDATE_CERTS", flag)?,
    };
    if settings.login.is_some() && settings.security == SmtpSecurity::None {
        return vars.refuse("BENNU_SMTP_TLS", "starttls or tls, as a password would be sent in the clear");
    }
    Ok(Some(settings))
}

/// Where browsers find the server, without a slash at the end.
pub(super) fn root_url(vars: &Variables) -> Result<Option<String>, ConfigError> {
    vars.read("BENNU_ROOT_URL", |value| optional(value, origin_and_path))
}

fn security(value: &str) -> Result<SmtpSecurity, String> {
    match value {
        "starttls" => Ok(SmtpSecurity::StartTls),
        "tls" => Ok(SmtpSecurity::Tls),
        "none" => Ok(SmtpSecurity::None),
        _ => Err("starttls, tls or none".to_owned()),
    }
}
