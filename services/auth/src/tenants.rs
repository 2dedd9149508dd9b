//! `/platform/v1/tenants`: the customers of the deployment, for those who run it.

use actix_web::{HttpRequest, HttpResponse, web};
use bennu_access::{CredentialName, ManagePlatform, Role, SystemScope};
use bennu_domain::account::{Email, TenantSlug, Username};
use bennu_domain::ids::TenantId;
use bennu_domain::project::ProjectName;
use bennu_kit::http::{ApiError, Authorized, DataBody, JsonBody, PageBody, QueryString};
use bennu_store::{AddMember, CreateTenant, NewAccount, NewMember, Tenant};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::responses::{field_error, no_content, store_failed, unusable};
use crate::service::AuthState;
use crate::usage::LimitsBody;
use crate::users::welcome;

const LARGEST_PAGE: usize = 1_000;

#[derive(utoipa::OpenApi)]
#[openapi(paths(list, create, get, update, delete))]
pub struct ApiDoc;

pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/platform/v1/tenants").get(list).post(create))
        .service(web::resource("/platform/v1/tenants/{slug}").get(get).patch(update).delete(delete));
}

#[derive(Serialize, ToSchema)]
#[schema(as = Tenant)]
struct TenantBody {
    slug: String,
    name: String,
    created_at: String,
    /// Since when it may not be used; null while it may.
    suspended_at: Option<String>,
    limits: LimitsBody,
}

#[derive(Deserialize, ToSchema)]
struct CreateTenantRequestBody {
    /// Lower-case letters, digits and single hyphens: part of `/s/{slug}/…`
    slug: String,
    name: Option<String>,
    /// Its first administrator; without one, the administration secret invites somebody.
    admin: Option<FirstAdmin>,
}

#[derive(Deserialize, ToSchema)]
struct FirstAdmin {
    email: String,
    username: String,
    password: String,
}

#[derive(Deserialize, ToSchema)]
struct UpdateTenantRequestBody {
    name: Option<String>,
    /// Suspended, nothing of the tenant can be read or written; all of it is kept.
    suspended: Option<bool>,
    /// In place of all limits that the tenant has.
    limits: Option<LimitsBody>,
}

impl From<Tenant> for TenantBody {
    fn from(tenant: Tenant) -> Self {
        Self {
            slug: tenant.slug,
            name: tenant.name,
            created_at: tenant.created_at.to_string(),
            suspended_at: tenant.suspended_at.map(|time| time.to_string()),
            limits: (&tenant.limits).into(),
        }
    }
}

/// Lists the tenants in the order in which they were made.
#[utoipa::path(
    get, path = "/platform/v1/tenants", operation_id = "getTenants", tag = "platform",
    params(
        ("cursor" = Option<String>, Query, description = "Where the page begins, from `next_cursor`"),
        ("limit" = Option<u32>, Query, description = "Items a page, 100 if not given, at most 1,000"),
    ),
    responses((status = 200, body = PageBody<TenantBody>), (status = 403, body = String, content_type = "text/plain"))
)]
async fn list(
    _caller: Authorized<ManagePlatform>,
    state: web::Data<AuthState>,
    mut query: QueryString,
) -> Result<web::Json<PageBody<TenantBody>>, ApiError> {
    let (limit, cursor) = (query.capped_limit(100, LARGEST_PAGE), query.cursor());
    query.finish()?;
    let from = match cursor {
        None => None,
        Some(slug) => Some(find(&state, &slug).await?.id),
    };
    let mut tenants = state.directory().tenants(from, limit + 1).await.map_err(store_failed)?;
    let next_cursor = tenants.get(limit).map(|tenant| tenant.slug.clone());
    tenants.truncate(limit);
    Ok(web::Json(PageBody { data: tenants.into_iter().map(TenantBody::from).collect(), next_cursor }))
}

/// Makes a tenant. Its first administrator is welcomed by mail, if this server sends mail.
#[utoipa::path(
    post, path = "/platform/v1/tenants", operation_id = "createTenant", tag = "platform",
    request_body = CreateTenantRequestBody,
    responses(
        (status = 201, body = DataBody<TenantBody>),
        (status = 403, body = String, content_type = "text/plain"),
        (status = 409, description = "The slug or the address is taken", body = String, content_type = "text/plain"),
        (status = 422, description = "A field cannot be used"),
    )
)]
async fn create(
    request: HttpRequest,
    _caller: Authorized<ManagePlatform>,
    state: web::Data<AuthState>,
    body: JsonBody<CreateTenantRequestBody>,
) -> Result<HttpResponse, ApiError> {
    let verifying = state.verifying()?;
    let CreateTenantRequestBody { slug: text, name, admin } = body.0;
    let slug = TenantSlug::parse(&text).map_err(|error| unusable(&["slug"], &error, &text))?;
    let name = name.filter(|name| !name.trim().is_empty()).unwrap_or_else(|| text.clone());
    let admin = match admin {
        None => None,
        Some(FirstAdmin { email, username, password }) => {
            let weak = |error: bennu_access::WeakPassword| {
                field_error(&["admin", "password"], "value_error", error.to_string(), "")
            };
            verifying.settings.passwords.policy.check(&password).map_err(weak)?;
            let email =
                Email::parse(&email).map_err(|error| unusable(&["admin", "email"], &error, &email))?;
            let username = Username::parse(&username)
                .map_err(|error| unusable(&["admin", "username"], &error, &username))?;
            let password = verifying.passwords.hash(password).await.map_err(ApiError::internal)?;
            let account = NewAccount::local(email, Some(password), true);
            Some(NewMember { account, username, role: Role::Admin })
        }
    };
    let taken = || ApiError::Conflict(format!("There is a tenant {text:?} already."));
    if let Some(email) = admin.as_ref().and_then(|admin| admin.account.email.known())
        && state.directory().account_of(email).await.map_err(store_failed)?.is_some()
    {
        return Err(ApiError::Conflict("Email already exists".to_owned()));
    }
    let created = state.directory().create_tenant(&slug, &name).await.map_err(store_failed)?;
    let CreateTenant::Created(tenant) = created else { return Err(taken()) };
    let scope = SystemScope::for_tenant(tenant.id, "a tenant is made");
    let store = state.store.scoped(&scope);
    store
        .create_project(&ProjectName::default(), Some("Default project".to_owned()))
        .await
        .map_err(store_failed)?;
    if let Some(admin) = admin {
        match store.add_member(admin).await.map_err(store_failed)? {
            AddMember::Added(member) => welcome(&state, &request, member.user),
            AddMember::EmailTaken => return Err(ApiError::Conflict("Email already exists".to_owned())),
            AddMember::UsernameTaken => return Err(ApiError::Conflict("Username already exists".to_owned())),
        }
    }
    Ok(HttpResponse::Created().json(DataBody { data: TenantBody::from(tenant) }))
}

