//! `/auth/password-reset-email`, `/auth/password-reset`, and links that an administrator hands over.

use std::time::Duration;

use actix_web::{HttpRequest, HttpResponse, web};
use bennu_access::{Administer, CredentialName, ResetClaims};
use bennu_domain::account::{AuthMethod, Email};
use bennu_domain::global_id::Node as _;
use bennu_domain::ids::UserId;
use bennu_kit::http::{ApiError, Authorized, DataBody};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::log_in::read_body;
use crate::mail::Order;
use crate::responses::{field_error, no_content, store_failed};
use crate::service::AuthState;
use crate::users::find_member;

/// A mail server that is slow or away is given this time.
const FULL_OUTBOX: Duration = Duration::from_secs(30);

#[derive(utoipa::OpenApi)]
#[openapi(paths(send_reset_mail, reset_password, make_reset_token))]
pub struct ApiDoc;

pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/auth/password-reset-email").post(send_reset_mail))
        .service(web::resource("/auth/password-reset").post(reset_password));
}

/// The route that is there without authentication, too.
pub fn member_routes(config: &mut web::ServiceConfig) {
    config.service(web::resource("/v1/users/{user_id}/password_reset").post(make_reset_token));
}

#[derive(Default, Deserialize, ToSchema)]
struct ResetMailBody {
    email: Option<String>,
}

#[derive(Default, Deserialize, ToSchema)]
struct ResetBody {
    token: Option<String>,
    password: Option<String>,
}

#[derive(Serialize, ToSchema)]
struct ResetToken {
    /// For `POST /auth/password-reset`; shown once, valid once.
    token: String,
    expires_at: String,
}

/// Mails a link that resets the password. The answer tells nothing about whether there is such an account.
#[utoipa::path(
    post, path = "/auth/password-reset-email", operation_id = "sendPasswordResetEmail", tag = "auth", request_body = ResetMailBody,
    responses(
        (status = 204, description = "The mail is on its way, if there is somebody to send it to"),
        (status = 422, description = "No address", body = String, content_type = "text/plain"),
        (status = 429, description = "Too many attempts", body = String, content_type = "text/plain"),
        (status = 503, description = "There is no mail server", body = String, content_type = "text/plain"),
    )
)]
async fn send_reset_mail(
    request: HttpRequest,
    state: web::Data<AuthState>,
    body: web::Bytes,
) -> Result<HttpResponse, ApiError> {
    let verifying = state.verifying()?;
    verifying.throttle.count_attempt(&request).await?;
    if !verifying.settings.passwords.accepted {
        return Err(ApiError::Forbidden("Logging in with a password is switched off.".to_owned()));
    }
    let email = read_body::<ResetMailBody>(&body).email.filter(|email| !email.trim().is_empty());
    let email = email.ok_or_else(|| ApiError::Unprocessable("Email required".to_owned()))?;
    let Some(outbox) = &verifying.outbox else {
        return Ok(HttpResponse::ServiceUnavailable()
            .content_type("text/plain; charset=utf-8")
            .body("SMTP server not configured"));
    };
    if let Ok(email) = Email::parse(&email)
        && verifying.throttle.may_mail(&email).await
    {
        // The postman finds out whose it is, lest the time of the answer tell.
        let order = Order::PasswordReset { email, site: verifying.site.for_mails(&request) };
        if !outbox.order(order) {
            let message = "too many mails are waiting".to_owned();
            return Err(ApiError::Unavailable { message, retry_after: FULL_OUTBOX });
        }
    }
    Ok(no_content())
}

/// Sets a new password by the token of a link, which is void then, as are all log-ins of the person.
#[utoipa::path(
    post, path = "/auth/password-reset", operation_id = "resetPassword", tag = "auth", request_body = ResetBody,
    responses(
        (status = 204),
        (status = 401, description = "The token is not valid, or not any more", body = String, content_type = "text/plain"),
        (status = 422, description = "No password, or one that is too weak"),
        (status = 429, description = "Too many attempts", body = String, content_type = "text/plain"),
    )
)]
async fn reset_password(
    request: HttpRequest,
    state: web::Data<AuthState>,
    body: web::Bytes,
) -> Result<HttpResponse, ApiError> {
    let verifying = state.verifying()?;
    verifying.throttle.count_attempt_with_token(&request).await?;
    let ResetBody { token, password } = read_body(&body);
    let Some(password) = password.filter(|password| !password.is_empty()) else {
        return Err(ApiError::Unprocessable("Password required".to_owned()));
    };
    let invalid = || ApiError::Unauthorized("Invalid token".to_owned());
    let claims: ResetClaims =
        verifying.keys.verify(&token.unwrap_or_default(), state.clock.now()).map_err(|_| invalid())?;
    let account =
        state.directory().account(claims.user()).await.map_err(store_failed)?.ok_or_else(invalid)?;
    if account.password_set_at.0 != claims.password_set_at || account.auth_method != AuthMethod::Local {
        return Err(invalid());
    }
    let weak =
        |error: bennu_access::WeakPassword| field_error(&["password"], "value_error", error.to_string(), "");
    verifying.settings.passwords.policy.check(&password).map_err(weak)?;
    let hash = verifying.passwords.hash(password).await.map_err(ApiError::internal)?;
    state.directory().set_password(account.id, &hash).await.map_err(store_failed)?;
    state.revoke_everywhere(CredentialName::User(account.id)).await;
    if let Some(Ok(email)) = account.email.as_deref().map(Email::parse) {
        verifying.throttle.forget_failures(&email).await;
    }
    Ok(no_content())
}

/// Makes a token with which a member of the tenant sets a new password.
///
/// An account that is a member of other tenants, too, is out of an administrator's hands, and one that manages the platform is
/// in those of its like only.
#[utoipa::path(
    post, path = "/v1/users/{user_id}/password_reset", operation_id = "createPasswordReset", tag = "users",
    params(("user_id" = String, Path, description = "GlobalId")),
    responses(
        (status = 201, body = DataBody<ResetToken>),
        (status = 403, body = String, content_type = "text/plain"),
        (status = 404, body = String, content_type = "text/plain"),
        (status = 409, description = "The account has no password, is a member of other tenants, or manages the platform", body = String, content_type = "text/plain"),
    )
)]
async fn make_reset_token(
    caller: Authorized<Administer>,
    state: web::Data<AuthState>,
    user: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let verifying = state.verifying()?;
    let member = find_member(&state, &caller.scope(), &user).await?;
    let account = state.directory().account(member.user).await.map_err(store_failed)?;
    let memberships = state.directory().memberships(member.user).await.map_err(store_failed)?;
    // Whoever sets a password can act as its owner: in other tenants, or for the whole platform.
    let manages_platform = caller.principal().parts().manages_platform;
    let account = account.filter(|account| {
        member.user != UserId::SYSTEM
            && account.auth_method == AuthMethod::Local
            && memberships.len() == 1
            && (manages_platform || !account.manages_platform)
    });
    let Some(account) = account else {
        let reason = format!("The password of {} is not for this tenant to reset.", member.user.global_id());
        return Err(ApiError::Conflict(reason));
    };
    let expires = state.after(verifying.settings.reset_token_life);
    let claims = ResetClaims { user: account.id.0, password_set_at: account.password_set_at.0 };
    let token = verifying.keys.sign(claims, state.clock.now(), expires).map_err(ApiError::internal)?;
    Ok(HttpResponse::Created().json(DataBody { data: ResetToken { token, expires_at: expires.to_string() } }))
}
