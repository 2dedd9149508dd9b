//! Tells programs that are refused where they find out how to get a token (RFC 9728, section 5.1).

use actix_web::dev::ServiceResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderValue, WWW_AUTHENTICATE};

use crate::config::RootPath;

const METADATA: &str = "/.well-known/oauth-protected-resource";

/// The address of the server, if programs can get tokens from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokensFrom {
    Nowhere,
    /// The address, without a slash at the end.
    Url(String),
    /// The address that the program asked at.
    AskedAddress,
}

impl TokensFrom {
    /// Adds the address to the challenge of an answer that has one; `slug`: the tenant of the path.
    pub(super) fn tell<B>(&self, response: &mut ServiceResponse<B>, root: &RootPath, slug: Option<&str>) {
        if response.status() != StatusCode::UNAUTHORIZED {
            return;
        }
        let site = match self {
            Self::Nowhere => return,
            Self::Url(url) => url.clone(),
            Self::AskedAddress => {
                let connection = response.request().connection_info();
                format!("{}://{}{root}", connection.scheme(), connection.host())
            }
        };
        let below = slug.map(|slug| format!("/s/{slug}")).unwrap_or_default();
        let url = format!("{site}{below}{METADATA}");
        let Some(challenge) = response.headers().get(WWW_AUTHENTICATE).and_then(|value| value.to_str().ok())
        else {
            return;
        };
        // What a client sends must not end the quotes.
        let plain = url.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\');
        let told = HeaderValue::from_str(&format!(r#"{challenge}, resource_metadata="{url}""#));
        if let Some(told) = told.ok().filter(|_| plain) {
            response.headers_mut().insert(WWW_AUTHENTICATE, told);
        }
    }
}
