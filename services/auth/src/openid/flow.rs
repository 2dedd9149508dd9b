//! `/oauth2/{idp}/login` and `/oauth2/{idp}/tokens`: away to the provider, and back.

use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, HeaderValue, LOCATION};
use actix_web::{HttpMessage as _, HttpRequest, HttpResponse, web};
use bennu_kit::http::{ApiError, ChosenTenant};
use bennu_store::Identity;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::claims::NoRole;
use super::exchange::Arrival;
use super::failure::Failure;
use super::id_token::Claims;
use super::in_flight::{
    CODE_VERIFIER, LIFE, NONCE, STATE, StateClaims, forgotten, is_safe_return_url, kept, value_of,
};
use super::provider::Provider;
use crate::bootstrap::random_password as random;
use crate::log_in::logged_in;
use crate::outside_accounts::{Admission, Person, admit};
use crate::service::{AuthState, Verifying};

/// A picture is shown by its URL; beyond this it would be one within the URL.
const LONGEST_PICTURE_URL: usize = 2_048;

#[derive(utoipa::OpenApi)]
#[openapi(paths(leave, come_back))]
pub struct ApiDoc;

pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(
            web::resource("/oauth2/{idp}/login").route(web::get().to(leave)).route(web::post().to(leave)),
        )
        .service(web::resource("/oauth2/{idp}/tokens").route(web::get().to(come_back)));
}

#[derive(Default, Deserialize)]
struct LeaveQuery {
    /// A path of this server to go to afterwards.
    #[serde(rename = "returnUrl")]
    return_url: Option<String>,
}

#[derive(Default, Deserialize)]
struct ComeBackQuery {
    state: Option<String>,
    code: Option<String>,
    /// Of the provider, in place of a code.
    error: Option<String>,
}

/// Sends a browser to an identity provider to log in there.
///
/// Under the path of a tenant, `/s/{slug}/oauth2/{idp}/login`, the log-in is for that tenant.
#[utoipa::path(
    get, path = "/oauth2/{idp}/login", operation_id = "logInWithProvider", tag = "auth",
    params(
        ("idp" = String, Path, description = "The provider, by the name in the settings"),
        ("returnUrl" = Option<String>, Query, description = "A path of this server to go to afterwards"),
    ),
    responses(
        (status = 302, description = "To the provider; sets the cookies by which the answer is known. Or to the page of log-ins, with `error`"),
        (status = 429, description = "Too many attempts", body = String, content_type = "text/plain"),
    )
)]
async fn leave(
    request: HttpRequest,
    state: web::Data<AuthState>,
    name: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let verifying = state.verifying()?;
    verifying.throttle.count_attempt(&request).await?;
    let departed = send_away(&state, verifying, &request, &name).await;
    departed.or_else(|failure| turned_away(verifying, &name, failure))
}

async fn send_away(
    state: &AuthState,
    verifying: &Verifying,
    request: &HttpRequest,
    name: &str,
) -> Result<HttpResponse, Failure> {
    let provider = verifying.providers.by_name.get(name).ok_or(Failure::UnknownProvider)?;
    let return_url = query::<LeaveQuery>(request).return_url.filter(|url| !url.is_empty());
    if return_url.as_deref().is_some_and(|url| !is_safe_return_url(url)) {
        return Err(Failure::UnsafeReturnUrl);
    }
    let internal = |error: &dyn std::fmt::Display| Failure::Exchange(error.to_string());
    let nonce = random().map_err(|error| internal(&error))?;
    let claims = StateClaims {
        provider: name.to_owned(),
        site: verifying.site.for_browser(request),
        return_url,
        tenant: request.extensions().get::<ChosenTenant>().map(|chosen| chosen.0.clone()),
        random: random().map_err(|error| internal(&error))?,
    };
    let redirect_uri = redirect_uri(&claims);
    let signed = verifying.keys.sign(claims, state.clock.now(), state.after(LIFE));
    let signed = signed.map_err(|error| internal(&error))?;
    let departure = provider.send_away(&redirect_uri, signed.clone(), nonce.clone()).await?;
    let cookies = &verifying.settings.cookies;
    let mut response = HttpResponse::Found();
    response.insert_header((LOCATION, departure.url)).insert_header((CACHE_CONTROL, "no-store"));
    response.cookie(kept(cookies, STATE, signed)).cookie(kept(cookies, NONCE, nonce));
    if let Some(verifier) = departure.code_verifier {
        response.cookie(kept(cookies, CODE_VERIFIER, verifier));
    }
    Ok(response.finish())
}

/// Takes a browser back from an identity provider, and logs it in.
#[utoipa::path(
    get, path = "/oauth2/{idp}/tokens", operation_id = "finishLogInWithProvider", tag = "auth",
    params(
        ("idp" = String, Path, description = "The provider, by the name in the settings"),
        ("state" = Option<String>, Query, description = "As it was sent away"),
        ("code" = Option<String>, Query, description = "Of the provider, for its tokens"),
        ("error" = Option<String>, Query, description = "Of the provider, in place of a code"),
    ),
    responses(
        (status = 302, description = "Logged in; sets the cookies of both tokens. Or to the page of log-ins, with `error`"),
        (status = 429, description = "Too many attempts", body = String, content_type = "text/plain"),
    )
)]
async fn come_back(
    request: HttpRequest,
    state: web::Data<AuthState>,
    name: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let verifying = state.verifying()?;
    verifying.throttle.count_attempt(&request).await?;
    let received = receive(&state, verifying, &request, &name).await;
    received.or_else(|failure| turned_away(verifying, &name, failure))
}

