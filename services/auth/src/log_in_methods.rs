//! `GET /auth/methods`: the ways to log in, for the page that offers them.

use actix_web::web;
use bennu_kit::http::{ApiError, DataBody};
use serde::Serialize;
use utoipa::ToSchema;

use crate::service::AuthState;

#[derive(utoipa::OpenApi)]
#[openapi(paths(methods))]
pub struct ApiDoc;

pub fn routes(config: &mut web::ServiceConfig) {
    config.service(web::resource("/auth/methods").get(methods));
}

#[derive(Serialize, ToSchema)]
struct LogInMethods {
    /// Whether `POST /auth/login` takes passwords.
    password: bool,
    /// Whether `POST /auth/ldap/login` is there.
    ldap: bool,
    identity_providers: Vec<OfferedProvider>,
}

#[derive(Serialize, ToSchema)]
struct OfferedProvider {
    name: String,
    display_name: String,
    /// Where a browser goes to log in there.
    login_path: String,
    /// Whether it is to go there without being asked.
    auto_login: bool,
}

/// Tells by which ways people log in.
#[utoipa::path(
    get, path = "/auth/methods", operation_id = "getLogInMethods", tag = "auth",
    responses((status = 200, body = DataBody<LogInMethods>))
)]
async fn methods(state: web::Data<AuthState>) -> Result<web::Json<DataBody<LogInMethods>>, ApiError> {
    let verifying = state.verifying()?;
    let offered = verifying.settings.identity_providers.iter().map(|provider| OfferedProvider {
        name: provider.name.clone(),
        display_name: provider.display_name.clone(),
        login_path: format!("{}/oauth2/{}/login", verifying.root_path, provider.name),
        auto_login: provider.auto_login,
    });
    let data = LogInMethods {
        password: verifying.settings.passwords.accepted,
        ldap: verifying.directory.is_some(),
        identity_providers: offered.collect(),
    };
    Ok(web::Json(DataBody { data }))
}
