//! The layer that finds out who calls, before anything else looks at the request.

use std::sync::Arc;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{AUTHORIZATION, HeaderMap, HeaderName, ORIGIN, REFERER};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage as _, web};
use bennu_access::{CredentialError, CredentialLookup, OpenDeployment, Principal};

use super::path::rewrite_path;
use super::{ApiError, Frame, TokensFrom};

/// Holds the access token of a browser, under the name that the reference server gives it.
pub const ACCESS_COOKIE: &str = "phoenix-access-token";

/// Headers that carry a bare key, as users of hosted deployments send it.
const KEY_HEADERS: [HeaderName; 2] = [HeaderName::from_static("api-key"), HeaderName::from_static("api_key")];

/// A prefix by which a person with several tenants names one: `/s/{slug}/v1/…`.
const TENANT_PREFIX: &str = "/s/";

/// The slug of the tenant that the path names, kept in the extensions of the request.
#[derive(Debug, Clone)]
pub struct ChosenTenant(pub String);

/// How callers are verified. Cheap to clone.
#[derive(Clone)]
pub struct Access {
    lookup: Arc<dyn CredentialLookup>,
    /// Hosts whose pages may send requests; every host if not set.
    trusted_origins: Option<Arc<[String]>>,
    tokens_from: TokensFrom,
}

/// Whether a path asks for a caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Need {
    Caller,
    /// A caller that is known is told to the handler; nobody is refused.
    Perhaps,
    Nobody,
}

impl Access {
    pub fn new(lookup: Arc<dyn CredentialLookup>, trusted_origins: Option<Vec<String>>) -> Self {
        let trusted_origins = trusted_origins.map(Arc::from);
        Self { lookup, trusted_origins, tokens_from: TokensFrom::Nowhere }
    }

    /// Tells whoever is refused where to get a token.
    #[must_use]
    pub fn telling(self, tokens_from: TokensFrom) -> Self {
        Self { tokens_from, ..self }
    }

    /// Authentication is off.
    pub fn open() -> Self {
        Self::new(Arc::new(OpenDeployment), None)
    }

    pub fn lookup(&self) -> &Arc<dyn CredentialLookup> {
        &self.lookup
    }

    /// Browsers say which page a request comes from; programs do not.
    fn check_origin(&self, headers: &HeaderMap) -> Result<(), ApiError> {
        let Some(trusted) = &self.trusted_origins else { return Ok(()) };
        for (header, what) in [(ORIGIN, "untrusted origin"), (REFERER, "untrusted referer")] {
            let Some(value) = headers.get(header) else { continue };
            let host = value.to_str().ok().and_then(host_of);
            if !host.is_some_and(|host| trusted.contains(&host)) {
                return Err(ApiError::Untrusted(what));
            }
        }
        Ok(())
    }
}

/// `host[:port]` of a URL, in lower case.
pub(crate) fn host_of(url: &str) -> Option<String> {
    let (_, rest) = url.split_once("://")?;
    let host = rest.split(['/', '?', '#']).next().filter(|host| !host.is_empty())?;
    Some(host.to_ascii_lowercase())
}

pub(super) async fn authenticate(
    frame: web::Data<Frame>,
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let access = &frame.access;
    let tenant = strip_tenant(&mut request);
    let need = need(request.path());
    let mut response = match principal(access, need, &request, tenant.as_deref()).await {
        Ok(principal) => {
            if let Some(principal) = principal {
                request.extensions_mut().insert(principal);
            }
            if let Some(slug) = tenant.clone() {
                request.extensions_mut().insert(ChosenTenant(slug));
            }
            next.call(request).await?.map_into_left_body()
        }
        // An answer, which the layers around this one look at like any other.
        Err(error) => request.error_response(error).map_into_right_body(),
    };
    access.tokens_from.tell(&mut response, &frame.root_path, tenant.as_deref());
    Ok(response)
}

/// Who calls; an error if that is not known and must be.
async fn principal(
    access: &Access,
    need: Need,
    request: &ServiceRequest,
    tenant: Option<&str>,
) -> Result<Option<Principal>, ApiError> {
    if need == Need::Nobody {
        return Ok(None);
    }
    if !is_sent_from_elsewhere(request.path()) {
        access.check_origin(request.headers())?;
    }
    let principal = match presented(request) {
        Presented::Token(token) => {
            access.lookup.principal(&token, tenant).await.map_err(|error| api_error(&error))
        }
        Presented::Nothing => access.lookup.anonymous().ok_or_else(invalid_token),
        Presented::Other => Err(invalid_token()),
    };
    match principal {
        Ok(principal) => Ok(Some(principal)),
        Err(error) if need == Need::Caller => Err(error),
        Err(_) => Ok(None),
    }
}

