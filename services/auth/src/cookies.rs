//! The cookies of a log-in; their names are those of the reference server, as its clients read them.

use std::time::Duration;

use actix_web::cookie::time::Duration as CookieDuration;
use actix_web::cookie::{Cookie, SameSite};
use bennu_kit::config::CookieSettings;
use bennu_kit::http::ACCESS_COOKIE;

use crate::tokens::Token;

pub const REFRESH_COOKIE: &str = "phoenix-refresh-token";

/// The tokens of a log-in as cookies that no script can read.
pub fn log_in_cookies<'a>(settings: &CookieSettings, access: Token, refresh: Token) -> [Cookie<'a>; 2] {
    [(ACCESS_COOKIE, access), (REFRESH_COOKIE, refresh)]
        .map(|(name, Token { text, life })| cookie(settings, name, text, life))
}

/// The same, empty and expired.
pub fn expired_cookies<'a>(settings: &CookieSettings) -> [Cookie<'a>; 2] {
    [ACCESS_COOKIE, REFRESH_COOKIE].map(|name| {
        let mut cookie = cookie(settings, name, String::new(), Duration::ZERO);
        cookie.make_removal();
        cookie
    })
}

fn cookie<'a>(settings: &CookieSettings, name: &'static str, token: String, life: Duration) -> Cookie<'a> {
    Cookie::build(name, token)
        .http_only(true)
        .secure(settings.secure)
        .same_site(SameSite::Strict)
        .path(settings.path.clone())
        .max_age(CookieDuration::try_from(life).unwrap_or(CookieDuration::ZERO))
        .finish()
}
