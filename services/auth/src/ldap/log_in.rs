//! `POST /auth/ldap/login`.

use std::time::Duration;

use actix_web::{HttpMessage as _, HttpRequest, HttpResponse, web};
use bennu_domain::account::Email;
use bennu_domain::ids::encode_hex;
use bennu_kit::http::{ApiError, ChosenTenant};
use bennu_store::{Identity, LogIn};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use utoipa::ToSchema;

use super::directory::{Answer, DirectoryPerson};
use crate::log_in::{logged_in, read_body};
use crate::outside_accounts::{Admission, EmailTrust, Person, Refusal, admit};
use crate::service::{AuthState, Verifying};

const WRONG: &str = "Invalid username and/or password";
const AGAIN_AFTER: Duration = Duration::from_secs(5);

#[derive(utoipa::OpenApi)]
#[openapi(paths(log_in))]
pub struct ApiDoc;

pub fn routes(config: &mut web::ServiceConfig) {
    config.service(web::resource("/auth/ldap/login").post(log_in));
}

#[derive(Default, Deserialize, ToSchema)]
struct LdapLogInBody {
    username: Option<String>,
    password: Option<String>,
}

/// Logs in with a directory (LDAP); the tokens come as cookies.
///
/// Under the path of a tenant, `/s/{slug}/auth/ldap/login`, the log-in is for that tenant.
#[utoipa::path(
    post, path = "/auth/ldap/login", operation_id = "logInWithDirectory", tag = "auth", request_body = LdapLogInBody,
    responses(
        (status = 204, description = "Logged in; sets the cookies of both tokens"),
        (status = 401, description = "Wrong, or without access", body = String, content_type = "text/plain"),
        (status = 404, description = "No directory is set up", body = String, content_type = "text/plain"),
        (status = 429, description = "Too many attempts", body = String, content_type = "text/plain"),
        (status = 503, description = "The directory cannot be asked", body = String, content_type = "text/plain"),
    )
)]
async fn log_in(
    request: HttpRequest,
    state: web::Data<AuthState>,
    body: web::Bytes,
) -> Result<HttpResponse, ApiError> {
    let verifying = state.verifying()?;
    let LdapLogInBody { username, password } = read_body(&body);
    let log_in = log_in_with_directory(&state, verifying, &request, username, password).await?;
    logged_in(&state, verifying, &log_in)
}

/// Begins a log-in by a password that the directory knows, in the tenant that the path names or in any.
pub async fn log_in_with_directory(
    state: &AuthState,
    verifying: &Verifying,
    request: &HttpRequest,
    username: Option<String>,
    password: Option<String>,
) -> Result<LogIn, ApiError> {
    verifying.throttle.count_attempt(request).await?;
    let none = || ApiError::NotFound("Logging in with a directory is not set up.".to_owned());
    let directory = verifying.directory.as_ref().ok_or_else(none)?;
    let (Some(username), Some(password)) = (username, password) else {
        return Err(ApiError::Unauthorized("Username and password required".to_owned()));
    };
    let wrong = || ApiError::Unauthorized(WRONG.to_owned());
    let name = name_of_lockout(&username).map_err(ApiError::internal)?;
    verifying.throttle.check_account(&name).await?;
    let person = match directory.authenticate(&username, &password).await {
        Ok(Answer::Known(person)) => person,
        Ok(Answer::Refused(reason)) => {
            tracing::info!(reason, "not logged in with a directory");
            verifying.throttle.count_failure(&name).await?;
            return Err(wrong());
        }
        Err(error) => {
            tracing::warn!(%error, "no directory can be asked");
            let message = "The directory cannot be asked at the moment.".to_owned();
            return Err(ApiError::Unavailable { message, retry_after: AGAIN_AFTER });
        }
    };
    verifying.throttle.forget_failures(&name).await;
    let chosen = request.extensions().get::<ChosenTenant>().map(|chosen| chosen.0.clone());
    let admission = Admission {
        only_tenant: directory.settings.tenant.as_ref(),
        allow_sign_up: directory.settings.allow_sign_up,
        resync_role: true,
        chosen_tenant: chosen.as_deref(),
    };
    let admitted = admit(state, verifying, known_as(*person, username), &admission).await;
    admitted.map_err(|refusal| match refusal {
        Refusal::Internal(error) => error,
        refusal => {
            tracing::info!(reason = %refusal, "not logged in with a directory");
            wrong()
        }
    })
}

/// Whoever runs the directory gives the addresses.
fn known_as(person: DirectoryPerson, username: String) -> Person {
    Person {
        identity: Identity::Ldap { unique_id: person.unique_id },
        email: person.email,
        email_trust: EmailTrust::Verified,
        names: person.name.into_iter().chain([username]).collect(),
        picture_url: String::new(),
        role: Some(person.role),
    }
}

/// Failures are counted by addresses. A name within a directory is none, and could be anything: its hash stands for it, at a
/// host that no address of an account has.
fn name_of_lockout(username: &str) -> Result<Email, bennu_domain::account::Unusable> {
    let hash = encode_hex(&Sha256::digest(username.trim().to_lowercase()));
    Email::parse(&format!("{hash}@ldap"))
}