async fn receive(
    state: &AuthState,
    verifying: &Verifying,
    request: &HttpRequest,
    name: &str,
) -> Result<HttpResponse, Failure> {
    let provider = verifying.providers.by_name.get(name).ok_or(Failure::UnknownProvider)?;
    let ComeBackQuery { state: returned, code, error } = query(request);
    let (returned, cookie) = (returned.ok_or(Failure::InvalidState)?, value_of(request, STATE));
    if cookie.as_deref() != Some(returned.as_str()) {
        return Err(Failure::InvalidState);
    }
    let begun: StateClaims =
        verifying.keys.verify(&returned, state.clock.now()).map_err(|_| Failure::InvalidState)?;
    if begun.provider != name {
        return Err(Failure::InvalidState);
    }
    if let Some(error) = error {
        // Anybody can write anything there.
        let plain = error.chars().filter(char::is_ascii_graphic).take(64).collect();
        return Err(Failure::NotAuthenticated(plain));
    }
    let arrival = Arrival {
        code: code.ok_or_else(|| Failure::NotAuthenticated("no code".to_owned()))?,
        nonce: value_of(request, NONCE).ok_or(Failure::InvalidState)?,
        code_verifier: value_of(request, CODE_VERIFIER),
        redirect_uri: redirect_uri(&begun),
    };
    let person = person(provider, &provider.receive(arrival).await?)?;
    let admission = Admission {
        only_tenant: provider.settings.tenant.as_ref(),
        allow_sign_up: provider.settings.allow_sign_up,
        resync_role: provider.settings.roles.as_ref().is_some_and(|rule| rule.resync),
        chosen_tenant: begun.tenant.as_deref(),
    };
    let log_in = admit(state, verifying, person, &admission).await?;
    let mut response = logged_in(state, verifying, &log_in)
        .map_err(|error| Failure::Refused(crate::outside_accounts::Refusal::Internal(error)))?;
    let page = begun.return_url.as_deref().unwrap_or("/");
    redirect(&mut response, verifying, &format!("{}{page}", verifying.root_path));
    Ok(response)
}

fn person(provider: &Provider, claims: &Claims) -> Result<Person, Failure> {
    let refused = |reason: &str| Failure::NotAuthenticated(reason.to_owned());
    let user_id = match claims.get("sub") {
        Some(Value::String(id)) if !id.trim().is_empty() => id.trim().to_owned(),
        // The specification says text.
        Some(Value::Number(id)) => id.to_string(),
        _ => return Err(refused("no sub")),
    };
    let (email, email_trust) = provider.rules.email(claims).ok_or(Failure::NoEmail)?;
    if !provider.rules.admit(claims) {
        return Err(refused("in none of the groups"));
    }
    let role = provider.rules.role(claims).map_err(|NoRole| refused("no role"))?;
    let text = |name: &str| claims.get(name).and_then(Value::as_str).map(str::to_owned);
    let is_picture = |url: &String| url.starts_with("https://") && url.len() <= LONGEST_PICTURE_URL;
    Ok(Person {
        identity: Identity::OAuth2 { client_id: provider.settings.client_id.clone(), user_id },
        email: Some(email),
        email_trust,
        names: ["name", "preferred_username"].into_iter().filter_map(text).collect(),
        picture_url: text("picture").filter(is_picture).unwrap_or_default(),
        role,
    })
}

fn redirect_uri(state: &StateClaims) -> String {
    format!("{}/oauth2/{}/tokens", state.site, state.provider)
}

/// To the page of log-ins, which says why.
fn turned_away(verifying: &Verifying, name: &str, failure: Failure) -> Result<HttpResponse, ApiError> {
    let failure = match failure.into_internal() {
        Ok(error) => return Err(error),
        Err(failure) => failure,
    };
    let provider: String = name.chars().take(64).collect();
    tracing::info!(provider, reason = %failure, "not logged in with an identity provider");
    let mut response = HttpResponse::Found().finish();
    redirect(&mut response, verifying, &format!("{}/login?error={}", verifying.root_path, failure.code()));
    Ok(response)
}

fn redirect(response: &mut HttpResponse, verifying: &Verifying, to: &str) {
    *response.status_mut() = StatusCode::FOUND;
    let to = HeaderValue::from_str(to).unwrap_or_else(|_| HeaderValue::from_static("/"));
    response.headers_mut().insert(LOCATION, to);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    for cookie in forgotten(&verifying.settings.cookies) {
        // Of our own making: it can always be written.
        let _ = response.add_cookie(&cookie);
    }
}

/// What cannot be read counts as not given.
fn query<T: DeserializeOwned + Default>(request: &HttpRequest) -> T {
    web::Query::<T>::from_query(request.query_string()).map(web::Query::into_inner).unwrap_or_default()
}
