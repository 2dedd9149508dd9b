//! How to reach a bucket.

use std::time::Duration;

use super::ObjectStoreUrl;
use super::number;
use super::variables::{ConfigError, Variables};

/// Everything about S3 but the bucket, which is in the URL.
#[derive(Clone, PartialEq, Eq)]
pub struct S3Settings {
    /// `http://…` or `https://…`; none for Amazon's own.
    pub endpoint: Option<String>,
    pub region: String,
    /// None: whatever the machine is given, such as the role of a pod.
    pub keys: Option<S3Keys>,
    pub allow_http: bool,
    pub path_style: bool,
    /// For one attempt of one request.
    pub timeout: Duration,
    /// Attempts after the first.
    pub retries: usize,
    /// No attempt begins later than this after the first.
    pub retry_for: Duration,
}

#[derive(Clone, PartialEq, Eq)]
pub struct S3Keys {
    pub access_key: String,
    pub secret_key: String,
    pub session_token: Option<String>,
}

impl std::fmt::Debug for S3Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("S3Settings")
            .field("endpoint", &self.endpoint)
            .field("region", &self.region)
            .field("keys", &self.keys.as_ref().map(|_| "***"))
            .finish_non_exhaustive()
    }
}

/// What the settings say of each other matters only if the objects are in a bucket: the names of Amazon's own tools may be
/// there for other programs.
pub(super) fn read(vars: &Variables, objects: &ObjectStoreUrl) -> Result<S3Settings, ConfigError> {
    let seconds = |range| move |value: &str| number(value, range).map(Duration::from_secs);
    let in_bucket = matches!(objects, ObjectStoreUrl::Bucket { .. });
    let settings = S3Settings {
        endpoint: vars.read("BENNU_S3_ENDPOINT", endpoint)?,
        region: vars.read("BENNU_S3_REGION", region)?,
        keys: keys(vars, in_bucket)?,
        allow_http: vars.read("BENNU_S3_ALLOW_HTTP", yes_or_no)?,
        path_style: vars.read("BENNU_S3_PATH_STYLE", yes_or_no)?,
        timeout: vars.read("BENNU_OBJECT_STORE_TIMEOUT_SECONDS", seconds(1..=600))?,
        retries: vars.read("BENNU_OBJECT_STORE_RETRIES", |v| number(v, 0..=100))?,
        retry_for: vars.read("BENNU_OBJECT_STORE_RETRY_SECONDS", seconds(0..=240))?,
    };
    let is_plain = settings.endpoint.as_deref().is_some_and(|url| url.starts_with("http://"));
    if in_bucket && is_plain && !settings.allow_http {
        return vars.refuse("BENNU_S3_ENDPOINT", "https://…, unless BENNU_S3_ALLOW_HTTP is true");
    }
    Ok(settings)
}

fn keys(vars: &Variables, in_bucket: bool) -> Result<Option<S3Keys>, ConfigError> {
    let (access, secret) = ("BENNU_S3_ACCESS_KEY_ID", "BENNU_S3_SECRET_ACCESS_KEY");
    match (vars.text(access), vars.text(secret)) {
        (Some(access_key), Some(secret_key)) => {
            Ok(Some(S3Keys { access_key, secret_key, session_token: vars.text("BENNU_S3_SESSION_TOKEN") }))
        }
        (Some(_), None) if in_bucket => vars.refuse(secret, "a secret key, as BENNU_S3_ACCESS_KEY_ID is set"),
        (None, Some(_)) if in_bucket => {
            vars.refuse(access, "an access key, as BENNU_S3_SECRET_ACCESS_KEY is set")
        }
        _ => Ok(None),
    }
}

fn endpoint(value: &str) -> Result<Option<String>, String> {
    let expected = || "a URL such as https://s3.example:9000, without a path".to_owned();
    if value.is_empty() {
        return Ok(None);
    }
    let value = value.trim_end_matches('/');
    let (scheme, host) = value.split_once("://").ok_or_else(expected)?;
    let of_host = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '[' | ']');
    if !matches!(scheme, "http" | "https") || host.is_empty() || !host.chars().all(of_host) {
        return Err(expected());
    }
    Ok(Some(value.to_owned()))
}

fn region(value: &str) -> Result<String, String> {
    let known = |c: char| c.is_ascii_alphanumeric() || c == '-';
    if value.chars().all(known) {
        Ok(value.to_owned())
    } else {
        Err("a region such as eu-central-1".to_owned())
    }
}

fn yes_or_no(value: &str) -> Result<bool, String> {
    match value.to_ascii_lowercase().as_str() {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err("true or false".to_owned()),
    }
}
