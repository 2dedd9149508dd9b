//! What programs find here by a well-known address (RFC 8414 and RFC 9728).

use actix_web::{HttpRequest, HttpResponse, web};
use bennu_kit::config::AllowedRedirects;
use bennu_kit::http::ApiError;
use serde::Serialize;
use utoipa::ToSchema;

use super::place::Place;
use crate::service::AuthState;

#[derive(utoipa::OpenApi)]
#[openapi(paths(authorization_server, protected_resource))]
pub struct ApiDoc;

/// An issuer with a path has it behind the well-known one (RFC 8414, section 3.1); many programs put it before.
pub fn routes(config: &mut web::ServiceConfig) {
    for name in ["oauth-authorization-server", "openid-configuration"] {
        config.service(web::resource(format!("/.well-known/{name}")).get(authorization_server)).service(
            web::resource(format!("/.well-known/{name}/{{issuer_path:.*}}")).get(authorization_server_of),
        );
    }
    config.service(web::resource("/.well-known/oauth-protected-resource").get(protected_resource)).service(
        web::resource("/.well-known/oauth-protected-resource/{issuer_path:.*}").get(protected_resource_of),
    );
}

#[derive(Serialize, ToSchema)]
struct AuthorizationServerMetadata {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    revocation_endpoint: String,
    response_types_supported: [&'static str; 1],
    grant_types_supported: [&'static str; 2],
    code_challenge_methods_supported: [&'static str; 1],
    token_endpoint_auth_methods_supported: [&'static str; 1],
    revocation_endpoint_auth_methods_supported: [&'static str; 1],
    /// Where programs register themselves, if they may
    #[serde(skip_serializing_if = "Option::is_none")]
    registration_endpoint: Option<String>,
}

#[derive(Serialize, ToSchema)]
struct ProtectedResourceMetadata {
    resource: String,
    resource_name: &'static str,
    authorization_servers: [String; 1],
    bearer_methods_supported: [&'static str; 1],
}

/// Tells programs how to get tokens (RFC 8414).
///
/// Under the path of a tenant, `/s/{slug}/.well-known/oauth-authorization-server`, it is that of the tenant;
/// `/.well-known/oauth-authorization-server/s/{slug}` is the same.
#[utoipa::path(
    get, path = "/.well-known/oauth-authorization-server", operation_id = "getAuthorizationServer", tag = "oauth2",
    responses(
        (status = 200, body = AuthorizationServerMetadata),
        (status = 404, description = "Switched off, or no such tenant", body = String, content_type = "text/plain"),
    )
)]
async fn authorization_server(
    request: HttpRequest,
    state: web::Data<AuthState>,
) -> Result<HttpResponse, ApiError> {
    Ok(described(&Place::of(&state, &request).await?))
}

async fn authorization_server_of(
    request: HttpRequest,
    state: web::Data<AuthState>,
    issuer_path: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    Ok(described(&place_of(&state, &request, &issuer_path).await?))
}

fn described(place: &Place<'_>) -> HttpResponse {
    let issuer = place.issuer();
    let at = |path: &str| format!("{issuer}/oauth2/{path}");
    let registers = place.settings.redirects != AllowedRedirects::Disabled;
    HttpResponse::Ok().json(AuthorizationServerMetadata {
        authorization_endpoint: at("authorize"),
        token_endpoint: at("token"),
        revocation_endpoint: at("revoke"),
        response_types_supported: ["code"],
        grant_types_supported: ["authorization_code", "refresh_token"],
        code_challenge_methods_supported: ["S256"],
        token_endpoint_auth_methods_supported: ["none"],
        revocation_endpoint_auth_methods_supported: ["none"],
        registration_endpoint: registers.then(|| at("register")),
        issuer,
    })
}

/// Tells programs which authorization server has tokens for this API (RFC 9728).
#[utoipa::path(
    get, path = "/.well-known/oauth-protected-resource", operation_id = "getProtectedResource", tag = "oauth2",
    responses(
        (status = 200, body = ProtectedResourceMetadata),
        (status = 404, description = "Switched off, or no such tenant", body = String, content_type = "text/plain"),
    )
)]
async fn protected_resource(
    request: HttpRequest,
    state: web::Data<AuthState>,
) -> Result<HttpResponse, ApiError> {
    Ok(protected(&Place::of(&state, &request).await?))
}

async fn protected_resource_of(
    request: HttpRequest,
    state: web::Data<AuthState>,
    issuer_path: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    Ok(protected(&place_of(&state, &request, &issuer_path).await?))
}

fn protected(place: &Place<'_>) -> HttpResponse {
    HttpResponse::Ok().json(ProtectedResourceMetadata {
        resource: place.issuer(),
        resource_name: "Bennu",
        authorization_servers: [place.issuer()],
        bearer_methods_supported: ["header"],
    })
}

/// By the path of the issuer, which begins with the root path.
async fn place_of<'a>(
    state: &'a AuthState,
    request: &HttpRequest,
    issuer_path: &str,
) -> Result<Place<'a>, ApiError> {
    let path = format!("/{}", issuer_path.trim_end_matches('/'));
    let below = path.strip_prefix(state.verifying()?.root_path.as_str()).unwrap_or(&path);
    let slug = match below.strip_prefix("/s/") {
        Some(slug) => Some(slug.to_owned()),
        None if below.is_empty() || below == "/" => None,
        None => return Err(ApiError::NotFound("Not Found".to_owned())),
    };
    Place::named(state, request, slug).await
}
