//! `POST /oauth2/token`: a code, and then each refresh token, is changed for new tokens (RFC 6749, sections 4.1.3 and 6).

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bennu_access::{CredentialName, RefreshClaims};
use bennu_store::{LogIn, Redeemed, Redemption, Renewal, Rotation};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use utoipa::ToSchema;

use super::client::Client;
use super::decision::hash;
use super::error::{OAuthError, OAuthErrorBody, json};
use super::place::Place;
use crate::service::AuthState;
use crate::tokens::{Tokens, tokens_of};

const LARGEST_BODY: usize = 16 << 10;
/// RFC 7636, section 4.1.
const VERIFIER_LENGTHS: std::ops::RangeInclusive<usize> = 43..=128;

#[derive(utoipa::OpenApi)]
#[openapi(paths(token))]
pub struct ApiDoc;

pub fn routes(config: &mut web::ServiceConfig) {
    config.service(web::resource("/oauth2/token").post(token));
}

/// The parameters of both grants.
#[derive(Default, Deserialize, ToSchema)]
struct TokenForm {
    /// `authorization_code` or `refresh_token`
    grant_type: Option<String>,
    client_id: Option<String>,
    code: Option<String>,
    redirect_uri: Option<String>,
    code_verifier: Option<String>,
    refresh_token: Option<String>,
    /// The address of this server (RFC 8707)
    resource: Option<String>,
}

#[derive(Serialize, ToSchema)]
struct TokenBody {
    access_token: String,
    token_type: &'static str,
    /// Seconds
    expires_in: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
}

/// Changes a code or a refresh token for new tokens; it is void then. One that comes a second time ends what it began.
#[utoipa::path(
    post, path = "/oauth2/token", operation_id = "getToken", tag = "oauth2",
    request_body(content = TokenForm, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, body = TokenBody),
        (status = 400, body = OAuthErrorBody),
        (status = 401, description = "The program is not known", body = OAuthErrorBody),
        (status = 429, description = "Too many attempts", body = String, content_type = "text/plain"),
    )
)]
async fn token(
    request: HttpRequest,
    state: web::Data<AuthState>,
    body: web::Bytes,
) -> Result<HttpResponse, OAuthError> {
    let place = Place::of(&state, &request).await?;
    place.verifying.throttle.count_attempt_with_token(&request).await?;
    let form: TokenForm = form(&body)?;
    let grant =
        form.grant_type.as_deref().ok_or_else(|| OAuthError::invalid_request("grant_type is missing."))?;
    if !["authorization_code", "refresh_token"].contains(&grant) {
        let description = "grant_type: expected authorization_code or refresh_token.";
        return Err(OAuthError::Refused { code: "unsupported_grant_type", description });
    }
    let id = form.client_id.as_deref().ok_or_else(|| OAuthError::invalid_request("client_id is missing."))?;
    let unknown =
        || OAuthError::Refused { code: "invalid_client", description: "client_id: it is not known." };
    let client = Client::find(&state, &place, id).await?.ok_or_else(unknown)?;
    if !form.resource.as_deref().is_none_or(|resource| place.has(resource)) {
        let description = "resource: expected the address of this server.";
        return Err(OAuthError::Refused { code: "invalid_target", description });
    }
    let (log_in, refreshes) = match grant {
        "refresh_token" => (refreshed(&state, &place, &client, &form).await?, true),
        _ => redeemed(&state, &place, &client, &form).await?,
    };
    let Tokens { access, refresh } =
        tokens_of(&state, place.verifying, &log_in).map_err(OAuthError::Other)?;
    Ok(json(
        StatusCode::OK,
        TokenBody {
            access_token: access.text,
            token_type: "Bearer",
            expires_in: access.life.as_secs(),
            refresh_token: refreshes.then_some(refresh.text),
        },
    ))
}

