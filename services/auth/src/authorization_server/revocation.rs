//! `POST /oauth2/revoke`: a program gives its tokens back (RFC 7009).

use actix_web::{HttpRequest, HttpResponse, web};
use bennu_access::{AccessClaims, CredentialName, RefreshClaims};
use serde::Deserialize;
use utoipa::ToSchema;

use super::error::{OAuthError, OAuthErrorBody};
use super::place::Place;
use super::token::form;
use crate::service::AuthState;

#[derive(utoipa::OpenApi)]
#[openapi(paths(revoke))]
pub struct ApiDoc;

pub fn routes(config: &mut web::ServiceConfig) {
    config.service(web::resource("/oauth2/revoke").post(revoke));
}

#[derive(Deserialize, ToSchema)]
struct RevocationForm {
    /// Either of the two tokens; both are void then
    token: Option<String>,
    client_id: Option<String>,
}

/// Ends what a program may do for a person.
#[utoipa::path(
    post, path = "/oauth2/revoke", operation_id = "revokeToken", tag = "oauth2",
    request_body(content = RevocationForm, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, description = "The token is not valid, or not any more"),
        (status = 400, description = "There is no token", body = OAuthErrorBody),
        (status = 429, description = "Too many attempts", body = String, content_type = "text/plain"),
    )
)]
async fn revoke(
    request: HttpRequest,
    state: web::Data<AuthState>,
    body: web::Bytes,
) -> Result<HttpResponse, OAuthError> {
    let place = Place::of(&state, &request).await?;
    place.verifying.throttle.count_attempt_with_token(&request).await?;
    let form: RevocationForm = form(&body)?;
    let token = form.token.ok_or_else(|| OAuthError::invalid_request("token is missing."))?;
    let (keys, now) = (&place.verifying.keys, state.clock.now());
    let by_refresh =
        keys.verify(&token, now).map(|claims: RefreshClaims| (claims.session, claims.generation));
    let by_access =
        || keys.verify(&token, now).map(|claims: AccessClaims| (claims.session, claims.generation));
    // What is no token of ours, or expired, needs no end (section 2.2).
    if let Ok((session, generation)) = by_refresh.or_else(|_| by_access()) {
        let log_in = state.directory().log_in(&session).await?;
        // Log-ins of browsers end elsewhere, and those of another program are not this one's.
        let is_own = |client: &Option<String>| {
            client.is_some() && form.client_id.as_ref().is_none_or(|id| Some(id) == client.as_ref())
        };
        if log_in.is_some_and(|log_in| log_in.generation == generation && is_own(&log_in.client))
            && state.directory().end_log_in(&session).await?
        {
            state.revoke_everywhere(CredentialName::Session(session)).await;
        }
    }
    Ok(HttpResponse::Ok().finish())
}
