//! `/login`: the page of log-ins, for browsers that an authorization or a failed log-in with a provider sends there.

use std::fmt::Write as _;

use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderValue, LOCATION};
use actix_web::{HttpMessage as _, HttpRequest, HttpResponse, ResponseError as _, web};
use bennu_kit::http::{ApiError, ChosenTenant};
use bennu_store::LogIn;
use oauth2::url::form_urlencoded;
use serde::Deserialize;

use crate::ldap::log_in_with_directory;
use crate::log_in::{LARGEST_BODY, log_in_with_password, logged_in};
use crate::openid::is_safe_return_url;
use crate::page::{Text, page};
use crate::service::{AuthState, Verifying};

pub fn routes(config: &mut web::ServiceConfig) {
    config.service(web::resource("/login").get(show).post(submit));
}

#[derive(Default, Deserialize)]
struct LogInQuery {
    #[serde(rename = "returnUrl")]
    return_url: Option<String>,
    /// A code of a log-in that failed elsewhere.
    error: Option<String>,
}

#[derive(Default, Deserialize)]
struct LogInForm {
    email: Option<String>,
    /// Of a directory, in place of the address.
    username: Option<String>,
    password: Option<String>,
    #[serde(rename = "returnUrl")]
    return_url: Option<String>,
}

async fn show(request: HttpRequest, state: web::Data<AuthState>) -> Result<HttpResponse, ApiError> {
    let query = web::Query::<LogInQuery>::from_query(request.query_string());
    let LogInQuery { return_url, error } = query.map(web::Query::into_inner).unwrap_or_default();
    let message = error.as_deref().map(explained);
    Ok(log_in_page(state.verifying()?, &request, StatusCode::OK, return_url.as_deref(), message))
}

/// Logs in, and goes on to where the browser was sent from.
async fn submit(
    request: HttpRequest,
    state: web::Data<AuthState>,
    body: web::Bytes,
) -> Result<HttpResponse, ApiError> {
    let verifying = state.verifying()?;
    // Nobody is logged in to somebody else's account by a page of another site.
    if !verifying.site.is_where_from(&request) {
        return Err(ApiError::Forbidden("Invalid Origin header".to_owned()));
    }
    let text = std::str::from_utf8(&body).ok().filter(|text| text.len() <= LARGEST_BODY);
    let form = text.and_then(|text| web::Query::<LogInForm>::from_query(text).ok());
    let LogInForm { email, username, password, return_url } =
        form.map(web::Query::into_inner).unwrap_or_default();
    let return_url = return_url.as_deref();
    let log_in = match username {
        Some(username) => log_in_with_directory(&state, verifying, &request, Some(username), password).await,
        None => log_in_with_password(&state, verifying, &request, email, password).await,
    };
    match log_in {
        Ok(log_in) => go_on(&state, verifying, &log_in, &request, return_url),
        Err(ApiError::Internal(error)) => Err(ApiError::Internal(error)),
        Err(error) => {
            let message = error.to_string();
            Ok(log_in_page(verifying, &request, error.status_code(), return_url, Some(&message)))
        }
    }
}

fn go_on(
    state: &AuthState,
    verifying: &Verifying,
    log_in: &LogIn,
    request: &HttpRequest,
    return_url: Option<&str>,
) -> Result<HttpResponse, ApiError> {
    let mut response = logged_in(state, verifying, log_in)?;
    let to = match return_url.filter(|url| is_safe_return_url(url)) {
        Some(url) => format!("{}{url}", verifying.root_path),
        None => format!("{}/", below(verifying, request)),
    };
    *response.status_mut() = StatusCode::SEE_OTHER;
    // Browsers send addresses in ASCII.
    let to = HeaderValue::from_str(&to).unwrap_or_else(|_| HeaderValue::from_static("/"));
    response.headers_mut().insert(LOCATION, to);
    Ok(response)
}

/// With every way to log in that there is here.
fn log_in_page(
    verifying: &Verifying,
    request: &HttpRequest,
    status: StatusCode,
    return_url: Option<&str>,
    message: Option<&str>,
) -> HttpResponse {
    let return_url = return_url.filter(|url| is_safe_return_url(url));
    let below = below(verifying, request);
    let hidden = return_url.map_or_else(String::new, |url| {
        format!(r#"<input type="hidden" name="returnUrl" value="{}">"#, Text(url))
    });
    let mut body =
        message.map_or_else(String::new, |message| format!("<p class=\"error\">{}</p>", Text(message)));
    let mut form = |name: &str, label: &str, kind: &str| {
        let _ = write!(
            body,
            "<form method=\"post\" action=\"{}/login\">{hidden}<label>{label}\
             <input name=\"{name}\" type=\"{kind}\" autocomplete=\"username\" required></label>\
             <label>Password<input name=\"password\" type=\"password\" autocomplete=\"current-password\" required></label>\
             <button>Log in</button></form>",
            Text(&below)
        );
    };
    if verifying.directory.is_some() {
        form("username", "User name", "text");
    }
    if verifying.settings.passwords.accepted {
        form("email", "E-mail address", "email");
    }
    let query = return_url.map_or_else(String::new, |url| {
        let query = form_urlencoded::Serializer::new(String::new()).append_pair("returnUrl", url).finish();
        format!("?{query}")
    });
    for provider in &verifying.settings.identity_providers {
        let path = format!("{below}/oauth2/{}/login{query}", provider.name);
        let (path, name) = (Text(&path), Text(&provider.display_name));
        let _ = write!(body, r#"<a class="way" href="{path}">Log in with {name}</a>"#);
    }
    page(status, "Log in", &body)
}

/// The root path, and that of the tenant if the path names one.
fn below(verifying: &Verifying, request: &HttpRequest) -> String {
    let slug = request.extensions().get::<ChosenTenant>().map(|chosen| format!("/s/{}", chosen.0));
    format!("{}{}", verifying.root_path, slug.unwrap_or_default())
}

/// The codes with which log-ins elsewhere fail.
fn explained(code: &str) -> &'static str {
    match code {
        "unknown_idp" => "There is no such identity provider.",
        "auth_failed" => "The identity provider did not let you in.",
        "invalid_state" => "That took too long, or was begun elsewhere. Try again.",
        "unsafe_return_url" => "The address to return to is not one of this server.",
        "oauth_error" | "no_oidc_support" => "The identity provider could not be asked.",
        "missing_email_scope" => "The identity provider does not tell your e-mail address.",
        "email_in_use" => "The e-mail address belongs to an account that is entered in another way.",
        "sign_in_not_allowed" => "You have no account here, and get none this way.",
        _ => "Logging in did not succeed.",
    }
}