/// What cannot be read, or is there twice, is no request.
pub fn form<T: for<'a> Deserialize<'a>>(body: &[u8]) -> Result<T, OAuthError> {
    let text = std::str::from_utf8(body).ok().filter(|text| text.len() <= LARGEST_BODY);
    let form = text.and_then(|text| web::Query::<T>::from_query(text).ok());
    let expected = "Expected application/x-www-form-urlencoded, with each parameter once.";
    form.map(web::Query::into_inner).ok_or_else(|| OAuthError::invalid_request(expected))
}

/// A log-in for a code, and whether the program renews it.
async fn redeemed(
    state: &AuthState,
    place: &Place<'_>,
    client: &Client,
    form: &TokenForm,
) -> Result<(LogIn, bool), OAuthError> {
    let missing = || OAuthError::invalid_request("code, redirect_uri or code_verifier is missing.");
    let TokenForm {
        code: Some(code), redirect_uri: Some(redirect_uri), code_verifier: Some(verifier), ..
    } = form
    else {
        return Err(missing());
    };
    if !VERIFIER_LENGTHS.contains(&verifier.len()) {
        return Err(OAuthError::invalid_request("code_verifier: expected 43 to 128 characters."));
    }
    let redemption = Redemption {
        code_hash: &hash(code),
        client_id: &client.id,
        redirect_uri,
        code_challenge: &URL_SAFE_NO_PAD.encode(Sha256::digest(verifier)),
        tenant: place.only_tenant(),
        log_in_id: uuid::Uuid::new_v4().to_string(),
        expires_at: state.after(place.verifying.settings.refresh_token_life),
        ends_at: state.after(place.settings.grant_life),
    };
    match state.directory().redeem_oauth_code(redemption).await? {
        Redeemed::Granted { log_in, refreshes } => {
            tracing::info!(
                user = log_in.user.0,
                tenant = log_in.tenant.0,
                client = client.id,
                "a program acts for a person"
            );
            Ok((log_in, refreshes))
        }
        Redeemed::Refused => Err(OAuthError::invalid_grant("The code is not valid, or not any more.")),
        Redeemed::Replayed(log_in) => {
            tracing::warn!(client = client.id, "a code was used twice: the log-in was ended");
            state.revoke_everywhere(CredentialName::Session(log_in)).await;
            Err(OAuthError::invalid_grant("The code was used before."))
        }
    }
}

/// The next generation of a log-in.
async fn refreshed(
    state: &AuthState,
    place: &Place<'_>,
    client: &Client,
    form: &TokenForm,
) -> Result<LogIn, OAuthError> {
    let token = form.refresh_token.as_deref();
    let token = token.ok_or_else(|| OAuthError::invalid_request("refresh_token is missing."))?;
    let invalid = || OAuthError::invalid_grant("The refresh token is not valid, or not any more.");
    let claims: RefreshClaims =
        place.verifying.keys.verify(token, state.clock.now()).map_err(|_| invalid())?;
    if let Some(tenant) = place.only_tenant() {
        // It stays in its tenant for as long as it is there.
        let log_in = state.directory().log_in(&claims.session).await?;
        log_in.filter(|log_in| log_in.tenant == tenant).ok_or_else(invalid)?;
    }
    let renewal = Renewal {
        id: &claims.session,
        generation: claims.generation,
        client: Some(&client.id),
        tenant: None,
        expires_at: state.after(place.verifying.settings.refresh_token_life),
    };
    let (log_in, reused) = match state.directory().renew_log_in(renewal).await? {
        Rotation::Renewed(log_in) => (log_in, false),
        Rotation::Reused(log_in) => (log_in, true),
        Rotation::Ended => return Err(invalid()),
    };
    state.revoke_everywhere(CredentialName::Session(log_in.id.clone())).await;
    if reused {
        tracing::warn!(
            user = log_in.user.0,
            client = client.id,
            "a refresh token was used twice: the log-in was ended"
        );
        return Err(invalid());
    }
    Ok(log_in)
}
