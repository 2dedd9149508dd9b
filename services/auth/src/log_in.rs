//! `/auth/login`, `/auth/refresh` and `/auth/logout`: log-ins of browsers, whose tokens travel in cookies.

use actix_web::http::header::LOCATION;
use actix_web::{HttpMessage as _, HttpRequest, HttpResponse, web};
use bennu_access::{CredentialName, Principal, RefreshClaims, TokenError};
use bennu_domain::account::{AuthMethod, Email};
use bennu_domain::ids::TenantId;
use bennu_kit::http::{ApiError, ChosenTenant};
use bennu_store::{Account, LogIn, Membership, NewLogIn, Renewal, Rotation, StoreError};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::cookies::{REFRESH_COOKIE, expired_cookies, log_in_cookies};
use crate::responses::store_failed;
use crate::service::{AuthState, Verifying};
use crate::tokens::{Tokens, tokens_of};

/// E-mail addresses and passwords are short.
pub const LARGEST_BODY: usize = 16 << 10;

const WRONG: &str = "Invalid email and/or password";

#[derive(utoipa::OpenApi)]
#[openapi(paths(log_in, refresh, log_out))]
pub struct ApiDoc;

pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/auth/login").post(log_in))
        .service(web::resource("/auth/refresh").post(refresh))
        .service(web::resource("/auth/logout").get(log_out));
}

#[derive(Default, Deserialize, ToSchema)]
struct LogInBody {
    email: Option<String>,
    password: Option<String>,
}

pub fn read_body<T: for<'a> Deserialize<'a> + Default>(body: &[u8]) -> T {
    if body.len() > LARGEST_BODY { T::default() } else { serde_json::from_slice(body).unwrap_or_default() }
}

/// Logs in with a password; the tokens come as cookies.
///
/// Under the path of a tenant, `/s/{slug}/auth/login`, the log-in is for that tenant; otherwise for the one that the person
/// joined first.
#[utoipa::path(
    post, path = "/auth/login", operation_id = "logIn", tag = "auth", request_body = LogInBody,
    responses(
        (status = 204, description = "Logged in; sets the cookies of both tokens"),
        (status = 401, description = "Wrong", body = String, content_type = "text/plain"),
        (status = 403, description = "Passwords are not accepted here", body = String, content_type = "text/plain"),
        (status = 429, description = "Too many attempts", body = String, content_type = "text/plain"),
    )
)]
async fn log_in(
    request: HttpRequest,
    state: web::Data<AuthState>,
    body: web::Bytes,
) -> Result<HttpResponse, ApiError> {
    let verifying = state.verifying()?;
    let LogInBody { email, password } = read_body(&body);
    let log_in = log_in_with_password(&state, verifying, &request, email, password).await?;
    logged_in(&state, verifying, &log_in)
}

/// Begins a log-in by a password, in the tenant that the path names or in the first one.
pub async fn log_in_with_password(
    state: &AuthState,
    verifying: &Verifying,
    request: &HttpRequest,
    email: Option<String>,
    password: Option<String>,
) -> Result<LogIn, ApiError> {
    verifying.throttle.count_attempt(request).await?;
    if !verifying.settings.passwords.accepted {
        return Err(ApiError::Forbidden("Logging in with a password is switched off.".to_owned()));
    }
    let (Some(email), Some(password)) = (email, password) else {
        return Err(ApiError::Unauthorized("Email and password required".to_owned()));
    };
    let wrong = || ApiError::Unauthorized(WRONG.to_owned());
    let email = Email::parse(&email).map_err(|_| wrong())?;
    verifying.throttle.check_account(&email).await?;
    let account = state.directory().account_of(&email).await.map_err(store_failed)?;
    let by_password = account.filter(|account| account.auth_method == AuthMethod::Local);
    let stored = by_password.as_ref().and_then(|account| account.password.clone());
    let right = verifying.passwords.verify(password, stored).await.map_err(ApiError::internal)?;
    let Some(account) = by_password.filter(|_| right) else {
        verifying.throttle.count_failure(&email).await?;
        return Err(wrong());
    };
    let chosen = request.extensions().get::<ChosenTenant>().map(|chosen| chosen.0.clone());
    let membership = first_usable(state, &account, chosen.as_deref()).await?.ok_or_else(wrong)?;
    verifying.throttle.forget_failures(&email).await;
    let new = NewLogIn {
        id: uuid::Uuid::new_v4().to_string(),
        user: account.id,
        tenant: membership.tenant.id,
        expires_at: state.after(verifying.settings.refresh_token_life),
    };
    let log_in = match state.directory().begin_log_in(new).await {
        // A moment ago the tenant was still there.
        Err(StoreError::TenantErased) => return Err(wrong()),
        begun => begun.map_err(store_failed)?,
    };
    tracing::info!(user = account.id.0, tenant = log_in.tenant.0, "logged in");
    Ok(log_in)
}

