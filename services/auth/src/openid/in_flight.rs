//! What a browser keeps while it is at the provider: three cookies, of which the state also travels with it.

use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::cookie::time::Duration as CookieDuration;
use actix_web::cookie::{Cookie, SameSite};
use bennu_access::Claims;
use bennu_kit::config::CookieSettings;
use serde::{Deserialize, Serialize};

/// As long as the reference server gives people to log in at their provider.
pub const LIFE: Duration = Duration::from_mins(15);

/// Browsers keep cookies of up to 4096 bytes, and this is in one, signed and in Base64 with the rest of the state.
const LONGEST_RETURN_URL: usize = 2_000;

/// The names of the reference server.
pub const STATE: &str = "phoenix-oauth2-state";
pub const NONCE: &str = "phoenix-oauth2-nonce";
pub const CODE_VERIFIER: &str = "phoenix-oauth2-code-verifier";

/// Signed, as it comes back by way of the provider; the cookie ties it to the browser (RFC 6749, section 10.12).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateClaims {
    /// An answer of one provider is not taken for that of another.
    #[serde(rename = "idp")]
    pub provider: String,
    /// The address by which the browser reaches this server: it comes back to the same.
    pub site: String,
    /// Where to go afterwards.
    #[serde(rename = "url", skip_serializing_if = "Option::is_none")]
    pub return_url: Option<String>,
    /// The slug of the tenant to work in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// No two states are equal.
    #[serde(rename = "rnd")]
    pub random: String,
}

impl Claims for StateClaims {
    const AUDIENCE: &'static str = "openid-state";
}

/// Lax: they are needed as the browser comes back from another site.
pub fn kept<'a>(settings: &CookieSettings, name: &'static str, value: String) -> Cookie<'a> {
    Cookie::build(name, value)
        .http_only(true)
        .secure(settings.secure)
        .same_site(SameSite::Lax)
        .path(settings.path.clone())
        .max_age(CookieDuration::try_from(LIFE).unwrap_or(CookieDuration::ZERO))
        .finish()
}

/// All three, expired.
pub fn forgotten<'a>(settings: &CookieSettings) -> [Cookie<'a>; 3] {
    [STATE, NONCE, CODE_VERIFIER].map(|name| {
        let mut cookie = kept(settings, name, String::new());
        cookie.make_removal();
        cookie
    })
}

pub fn value_of(request: &HttpRequest, name: &str) -> Option<String> {
    request.cookie(name).map(|cookie| cookie.value().to_owned()).filter(|value| !value.is_empty())
}

/// A path of this server, and nothing that a browser takes for another host; short enough for a cookie.
pub fn is_safe_return_url(url: &str) -> bool {
    let rest = url.strip_prefix('/').filter(|_| url.len() <= LONGEST_RETURN_URL);
    rest.is_some_and(|rest| !rest.starts_with('/'))
        && !url.contains(|c: char| c == '\\' || c.is_control() || c.is_whitespace())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_return_url_stays_on_this_server() {
        for safe in ["/", "/projects/1?tab=x#y", "/s/acme/projects"] {
            assert!(is_safe_return_url(safe), "{safe}");
        }
        let elsewhere =
            ["", "projects", "//evil", "/\\evil", "/\t/evil", "https://evil", "javascript:x", "/a b"];
        for url in elsewhere {
            assert!(!is_safe_return_url(url), "{url}");
        }
        assert!(!is_safe_return_url(&format!("/{}", "x".repeat(LONGEST_RETURN_URL))));
    }
}
