//! Who may call, and how they prove it.

use std::path::PathBuf;
use std::time::Duration;

use bennu_access::{DeploymentSecret, PasswordCost, PasswordPolicy};
use bennu_domain::account::{Email, Username};

use super::authorization_server::{self, AuthorizationServerSettings};
use super::identity_provider::{self, IdentityProvider};
use super::ldap::{self, LdapSettings};
use super::mail::{self, SmtpSettings};
use super::number;
use super::variables::{ConfigError, Variables};
use crate::http::host_of;

/// Whether and how callers are verified.
#[derive(Clone, Debug, PartialEq)]
pub struct AuthSettings {
    pub mode: AuthMode,
    /// Hosts whose pages may send requests; all if none.
    pub trusted_origins: Option<Vec<String>>,
    /// Origins whose pages may read answers, as browsers write them.
    pub allowed_origins: Vec<String>,
    /// Proxies before the server, each of which appends to `X-Forwarded-For`.
    pub trusted_proxies: usize,
    /// Where browsers and programs find the server, without a slash at the end.
    pub root_url: Option<String>,
    /// None: no program gets tokens to act for people.
    pub authorization_server: Option<AuthorizationServerSettings>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum AuthMode {
    /// Everybody is the default tenant, with all rights.
    Off,
    /// The service at this URL verifies credentials: `http://host:port` of its gRPC port.
    Ask(String),
    /// The process verifies them itself.
    Verify(Box<Credentials>),
}

/// What a process needs that verifies credentials itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Credentials {
    pub secret: DeploymentSecret,
    /// Tokens that were signed with these are still taken.
    pub previous_secrets: Vec<DeploymentSecret>,
    pub admin_secret: Option<DeploymentSecret>,
    /// Ed25519, in PEM; the first public key belongs to the private one.
    pub token_private_key: Option<PathBuf>,
    pub token_public_keys: Vec<PathBuf>,
    pub first_password: String,
    pub admins: Vec<(Username, Email)>,
    pub access_token_life: Duration,
    pub refresh_token_life: Duration,
    pub reset_token_life: Duration,
    pub cookies: CookieSettings,
    pub passwords: PasswordSettings,
    /// Log-in attempts an address may make.
    pub rate_limit: bool,
    /// None: no mail is sent.
    pub smtp: Option<SmtpSettings>,
    /// Failures of an account until it is locked for a while; none: it never is.
    pub login_attempts: Option<u32>,
    pub identity_providers: Vec<IdentityProvider>,
    pub ldap: Option<LdapSettings>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CookieSettings {
    pub secure: bool,
    pub path: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PasswordSettings {
    /// False: nobody logs in with a password.
    pub accepted: bool,
    pub policy: PasswordPolicy,
    pub cost: PasswordCost,
}

pub(super) fn read(vars: &Variables) -> Result<AuthSettings, ConfigError> {
    let (enabled, service) =
        (vars.read("BENNU_ENABLE_AUTH", flag)?, vars.read("BENNU_AUTH_URL", service_url)?);
    let mode = match (enabled, service) {
        (false, _) => AuthMode::Off,
        (true, Some(url)) => AuthMode::Ask(url),
        (true, None) => AuthMode::Verify(Box::new(credentials(vars)?)),
    };
    Ok(AuthSettings {
        mode,
        trusted_origins: vars.read("BENNU_CSRF_TRUSTED_ORIGINS", origins)?,
        allowed_origins: vars.read("BENNU_ALLOWED_ORIGINS", |v| list(v, ',', origin))?,
        trusted_proxies: vars.read("BENNU_TRUSTED_PROXIES", |v| number(v, 0..=10))?,
        root_url: mail::root_url(vars)?,
        authorization_server: authorization_server::read(vars)?.filter(|_| enabled),
    })
}

fn credentials(vars: &Variables) -> Result<Credentials, ConfigError> {
    if !vars.is_set("BENNU_SECRET") {
        let expected = "with BENNU_ENABLE_AUTH at least 32 ASCII characters without blanks, with a digit and a lower-case letter among them; or BENNU_AUTH_URL, for services that ask bennu-auth";
        return Err(ConfigError::Missing { name: "BENNU_SECRET", expected: expected.to_owned() });
    }
    let minutes =
        |value: &str| number(value, 1..=5_256_000).map(|minutes: u64| Duration::from_secs(60 * minutes));
    let credentials = Credentials {
        secret: vars.read("BENNU_SECRET", secret)?,
        previous_secrets: vars.read("BENNU_PREVIOUS_SECRETS", |v| list(v, ',', secret))?,
        admin_secret: vars.read("BENNU_ADMIN_SECRET", |v| optional(v, secret))?,
        token_private_key: vars.read("BENNU_TOKEN_PRIVATE_KEY_FILE", |v| optional(v, path))?,
        token_public_keys: vars.read("BENNU_TOKEN_PUBLIC_KEY_FILES", |v| list(v, ',', path))?,
        first_password: vars.read("BENNU_DEFAULT_ADMIN_INITIAL_PASSWORD", |v| Ok(v.to_owned()))?,
        admins: vars.read("BENNU_ADMINS", |v| list(v, ';', admin))?,
        access_token_life: vars.read("BENNU_ACCESS_TOKEN_EXPIRY_MINUTES", minutes)?,
        refresh_token_life: vars.read("BENNU_REFRESH_TOKEN_EXPIRY_MINUTES", minutes)?,
        reset_token_life: vars.read("BENNU_PASSWORD_RESET_TOKEN_EXPIRY_MINUTES", minutes)?,
        cookies: CookieSettings {
            secure: vars.read("BENNU_USE_SECURE_COOKIES", flag)?,
            path: vars.read("BENNU_COOKIES_PATH", cookie_path)?,
        },
        passwords: passwords(vars)?,
        rate_limit: !vars.read("BENNU_DISABLE_RATE_LIMIT", flag)?,
        smtp: mail::read(vars)?,
        login_attempts: login_attempts(vars)?,
        identity_providers: identity_provider::read_all(vars)?,
        ldap: ldap::read(vars)?,
    };
    if credentials.admin_secret.as_ref() == Some(&credentials.secret) {
        return vars.refuse("BENNU_ADMIN_SECRET", "another value than BENNU_SECRET has");
    }
    if credentials.token_private_key.is_some() && credentials.token_public_keys.is_empty() {
        let expected = "the public key that belongs to BENNU_TOKEN_PRIVATE_KEY_FILE, first in the list";
        return Err(ConfigError::Missing {
            name: "BENNU_TOKEN_PUBLIC_KEY_FILES",
            expected: expected.to_owned(),
        });
    }
    Ok(credentials)
}

fn passwords(vars: &Variables) -> Result<PasswordSettings, ConfigError> {
    let strong = vars.read("BENNU_ENABLE_STRONG_PASSWORD_POLICY", flag)?;
    Ok(PasswordSettings {
        accepted: !vars.read("BENNU_DISABLE_BASIC_AUTH", flag)?,
        policy: if strong { PasswordPolicy::Strong } else { PasswordPolicy::Basic },
        cost: PasswordCost {
            memory_kib: vars.read("BENNU_PASSWORD_MEMORY_KIB", |v| number(v, 8..=4_194_304))?,
            passes: vars.read("BENNU_PASSWORD_PASSES", |v| number(v, 1..=1_000))?,
            at_once: vars.read("BENNU_PASSWORD_HASHES_AT_ONCE", |v| number(v, 1..=1_000))?,
        },
    })
}

fn login_attempts(vars: &Variables) -> Result<Option<u32>, ConfigError> {
    let disabled = vars.read("BENNU_DISABLE_BRUTE_FORCE_LOGIN_PROTECTION", flag)?;
    let most = vars.read("BENNU_BRUTE_FORCE_LOGIN_PROTECTION_MAX_ATTEMPTS", |v| number(v, 1..=1_000_000))?;
    Ok((!disabled).then_some(most))
}

pub(super) fn flag(value: &str) -> Result<bool, String> {
    match value.to_ascii_lowercase().as_str() {
        "true" | "1" | "t" | "y" | "yes" => Ok(true),
        "false" | "0" | "f" | "n" | "no" => Ok(false),
        _ => Err("true or false".to_owned()),
    }
}

pub(super) fn optional<T>(
    value: &str,
    parse: impl FnOnce(&str) -> Result<T, String>,
) -> Result<Option<T>, String> {
    if value.is_empty() { Ok(None) } else { parse(value).map(Some) }
}

pub(super) fn list<T>(
    value: &str,
    separator: char,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Result<Vec<T>, String> {
    value.split(separator).map(str::trim).filter(|part| !part.is_empty()).map(parse).collect()
}

fn secret(value: &str) -> Result<DeploymentSecret, String> {
    DeploymentSecret::parse(value).map_err(|error| error.to_string())
}

pub(super) fn path(value: &str) -> Result<PathBuf, String> {
    std::path::absolute(value).map_err(|_| "a path of a file".to_owned())
}

/// Names may have an equals sign, addresses do not.
fn admin(value: &str) -> Result<(Username, Email), String> {
    let expected = || "name=e-mail address, with a semicolon between entries".to_owned();
    let (name, email) = value.rsplit_once('=').ok_or_else(expected)?;
    Ok((Username::parse(name).map_err(|_| expected())?, Email::parse(email).map_err(|_| expected())?))
}

fn cookie_path(value: &str) -> Result<String, String> {
    let fits = value.starts_with('/') && !value.contains([';', ',', ' ']);
    if fits { Ok(value.to_owned()) } else { Err("a path that begins with /".to_owned()) }
}

fn origins(value: &str) -> Result<Option<Vec<String>>, String> {
    let origin = |text: &str| {
        host_of(text)
            .ok_or_else(|| "origins such as https://app.example.com, with commas between them".to_owned())
    };
    let hosts = list(value, ',', origin)?;
    Ok((!hosts.is_empty()).then_some(hosts))
}

/// Scheme and host with its port, in lower case, as browsers send it (RFC 6454). No `*`: browsers refuse it beside cookies.
fn origin(value: &str) -> Result<String, String> {
    let url = origin_and_path(&value.to_ascii_lowercase()).ok();
    let is_origin = |url: &String| url.split_once("://").is_some_and(|(_, host)| !host.contains('/'));
    let expected = || "origins such as https://app.example.com, with commas between them".to_owned();
    url.filter(is_origin).ok_or_else(expected)
}

/// A URL of the web without parameters, and without a slash at its end.
pub(super) fn origin_and_path(value: &str) -> Result<String, String> {
    let url = value.trim_end_matches('/');
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    let fits = |rest: &str| {
        !rest.is_empty() && !rest.starts_with('/') && !rest.contains(['*', '@', '?', '#', ' ', '"', '<', '>'])
    };
    if rest.is_some_and(fits) {
        return Ok(url.to_owned());
    }
    Err("a URL such as https://traces.example.com".to_owned())
}

fn service_url(value: &str) -> Result<Option<String>, String> {
    optional(value, |value| {
        let fits = value.starts_with("http://") && host_of(value).is_some();
        if fits { Ok(value.to_owned()) } else { Err("a URL such as http://auth:4317".to_owned()) }
    })
}