/// The tenant to work in: the chosen one, or the first that may be used.
async fn first_usable(
    state: &AuthState,
    account: &Account,
    chosen: Option<&str>,
) -> Result<Option<Membership>, ApiError> {
    let memberships = state.directory().memberships(account.id).await.map_err(store_failed)?;
    let mut usable = memberships.into_iter().filter(|membership| membership.tenant.suspended_at.is_none());
    Ok(usable.find(|membership| chosen.is_none_or(|slug| slug == membership.tenant.slug)))
}

/// 204 with the tokens of the present generation of a log-in.
pub fn logged_in(state: &AuthState, verifying: &Verifying, log_in: &LogIn) -> Result<HttpResponse, ApiError> {
    let Tokens { access, refresh } = tokens_of(state, verifying, log_in)?;
    let mut response = HttpResponse::NoContent();
    for cookie in log_in_cookies(&verifying.settings.cookies, access, refresh) {
        response.cookie(cookie);
    }
    Ok(response.finish())
}

/// Changes the refresh token for a new pair; both old ones are void at once. A token that was used before ends the log-in.
#[utoipa::path(
    post, path = "/auth/refresh", operation_id = "refresh", tag = "auth",
    responses(
        (status = 204, description = "Sets the cookies of both tokens anew"),
        (status = 401, body = String, content_type = "text/plain"),
        (status = 429, description = "Too many attempts", body = String, content_type = "text/plain"),
    )
)]
async fn refresh(request: HttpRequest, state: web::Data<AuthState>) -> Result<HttpResponse, ApiError> {
    let verifying = state.verifying()?;
    verifying.throttle.count_attempt_with_token(&request).await?;
    let claims = refresh_claims(&state, verifying, &request)?;
    renew(&state, verifying, &claims, None).await
}

pub fn refresh_claims(
    state: &AuthState,
    verifying: &Verifying,
    request: &HttpRequest,
) -> Result<RefreshClaims, ApiError> {
    let unauthorized = |text: &str| ApiError::Unauthorized(text.to_owned());
    let cookie = request.cookie(REFRESH_COOKIE).ok_or_else(|| unauthorized("Missing refresh token"))?;
    verifying.keys.verify(cookie.value(), state.clock.now()).map_err(|error| match error {
        TokenError::Expired => unauthorized("Expired refresh token"),
        TokenError::Invalid => unauthorized("Invalid refresh token"),
    })
}

/// The next generation of a log-in, in its tenant or in another one of the same person.
pub async fn renew(
    state: &AuthState,
    verifying: &Verifying,
    claims: &RefreshClaims,
    tenant: Option<TenantId>,
) -> Result<HttpResponse, ApiError> {
    let expires = state.after(verifying.settings.refresh_token_life);
    let renewal = Renewal {
        id: &claims.session,
        generation: claims.generation,
        client: None,
        tenant,
        expires_at: expires,
    };
    let renewed = state.directory().renew_log_in(renewal).await;
    let (log_in, reused) = match renewed.map_err(store_failed)? {
        Rotation::Renewed(log_in) => (log_in, false),
        Rotation::Reused(log_in) => (log_in, true),
        Rotation::Ended => return Err(ApiError::Unauthorized("Invalid refresh token".to_owned())),
    };
    state.revoke_everywhere(CredentialName::Session(log_in.id.clone())).await;
    if reused {
        tracing::warn!(user = log_in.user.0, "a refresh token was used twice: the log-in was ended");
        return Err(ApiError::Unauthorized("Invalid refresh token".to_owned()));
    }
    logged_in(state, verifying, &log_in)
}

/// Ends all log-ins of the person, on all devices.
#[utoipa::path(
    get, path = "/auth/logout", operation_id = "logOut", tag = "auth",
    responses((status = 302, description = "Logged out; expires both cookies"))
)]
async fn log_out(request: HttpRequest, state: web::Data<AuthState>) -> Result<HttpResponse, ApiError> {
    let verifying = state.verifying()?;
    verifying.throttle.count_attempt_with_token(&request).await?;
    let by_access = request.extensions().get::<Principal>().and_then(Principal::session_user);
    let user = match by_access {
        Some(user) => Some(user),
        // The access token lives for minutes only.
        None => match refresh_claims(&state, verifying, &request) {
            Ok(claims) => {
                let log_in = state.directory().log_in(&claims.session).await.map_err(store_failed)?;
                log_in.filter(|log_in| log_in.generation == claims.generation).map(|log_in| log_in.user)
            }
            Err(_) => None,
        },
    };
    if let Some(user) = user {
        state.directory().end_log_ins(user).await.map_err(store_failed)?;
        state.revoke_everywhere(CredentialName::User(user)).await;
    }
    let page = if verifying.settings.passwords.accepted { "login" } else { "logout" };
    let mut response = HttpResponse::Found();
    response.insert_header((LOCATION, format!("{}/{page}", verifying.root_path)));
    for cookie in expired_cookies(&verifying.settings.cookies) {
        response.cookie(cookie);
    }
    Ok(response.finish())
}
