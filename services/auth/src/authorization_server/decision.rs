//! `/oauth2/authorize/decision`: a person lets a program act, or does not.

use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE, LOCATION};
use actix_web::{HttpRequest, HttpResponse, web};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bennu_access::{Actor, Principal, TenantScope};
use bennu_domain::ids::UserId;
use bennu_kit::http::ApiError;
use bennu_store::NewOAuthCode;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use utoipa::ToSchema;

use super::CODE_LIFE;
use super::authorize::{person, refused};
use super::error::json;
use super::place::Place;
use super::request::{AuthorizationRequest, Parameters, Refusal};
use crate::responses::store_failed;
use crate::service::AuthState;

const LARGEST_BODY: usize = 16 << 10;

#[derive(utoipa::OpenApi)]
#[openapi(paths(decide))]
pub struct ApiDoc;

pub fn routes(config: &mut web::ServiceConfig) {
    config.service(web::resource("/oauth2/authorize/decision").post(decide));
}

/// The request of the program with what the person says to it.
#[derive(ToSchema)]
#[expect(dead_code, reason = "for the API document, as forms have texts and JSON has more")]
struct DecisionBody {
    client_id: String,
    redirect_uri: String,
    response_type: String,
    code_challenge: String,
    code_challenge_method: String,
    state: Option<String>,
    scope: Option<String>,
    resource: Option<String>,
    approved: bool,
}

/// The same, read from either.
#[derive(Deserialize)]
struct Decision {
    #[serde(flatten)]
    parameters: Parameters,
    approved: Approved,
}

/// Forms have texts.
#[derive(Deserialize)]
#[serde(untagged)]
enum Approved {
    Flag(bool),
    Text(String),
}

impl Approved {
    fn is_given(&self) -> bool {
        match self {
            Self::Flag(flag) => *flag,
            Self::Text(text) => text == "true",
        }
    }
}

#[derive(Serialize, ToSchema)]
struct Decided {
    /// Where the browser goes next: to the program
    redirect_to: String,
}

/// Lets the program act, or not; for the page that asks the person, as a form or as JSON.
#[utoipa::path(
    post, path = "/oauth2/authorize/decision", operation_id = "decideAuthorization", tag = "oauth2",
    request_body = DecisionBody,
    responses(
        (status = 200, description = "To JSON", body = Decided),
        (status = 303, description = "To a form: to the program, with a code or an error"),
        (status = 400, description = "A page that says what is wrong", body = String, content_type = "text/html"),
        (status = 401, description = "Not logged in", body = String, content_type = "text/plain"),
        (status = 403, description = "The request comes from a page of another site", body = String, content_type = "text/plain"),
        (status = 429, description = "Too many attempts", body = String, content_type = "text/plain"),
    )
)]
async fn decide(
    request: HttpRequest,
    state: web::Data<AuthState>,
    body: web::Bytes,
) -> Result<HttpResponse, ApiError> {
    let place = Place::of(&state, &request).await?;
    if !place.verifying.site.is_where_from(&request) {
        return Err(ApiError::Forbidden("Invalid Origin header".to_owned()));
    }
    place.verifying.throttle.count_attempt_with_token(&request).await?;
    let not_logged_in = || ApiError::Unauthorized("Invalid token".to_owned());
    let (principal, user) = person(&state, &request).await?.ok_or_else(not_logged_in)?;
    let is_form = request.headers().get(CONTENT_TYPE).is_some_and(|kind| {
        kind.to_str().is_ok_and(|kind| kind.starts_with("application/x-www-form-urlencoded"))
    });
    let decision = decision(&body, is_form)?;
    let asked = match AuthorizationRequest::read(&state, &place, decision.parameters).await {
        Ok(asked) => asked,
        Err(Refusal::Sent(reply, error, description)) => {
            return Ok(answered(is_form, reply.error(error, description)));
        }
        Err(refusal) => return refused(refusal),
    };
    if !decision.approved.is_given() {
        return Ok(answered(is_form, asked.reply.error("access_denied", "The person refused")));
    }
    let code = issue(&state, &place, &request, (&principal, user), &asked).await?;
    Ok(answered(is_form, asked.reply.code(&code)))
}

fn decision(body: &[u8], is_form: bool) -> Result<Decision, ApiError> {
    let body = Some(body).filter(|body| body.len() <= LARGEST_BODY);
    let read = body.and_then(|body| {
        if !is_form {
            return serde_json::from_slice(body).ok();
        }
        web::Query::from_query(std::str::from_utf8(body).ok()?).ok().map(web::Query::into_inner)
    });
    let expected =
        "Expected the parameters of the authorization request, each once, and approved: true or false.";
    read.ok_or_else(|| ApiError::Unprocessable(expected.to_owned()))
}

/// A new code, of which only a hash is kept; the tenant is that in which the person is logged in.
async fn issue(
    state: &AuthState,
    place: &Place<'_>,
    request: &HttpRequest,
    (principal, user): (&Principal, UserId),
    asked: &AuthorizationRequest,
) -> Result<String, ApiError> {
    let mut secret = [0; 32];
    getrandom::fill(&mut secret).map_err(ApiError::internal)?;
    let code = URL_SAFE_NO_PAD.encode(secret);
    asked.client.keep(state, place).await?;
    let new = NewOAuthCode {
        code_hash: hash(&code),
        client_id: asked.client.id.clone(),
        user,
        redirect_uri: asked.reply.to.as_str().to_owned(),
        code_challenge: asked.code_challenge.clone(),
        refreshes: asked.client.refreshes,
        expires_at: state.after(CODE_LIFE),
    };
    let actor = Actor::of(principal, request.peer_addr().map(|peer| peer.ip()));
    let store = state.store.scoped(&TenantScope::from(principal)).by(&actor);
    store.authorize_oauth_client(new).await.map_err(store_failed)?;
    Ok(code)
}

pub fn hash(code: &str) -> Vec<u8> {
    Sha256::digest(code).to_vec()
}

fn answered(is_form: bool, redirect_to: String) -> HttpResponse {
    if is_form {
        let mut response = HttpResponse::SeeOther();
        return response
            .insert_header((LOCATION, redirect_to))
            .insert_header((CACHE_CONTROL, "no-store"))
            .finish();
    }
    json(StatusCode::OK, Decided { redirect_to })
}
