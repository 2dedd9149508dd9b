//! `/oauth2/authorize` and `/oauth2/consent`: a program asks a person, in a browser, to let it act.

use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, HeaderValue, LOCATION};
use actix_web::{HttpMessage as _, HttpRequest, HttpResponse, web};
use bennu_access::{Credential, Principal};
use bennu_domain::ids::UserId;
use bennu_kit::http::{ACCESS_COOKIE, ApiError};
use oauth2::url::form_urlencoded;

use super::consent::consent_page;
use super::place::Place;
use super::request::{AuthorizationRequest, Parameters, Refusal};
use crate::log_in::{refresh_claims, renew};
use crate::page::{Text, comes_from_elsewhere, going_on, page};
use crate::responses::store_failed;
use crate::service::AuthState;

#[derive(utoipa::OpenApi)]
#[openapi(paths(authorize, consent))]
pub struct ApiDoc;

pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/oauth2/authorize").get(authorize))
        .service(web::resource("/oauth2/consent").get(consent));
}

/// Where a program sends a browser to ask its person (RFC 6749, section 4.1.1; PKCE with S256 is required).
#[utoipa::path(
    get, path = "/oauth2/authorize", operation_id = "authorizeClient", tag = "oauth2",
    params(
        ("client_id" = String, Query), ("redirect_uri" = String, Query),
        ("response_type" = String, Query, description = "`code`"),
        ("code_challenge" = String, Query), ("code_challenge_method" = String, Query, description = "`S256`"),
        ("state" = Option<String>, Query), ("scope" = Option<String>, Query, description = "Taken, without any meaning"),
        ("resource" = Option<String>, Query, description = "The address of this server (RFC 8707)"),
    ),
    responses(
        (status = 302, description = "To the page that asks the person, to that of log-ins, or back to the program with an error"),
        (status = 400, description = "A page: the program is not known, or its address is another", body = String, content_type = "text/html"),
    )
)]
async fn authorize(request: HttpRequest, state: web::Data<AuthState>) -> Result<HttpResponse, ApiError> {
    let place = Place::of(&state, &request).await?;
    let (asked, parameters) = match read(&state, &place, &request).await {
        Ok(read) => read,
        Err(refusal) => return refused(refusal),
    };
    if person(&state, &request).await?.is_none() {
        return Ok(to_log_in(&state, &place, &request, "/oauth2/authorize", &parameters).await);
    }
    // As pages of the reference server find them.
    let more = [
        ("client_name", asked.client.name.as_deref().unwrap_or_default()),
        ("is_first_party", if asked.client.is_first_party { "true" } else { "false" }),
    ];
    Ok(found(&place.path(&format!("/oauth2/consent?{}", parameters.as_query(&more)))))
}

/// Asks the person, on a page.
#[utoipa::path(
    get, path = "/oauth2/consent", operation_id = "getConsentPage", tag = "oauth2",
    responses(
        (status = 200, body = String, content_type = "text/html"),
        (status = 302, description = "To the page of log-ins, or back to the program with an error"),
        (status = 400, description = "A page that says what is wrong", body = String, content_type = "text/html"),
    )
)]
async fn consent(request: HttpRequest, state: web::Data<AuthState>) -> Result<HttpResponse, ApiError> {
    let place = Place::of(&state, &request).await?;
    let (asked, parameters) = match read(&state, &place, &request).await {
        Ok(read) => read,
        Err(refusal) => return refused(refusal),
    };
    match person(&state, &request).await? {
        None => Ok(to_log_in(&state, &place, &request, "/oauth2/consent", &parameters).await),
        Some((principal, _)) => Ok(consent_page(&place, &principal, &asked, &parameters)),
    }
}

/// Whoever is logged in with a browser. A program must not let others act, nor itself for longer.
pub async fn person(
    state: &AuthState,
    request: &HttpRequest,
) -> Result<Option<(Principal, UserId)>, ApiError> {
    let Some(principal) = request.extensions().get::<Principal>().cloned() else { return Ok(None) };
    let (Credential::Session(id), Some(user)) = (&principal.parts().credential, principal.parts().user)
    else {
        return Ok(None);
    };
    let log_in = state.directory().log_in(id).await.map_err(store_failed)?;
    let is_of_browser = log_in.is_some_and(|log_in| log_in.client.is_none());
    Ok(is_of_browser.then_some((principal, user)))
}

async fn read(
    state: &AuthState,
    place: &Place<'_>,
    request: &HttpRequest,
) -> Result<(AuthorizationRequest, Parameters), Refusal> {
    let parameters = web::Query::<Parameters>::from_query(request.query_string());
    let repeated = "The program that sent you here gave a parameter twice, or one that is no text.";
    let parameters = parameters.map_err(|_| Refusal::Shown(repeated))?.into_inner();
    Ok((AuthorizationRequest::read(state, place, parameters.clone()).await?, parameters))
}

pub fn refused(refusal: Refusal) -> Result<HttpResponse, ApiError> {
    match refusal {
        Refusal::Shown(reason) => {
            let body = format!("<p>{}</p>", Text(reason));
            Ok(page(StatusCode::BAD_REQUEST, "This does not work", &body))
        }
        Refusal::Sent(reply, error, description) => Ok(found(&reply.error(error, description))),
        Refusal::Internal(error) => Err(error),
    }
}

/// To the page of log-ins, and back. A browser that another site sent keeps its cookies back once.
async fn to_log_in(
    state: &AuthState,
    place: &Place<'_>,
    request: &HttpRequest,
    path: &str,
    asked: &Parameters,
) -> HttpResponse {
    let here = format!("{path}?{}", asked.as_query(&[]));
    if comes_from_elsewhere(request) {
        return going_on(&place.path(&here));
    }
    if let Some(renewed) = renewed(state, place, request, &place.path(&here)).await {
        return renewed;
    }
    // Without the root path, which is put before it.
    let here = format!("{}{here}", place.below());
    let query = form_urlencoded::Serializer::new(String::new()).append_pair("returnUrl", &here).finish();
    found(&place.path(&format!("/login?{query}")))
}

/// The same page again with new tokens, where a browser has outlived its access token. It has one then: this happens once.
async fn renewed(
    state: &AuthState,
    place: &Place<'_>,
    request: &HttpRequest,
    here: &str,
) -> Option<HttpResponse> {
    if request.cookie(ACCESS_COOKIE).is_some() {
        return None;
    }
    let claims = refresh_claims(state, place.verifying, request).ok()?;
    let mut response = renew(state, place.verifying, &claims, None).await.ok()?;
    *response.status_mut() = StatusCode::FOUND;
    response.headers_mut().insert(LOCATION, HeaderValue::from_str(here).ok()?);
    Some(response)
}

fn found(to: &str) -> HttpResponse {
    HttpResponse::Found().insert_header((LOCATION, to)).insert_header((CACHE_CONTROL, "no-store")).finish()
}