async fn find(state: &AuthState, slug: &str) -> Result<Tenant, ApiError> {
    let found = state.directory().tenant_named(slug).await.map_err(store_failed)?;
    found.ok_or_else(|| unknown(slug))
}

fn unknown(slug: &str) -> ApiError {
    ApiError::NotFound(format!("There is no tenant {slug:?}."))
}

/// Gets a tenant.
#[utoipa::path(
    get, path = "/platform/v1/tenants/{slug}", operation_id = "getTenant", tag = "platform",
    params(("slug" = String, Path, description = "The slug of the tenant")),
    responses(
        (status = 200, body = DataBody<TenantBody>),
        (status = 403, body = String, content_type = "text/plain"),
        (status = 404, body = String, content_type = "text/plain"),
    )
)]
async fn get(
    _caller: Authorized<ManagePlatform>,
    state: web::Data<AuthState>,
    slug: web::Path<String>,
) -> Result<web::Json<DataBody<TenantBody>>, ApiError> {
    Ok(web::Json(DataBody { data: find(&state, &slug).await?.into() }))
}

/// Renames a tenant, limits it, suspends it, or lets it be used again.
#[utoipa::path(
    patch, path = "/platform/v1/tenants/{slug}", operation_id = "updateTenant", tag = "platform",
    params(("slug" = String, Path, description = "The slug of the tenant")),
    request_body = UpdateTenantRequestBody,
    responses(
        (status = 200, body = DataBody<TenantBody>),
        (status = 403, description = "The caller does not manage tenants, or it is the first one", body = String, content_type = "text/plain"),
        (status = 404, body = String, content_type = "text/plain"),
        (status = 422, description = "A field cannot be used"),
    )
)]
async fn update(
    _caller: Authorized<ManagePlatform>,
    state: web::Data<AuthState>,
    slug: web::Path<String>,
    body: JsonBody<UpdateTenantRequestBody>,
) -> Result<web::Json<DataBody<TenantBody>>, ApiError> {
    let tenant = find(&state, &slug).await?;
    if let Some(limits) = body.0.limits {
        state.directory().limit_tenant(tenant.id, &limits.read()?).await.map_err(store_failed)?;
        state.revoke(tenant.id, CredentialName::Tenant).await;
    }
    if let Some(name) = body.0.name.filter(|name| !name.trim().is_empty()) {
        state.directory().rename_tenant(tenant.id, &name).await.map_err(store_failed)?;
    }
    if let Some(suspended) = body.0.suspended {
        refuse_first(&tenant)?;
        let since = suspended.then(|| tenant.suspended_at.unwrap_or_else(|| state.clock.now()));
        state.directory().suspend_tenant(tenant.id, since).await.map_err(store_failed)?;
        state.revoke(tenant.id, CredentialName::Tenant).await;
    }
    Ok(web::Json(DataBody { data: find(&state, &slug).await?.into() }))
}

/// Deletes a tenant with everything that it has: no byte of its data remains.
#[utoipa::path(
    delete, path = "/platform/v1/tenants/{slug}", operation_id = "deleteTenant", tag = "platform",
    params(("slug" = String, Path, description = "The slug of the tenant")),
    responses(
        (status = 204),
        (status = 403, description = "The caller does not manage tenants, or it is the first one", body = String, content_type = "text/plain"),
        (status = 404, body = String, content_type = "text/plain"),
    )
)]
async fn delete(
    _caller: Authorized<ManagePlatform>,
    state: web::Data<AuthState>,
    slug: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    // One that a process left half erased is still there for this.
    let name = TenantSlug::parse(&slug).map_err(|_| unknown(&slug))?;
    let tenant = state.directory().tenant_to_erase(&name).await.map_err(store_failed)?;
    let tenant = tenant.ok_or_else(|| unknown(&slug))?;
    refuse_first(&tenant)?;
    // First of all nothing more may come in, wherever.
    state.directory().suspend_tenant(tenant.id, Some(state.clock.now())).await.map_err(store_failed)?;
    state.revoke(tenant.id, CredentialName::Tenant).await;
    state.directory().erase_tenant(tenant.id).await.map_err(store_failed)?;
    Ok(no_content())
}

fn refuse_first(tenant: &Tenant) -> Result<(), ApiError> {
    if tenant.id == TenantId::DEFAULT {
        return Err(ApiError::Forbidden("The first tenant stays.".to_owned()));
    }
    Ok(())
}