fn need(path: &str) -> Need {
    let below =
        |root: &str| path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    if path == "/platform/v1/invitations/accept" || below("/auth") || asks_a_person(path) {
        Need::Perhaps
    } else if below("/v1") || below("/platform") {
        Need::Caller
    } else {
        Need::Nobody
    }
}

/// Pages on which a person decides whether a program may act for them.
fn asks_a_person(path: &str) -> bool {
    is_sent_from_elsewhere(path) || path == "/oauth2/authorize/decision"
}

/// Other sites send browsers there, and nothing is changed by that.
fn is_sent_from_elsewhere(path: &str) -> bool {
    ["/oauth2/authorize", "/oauth2/consent"].contains(&path)
}

/// Takes `/s/{slug}` off the path.
fn strip_tenant(request: &mut ServiceRequest) -> Option<String> {
    let (slug, rest) = request.path().strip_prefix(TENANT_PREFIX)?.split_once('/')?;
    let (slug, path) = (slug.to_owned(), format!("/{rest}"));
    rewrite_path(request, &path);
    Some(slug)
}

enum Presented {
    Token(String),
    /// A header that is no bearer token: the cookie is not looked at then.
    Other,
    Nothing,
}

fn presented(request: &ServiceRequest) -> Presented {
    if let Some(value) = request.headers().get(AUTHORIZATION) {
        let token = value.to_str().ok().and_then(bearer_token);
        return token.map_or(Presented::Other, |token| Presented::Token(token.to_owned()));
    }
    let key = KEY_HEADERS.iter().find_map(|name| request.headers().get(name));
    if let Some(value) = key {
        return value.to_str().map_or(Presented::Other, |key| Presented::Token(key.trim().to_owned()));
    }
    request
        .cookie(ACCESS_COOKIE)
        .map_or(Presented::Nothing, |cookie| Presented::Token(cookie.value().to_owned()))
}

/// The token of an `Authorization` header of the scheme `Bearer` (RFC 6750), in any case.
pub fn bearer_token(header: &str) -> Option<&str> {
    let (scheme, token) = header.trim().split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn invalid_token() -> ApiError {
    ApiError::Unauthorized(CredentialError::Invalid.to_string())
}

fn api_error(error: &CredentialError) -> ApiError {
    match error {
        CredentialError::Invalid | CredentialError::Expired => ApiError::Unauthorized(error.to_string()),
        CredentialError::UnknownTenant => ApiError::NotFound(error.to_string()),
        CredentialError::Suspended => ApiError::Forbidden(error.to_string()),
        CredentialError::Unavailable(_) => ApiError::Unavailable {
            message: error.to_string(),
            retry_after: std::time::Duration::from_secs(1),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_belongs_to_tenants_asks_for_a_caller() {
        for path in ["/v1/projects", "/v1", "/v1/traces", "/platform/v1/tenants", "/v1/nothing"] {
            assert_eq!(need(path), Need::Caller, "{path}");
        }
        for path in [
            "/auth/login",
            "/platform/v1/invitations/accept",
            "/oauth2/authorize",
            "/oauth2/authorize/decision",
        ] {
            assert_eq!(need(path), Need::Perhaps, "{path}");
        }
        for path in
            ["/", "/healthz", "/openapi.json", "/v1x", "/metrics", "/oauth2/token", "/oauth2/okta/login"]
        {
            assert_eq!(need(path), Need::Nobody, "{path}");
        }
    }

    #[test]
    fn a_bearer_token_is_read_whatever_the_case_of_its_scheme() {
        assert_eq!(bearer_token("Bearer a.b"), Some("a.b"));
        assert_eq!(bearer_token("bearer  a"), Some("a"));
        for other in ["", "Basic a", "Bearer", "a.b"] {
            assert_eq!(bearer_token(other), None, "{other}");
        }
    }

    #[test]
    fn hosts_are_read_from_urls() {
        assert_eq!(host_of("https://App.example.com:8443/x?y"), Some("app.example.com:8443".to_owned()));
        for other in ["null", "", "https://", "example.com"] {
            assert_eq!(host_of(other), None, "{other}");
        }
    }
}
