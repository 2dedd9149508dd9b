//! `POST /oauth2/register`: programs make themselves known (RFC 7591).

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use bennu_access::{Actor, ActorKind, SystemScope};
use bennu_kit::config::AllowedRedirects;
use bennu_kit::http::ApiError;
use bennu_store::{NewOAuthClient, OAuthClient};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::error::{OAuthError, OAuthErrorBody, json};
use super::place::Place;
use super::redirect_uri::RedirectUri;
use crate::bootstrap::random_password as random;
use crate::service::AuthState;

/// Of a tenant. Those that nobody uses are forgotten.
const MOST: u64 = 10_000;
const LARGEST_BODY: usize = 32 << 10;
const MOST_REDIRECT_URIS: usize = 10;
const LONGEST_NAME: usize = 200;
const LONGEST_URL: usize = 2_048;

const CODE: &str = "authorization_code";
const REFRESH: &str = "refresh_token";

#[derive(utoipa::OpenApi)]
#[openapi(paths(register))]
pub struct ApiDoc;

pub fn routes(config: &mut web::ServiceConfig) {
    config.service(web::resource("/oauth2/register").post(register));
}

/// What a program says about itself; more is not looked at.
#[derive(Deserialize, ToSchema)]
struct RegistrationBody {
    /// With TLS, on the loopback interface, or of a scheme of the program's own
    redirect_uris: Vec<String>,
    client_name: Option<String>,
    logo_uri: Option<String>,
    grant_types: Option<Vec<String>>,
    response_types: Option<Vec<String>>,
}

#[derive(Serialize, ToSchema)]
struct RegisteredBody {
    client_id: String,
    client_id_issued_at: i64,
    client_name: Option<String>,
    redirect_uris: Vec<String>,
    grant_types: Vec<&'static str>,
    response_types: [&'static str; 1],
    /// Programs get no secret
    token_endpoint_auth_method: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    logo_uri: Option<String>,
}

/// Makes a program known, which can then ask people to let it act.
///
/// Under the path of a tenant, `/s/{slug}/oauth2/register`, it is known there.
#[utoipa::path(
    post, path = "/oauth2/register", operation_id = "registerClient", tag = "oauth2", request_body = RegistrationBody,
    responses(
        (status = 201, body = RegisteredBody),
        (status = 400, body = OAuthErrorBody),
        (status = 403, description = "Programs may not register here", body = String, content_type = "text/plain"),
        (status = 429, description = "Too many, from this address or of this tenant", body = String, content_type = "text/plain"),
    )
)]
async fn register(
    request: HttpRequest,
    state: web::Data<AuthState>,
    body: web::Bytes,
) -> Result<HttpResponse, OAuthError> {
    let place = Place::of(&state, &request).await?;
    if place.settings.redirects == AllowedRedirects::Disabled {
        return Err(ApiError::Forbidden("Programs cannot register here.".to_owned()).into());
    }
    place.verifying.throttle.count_registration(&request, place.settings.registrations_an_hour).await?;
    let body = Some(&body).filter(|body| body.len() <= LARGEST_BODY);
    let body = body.and_then(|body| serde_json::from_slice(body).ok());
    let body: RegistrationBody =
        body.ok_or_else(|| metadata("Expected a JSON object with redirect_uris, a list of texts."))?;
    let new = checked(body, &place.settings.redirects)?;
    let scope = SystemScope::for_tenant(place.tenant.id, "a program registers itself");
    let address = request.peer_addr().map(|peer| peer.ip());
    let actor = Actor { kind: ActorKind::Anonymous, name: "anonymous".to_owned(), address };
    let registered = state.store.scoped(&scope).by(&actor).register_oauth_client(new, MOST).await?;
    let full = || ApiError::TooMany {
        message: "Too many programs are registered here.".to_owned(),
        retry_after: None,
    };
    Ok(json(StatusCode::CREATED, RegisteredBody::from(registered.ok_or_else(full)?)))
}

fn checked(body: RegistrationBody, allowed: &AllowedRedirects) -> Result<NewOAuthClient, OAuthError> {
    if !(1..=MOST_REDIRECT_URIS).contains(&body.redirect_uris.len()) {
        return Err(metadata("redirect_uris: expected one to ten."));
    }
    let is_fit = |uri: &String| RedirectUri::parse(uri).is_some_and(|uri| uri.is_allowed(allowed));
    if !body.redirect_uris.iter().all(is_fit) {
        let description = "redirect_uris: expected https://, http:// on the loopback interface or a scheme of the program's own, as far as this server allows.";
        return Err(OAuthError::Refused { code: "invalid_redirect_uri", description });
    }
    let is_name = |name: &String| {
        let length = name.chars().count();
        (1..=LONGEST_NAME).contains(&length) && !name.chars().any(char::is_control) && !name.trim().is_empty()
    };
    if !body.client_name.as_ref().is_none_or(is_name) {
        return Err(metadata(
            "client_name: expected up to 200 characters, none of them a control character.",
        ));
    }
    let is_url = |url: &String| url.len() <= LONGEST_URL && url.starts_with("https://");
    if !body.logo_uri.as_ref().is_none_or(is_url) {
        return Err(metadata("logo_uri: expected an https:// URL."));
    }
    let grants = body.grant_types.unwrap_or_else(|| vec![CODE.to_owned(), REFRESH.to_owned()]);
    let has = |grant: &str| grants.iter().any(|asked| asked == grant);
    if !has(CODE) || !grants.iter().all(|grant| [CODE, REFRESH].contains(&grant.as_str())) {
        return Err(metadata("grant_types: expected authorization_code, and refresh_token if it is wanted."));
    }
    if body.response_types.is_some_and(|types| types != ["code"]) {
        return Err(metadata("response_types: expected code."));
    }
    let client_id = random().map_err(|error| OAuthError::Other(ApiError::internal(error)))?;
    Ok(NewOAuthClient {
        client_id: format!("bnu_client_{}", &client_id[..32]),
        name: body.client_name,
        logo_uri: body.logo_uri,
        refreshes: has(REFRESH),
        redirect_uris: body.redirect_uris,
    })
}

fn metadata(description: &'static str) -> OAuthError {
    OAuthError::Refused { code: "invalid_client_metadata", description }
}

impl From<OAuthClient> for RegisteredBody {
    fn from(client: OAuthClient) -> Self {
        const MICROS: i64 = 1_000_000;
        Self {
            client_id: client.client_id,
            client_id_issued_at: client.created_at.0.div_euclid(MICROS),
            client_name: client.name,
            redirect_uris: client.redirect_uris,
            grant_types: if client.refreshes { vec![CODE, REFRESH] } else { vec![CODE] },
            response_types: ["code"],
            token_endpoint_auth_method: "none",
            logo_uri: client.logo_uri,
        }
    }
}
