//! `/platform/v1/memberships`: the tenants of the person who is logged in.

use actix_web::{HttpRequest, HttpResponse, web};
use bennu_access::{CredentialName, Own, SystemScope};
use bennu_domain::ids::UserId;
use bennu_kit::http::{ApiError, Authorized, DataBody};
use bennu_store::Membership;
use serde::Serialize;
use utoipa::ToSchema;

use crate::log_in::{refresh_claims, renew};
use crate::responses::{no_content, store_failed};
use crate::service::AuthState;
use crate::users::check_change;

#[derive(utoipa::OpenApi)]
#[openapi(paths(list, switch, leave))]
pub struct ApiDoc;

pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/platform/v1/memberships").get(list))
        .service(web::resource("/platform/v1/memberships/{slug}/switch").post(switch))
        .service(web::resource("/platform/v1/memberships/{slug}").delete(leave));
}

#[derive(Serialize, ToSchema)]
#[schema(as = Membership)]
struct MembershipBody {
    /// The slug of the tenant: `/s/{slug}/…` reaches it.
    tenant: String,
    name: String,
    username: String,
    role: String,
    suspended: bool,
    /// Whether requests without `/s/{slug}` reach this tenant.
    current: bool,
}

fn person(caller: &Authorized<Own>) -> Result<UserId, ApiError> {
    let no_person = || ApiError::Forbidden("Only people who are logged in have memberships.".to_owned());
    caller.principal().session_user().ok_or_else(no_person)
}

/// Lists the tenants of the person who is logged in.
#[utoipa::path(
    get, path = "/platform/v1/memberships", operation_id = "getMemberships", tag = "tenants",
    responses((status = 200, body = DataBody<Vec<MembershipBody>>), (status = 403, body = String, content_type = "text/plain"))
)]
async fn list(
    caller: Authorized<Own>,
    state: web::Data<AuthState>,
) -> Result<web::Json<DataBody<Vec<MembershipBody>>>, ApiError> {
    let (user, current) = (person(&caller)?, caller.scope().tenant());
    let memberships = state.directory().memberships(user).await.map_err(store_failed)?;
    let body = |Membership { tenant, username, role }| MembershipBody {
        current: tenant.id == current,
        suspended: tenant.suspended_at.is_some(),
        tenant: tenant.slug,
        name: tenant.name,
        username,
        role: role.to_string(),
    };
    Ok(web::Json(DataBody { data: memberships.into_iter().map(body).collect() }))
}

async fn membership(state: &AuthState, user: UserId, slug: &str) -> Result<Membership, ApiError> {
    let memberships = state.directory().memberships(user).await.map_err(store_failed)?;
    let found = memberships.into_iter().find(|membership| membership.tenant.slug == slug);
    found.ok_or_else(|| ApiError::NotFound(format!("You are no member of a tenant {slug:?}.")))
}

/// Goes on in another tenant: the log-in gets new tokens, which reach it.
#[utoipa::path(
    post, path = "/platform/v1/memberships/{slug}/switch", operation_id = "switchTenant", tag = "tenants",
    params(("slug" = String, Path, description = "The slug of the tenant")),
    responses(
        (status = 204, description = "Sets the cookies of both tokens anew"),
        (status = 401, description = "There is no refresh token", body = String, content_type = "text/plain"),
        (status = 403, body = String, content_type = "text/plain"),
        (status = 404, body = String, content_type = "text/plain"),
    )
)]
async fn switch(
    caller: Authorized<Own>,
    request: HttpRequest,
    state: web::Data<AuthState>,
    slug: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let verifying = state.verifying()?;
    let Membership { tenant, .. } = membership(&state, person(&caller)?, &slug).await?;
    if tenant.suspended_at.is_some() {
        return Err(ApiError::Forbidden("This tenant is suspended.".to_owned()));
    }
    let claims = refresh_claims(&state, verifying, &request)?;
    renew(&state, verifying, &claims, Some(tenant.id)).await
}

/// Leaves a tenant, with one's keys of it. The account goes with its last membership.
#[utoipa::path(
    delete, path = "/platform/v1/memberships/{slug}", operation_id = "leaveTenant", tag = "tenants",
    params(("slug" = String, Path, description = "The slug of the tenant")),
    responses(
        (status = 204),
        (status = 403, body = String, content_type = "text/plain"),
        (status = 404, body = String, content_type = "text/plain"),
        (status = 409, description = "The last administrator stays", body = String, content_type = "text/plain"),
    )
)]
async fn leave(
    caller: Authorized<Own>,
    state: web::Data<AuthState>,
    slug: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let user = person(&caller)?;
    let Membership { tenant, .. } = membership(&state, user, &slug).await?;
    let scope = SystemScope::for_tenant(tenant.id, "a member leaves");
    let removed = state.store.scoped(&scope).by(&caller.actor()).remove_member(user).await;
    check_change(removed.map_err(store_failed)?, &slug)?;
    state.revoke(tenant.id, CredentialName::User(user)).await;
    Ok(no_content())
}
