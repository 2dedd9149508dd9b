//! `/v1/user/api_keys`, `/v1/users/api_keys` and `/v1/system/api_keys`.

use actix_web::{HttpResponse, web};
use bennu_access::{
    Actor, Administer, CredentialName, KeyTraffic, NewApiKey, Own, Principal, Role, TenantScope,
};
use bennu_domain::global_id::{self, Node as _};
use bennu_domain::ids::{ApiKeyId, ProjectId, UserId};
use bennu_domain::limits::RateLimits;
use bennu_domain::time::Timestamp;
use bennu_kit::http::{ApiError, Authorized, DataBody, JsonBody, PageBody, QueryString, parse_date_time};
use bennu_store::{ApiKey, KeyOwner, NewStoredKey, ScopedStore};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::responses::{field_error, no_content, store_failed};
use crate::service::{AuthState, Verifying};

const USER_KEY: &str = "UserApiKey";
const SYSTEM_KEY: &str = "SystemApiKey";
const LARGEST_PAGE: usize = 1_000;
/// Of a member or of the tenant; who needs more has lost track of them.
const MOST_KEYS: u64 = 1_000;

#[derive(utoipa::OpenApi)]
#[openapi(paths(list_own, create_own, delete_own, list_all, list_system, create_system, delete_system))]
pub struct ApiDoc;

pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/v1/user/api_keys").get(list_own).post(create_own))
        .service(web::resource("/v1/user/api_keys/{api_key_id}").delete(delete_own))
        .service(web::resource("/v1/users/api_keys").get(list_all))
        .service(web::resource("/v1/system/api_keys").get(list_system).post(create_system))
        .service(web::resource("/v1/system/api_keys/{api_key_id}").delete(delete_system));
}

/// A key without its secret.
#[derive(Serialize, ToSchema)]
#[schema(as = ApiKey)]
struct ApiKeyBody {
    id: String,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    created_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<String>,
    /// The part of the key after `bnu_` that is no secret.
    public_name: String,
    /// ANY, INGEST_ONLY or READ_ONLY
    traffic: &'static str,
    /// GlobalId of the only project that the key reaches
    #[serde(skip_serializing_if = "Option::is_none")]
    project_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_used_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    spans_per_second: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes_per_second: Option<u64>,
}

#[derive(Serialize, ToSchema)]
struct CreatedApiKey {
    #[serde(flatten)]
    key: ApiKeyBody,
    /// The key itself, shown once.
    #[serde(rename = "key")]
    text: String,
}

#[derive(Serialize, ToSchema)]
struct UserApiKey {
    #[serde(flatten)]
    key: ApiKeyBody,
    user: ApiKeyUser,
}

#[derive(Serialize, ToSchema)]
struct ApiKeyUser {
    id: String,
    username: String,
    email: Option<String>,
}

#[derive(Deserialize, ToSchema)]
struct CreateApiKeyRequestBody {
    data: ApiKeyData,
}

#[derive(Deserialize, ToSchema)]
struct ApiKeyData {
    name: String,
    description: Option<String>,
    /// With an offset from UTC
    expires_at: Option<String>,
    /// ANY (the default), INGEST_ONLY or READ_ONLY
    traffic: Option<String>,
    /// GlobalId or name of the only project that the key reaches; spans that it sends go there
    project: Option<String>,
    /// Beside the limits of the tenant
    spans_per_second: Option<u64>,
    bytes_per_second: Option<u64>,
}

impl From<ApiKey> for ApiKeyBody {
    fn from(key: ApiKey) -> Self {
        Self {
            id: global_id::write(if key.user.is_some() { USER_KEY } else { SYSTEM_KEY }, key.id.0),
            name: key.name,
            description: key.description,
            created_at: key.created_at.to_string(),
            expires_at: key.expires_at.map(|time| time.to_string()),
            public_name: key.public_name,
            traffic: key.traffic.as_str(),
            project_id: key.project.map(ProjectId::global_id),
            last_used_at: key.last_used_at.map(|time| time.to_string()),
            spans_per_second: key.rates.spans_per_second,
            bytes_per_second: key.rates.bytes_per_second,
        }
    }
}

/// Lists one's own keys.
#[utoipa::path(
    get, path = "/v1/user/api_keys", operation_id = "getUserApiKeys", tag = "api_keys",
    responses((status = 200, body = DataBody<Vec<ApiKeyBody>>), (status = 403, body = String, content_type = "text/plain"))
)]
async fn list_own(
    caller: Authorized<Own>,
    state: web::Data<AuthState>,
) -> Result<web::Json<DataBody<Vec<ApiKeyBody>>>, ApiError> {
    state.verifying()?;
    let owner = caller.principal().parts().user.filter(|user| *user != UserId::SYSTEM);
    let data = match owner {
        None => Vec::new(),
        Some(user) => all_keys(state.store.scoped(&caller.scope()), KeyOwner::User(user)).await?,
    };
    Ok(web::Json(DataBody { data }))
}

/// There are at most [`MOST_KEYS`].
async fn all_keys(store: ScopedStore<'_>, owner: KeyOwner) -> Result<Vec<ApiKeyBody>, ApiError> {
    let most = usize::try_from(MOST_KEYS).unwrap_or(usize::MAX);
    let page = store.list_api_keys(owner, None, most).await.map_err(store_failed)?;
    Ok(page.items.into_iter().map(ApiKeyBody::from).collect())
}

/// Makes a key of one's own. It can do what its owner can, or less.
#[utoipa::path(
    post, path = "/v1/user/api_keys", operation_id = "createUserApiKey", tag = "api_keys",
    request_body = CreateApiKeyRequestBody,
    responses(
        (status = 201, body = DataBody<CreatedApiKey>),
        (status = 403, description = "Only people who are logged in make keys", body = String, content_type = "text/plain"),
        (status = 409, description = "There are too many", body = String, content_type = "text/plain"),
        (status = 422, description = "A field cannot be used"),
    )
)]
async fn create_own(
    caller: Authorized<Own>,
    state: web::Data<AuthState>,
    body: JsonBody<CreateApiKeyRequestBody>,
) -> Result<HttpResponse, ApiError> {
    let verifying = state.verifying()?;
    refuse_keys(caller.principal())?;
    let no_person = || ApiError::Forbidden("Only users have keys of their own.".to_owned());
    let user = caller.principal().session_user().ok_or_else(no_person)?;
    create(&state, verifying, (&caller.scope(), &caller.actor()), Some(user), body.0.data).await
}

fn refuse_keys(principal: &Principal) -> Result<(), ApiError> {
    if principal.parts().credential.is_key() {
        return Err(ApiError::Forbidden("API keys cannot create API keys".to_owned()));
    }
    Ok(())
}

async fn create(
    state: &AuthState,
    verifying: &Verifying,
    (scope, actor): (&TenantScope, &Actor),
    user: Option<UserId>,
    data: ApiKeyData,
) -> Result<HttpResponse, ApiError> {
    let store = state.store.scoped(scope).by(actor);
    let name = data.name.trim().to_owned();
    if name.is_empty() {
        return Err(field_error(&["data", "name"], "string_too_short", "must not be blank", &data.name));
    }
    let expires_at = data.expires_at.as_deref().map(|text| expiry(state, text)).transpose()?;
    let traffic = data.traffic.as_deref().map_or(Ok(KeyTraffic::Any), |text| {
        let unknown =
            || field_error(&["data", "traffic"], "enum", "must be ANY, INGEST_ONLY or READ_ONLY", text);
        KeyTraffic::from_name(text).ok_or_else(unknown)
    })?;
    let project = match data.project.as_deref() {
        None => None,
        Some(text) => Some(find_project(store, text).await?),
    };
    let rates =
        RateLimits { spans_per_second: data.spans_per_second, bytes_per_second: data.bytes_per_second };
    for (name, rate) in
        [("spans_per_second", rates.spans_per_second), ("bytes_per_second", rates.bytes_per_second)]
    {
        if rate.is_some_and(|rate| rate == 0 || i64::try_from(rate).is_err()) {
            return Err(field_error(&["data", name], "value_error", "must be a whole number from 1 on", ""));
        }
    }
    let owner = user.map_or(KeyOwner::Tenant, KeyOwner::User);
    if store.count_api_keys(owner).await.map_err(store_failed)? >= MOST_KEYS {
        return Err(ApiError::Conflict(format!(
            "There are {MOST_KEYS} keys already; delete those that nobody uses."
        )));
    }
    let key = NewApiKey::generate(&verifying.settings.secret).map_err(ApiError::internal)?;
    let text = key.text.clone();
    let new =
        NewStoredKey { key, user, name, description: data.description, traffic, project, expires_at, rates };
    let key = store.add_api_key(new).await.map_err(store_failed)?;
    Ok(HttpResponse::Created().json(DataBody { data: CreatedApiKey { key: key.into(), text } }))
}

fn expiry(state: &AuthState, text: &str) -> Result<Timestamp, ApiError> {
    let refuse =
        |message: &str| field_error(&["data", "expires_at"], "value_error", message.to_owned(), text);
    let time = parse_date_time(text).map(Timestamp).map_err(|_| refuse("must be a date and time"))?;
    if time <= state.clock.now() {
        return Err(refuse("must be in the future"));
    }
    Ok(time)
}

async fn find_project(store: ScopedStore<'_>, identifier: &str) -> Result<ProjectId, ApiError> {
    let found = match ProjectId::from_global_id(identifier) {
        Some(id) => store.project(id).await,
        None => store.project_named(identifier).await,
    };
    let unknown = || {
        field_error(
            &["data", "project"],
            "value_error",
            "must be the GlobalId or the name of a project",
            identifier,
        )
    };
    Ok(found.map_err(store_failed)?.ok_or_else(unknown)?.id)
}

/// Deletes a key of one's own; administrators delete those of all members.
#[utoipa::path(
    delete, path = "/v1/user/api_keys/{api_key_id}", operation_id = "deleteUserApiKey", tag = "api_keys",
    params(("api_key_id" = String, Path, description = "GlobalId")),
    responses(
        (status = 204),
        (status = 403, body = String, content_type = "text/plain"),
        (status = 404, body = String, content_type = "text/plain"),
        (status = 422, body = String, content_type = "text/plain"),
    )
)]
async fn delete_own(
    caller: Authorized<Own>,
    state: web::Data<AuthState>,
    key: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    state.verifying()?;
    let parts = caller.principal().parts();
    let owner = match (parts.role, parts.user) {
        (Role::Admin, _) => KeyOwner::AnyUser,
        (Role::System, _) | (_, None) => {
            return Err(ApiError::Forbidden("System keys manage no keys of users.".to_owned()));
        }
        (_, Some(user)) => KeyOwner::User(user),
    };
    delete(&state, (&caller.scope(), &caller.actor()), owner, USER_KEY, &key).await
}

async fn delete(
    state: &AuthState,
    (scope, actor): (&TenantScope, &Actor),
    owner: KeyOwner,
    type_name: &'static str,
    identifier: &str,
) -> Result<HttpResponse, ApiError> {
    let no_id = || ApiError::Unprocessable(format!("{identifier:?} is not the id of a {type_name}."));
    let id = ApiKeyId(global_id::read(identifier, &[type_name]).ok_or_else(no_id)?);
    let unknown = || ApiError::NotFound(format!("There is no API key {identifier:?}."));
    let store = state.store.scoped(scope).by(actor);
    let key = store.api_key(owner, id).await.map_err(store_failed)?.ok_or_else(unknown)?;
    if !store.delete_api_key(id).await.map_err(store_failed)? {
        return Err(unknown());
    }
    let name = key.public_name.parse().map_err(ApiError::internal)?;
    state.revoke(scope.tenant(), CredentialName::ApiKey(name)).await;
    Ok(no_content())
}

/// Lists the keys of all members.
#[utoipa::path(
    get, path = "/v1/users/api_keys", operation_id = "getAllUserApiKeys", tag = "api_keys",
    params(
        ("cursor" = Option<String>, Query, description = "Where the page begins, from `next_cursor`"),
        ("limit" = Option<u32>, Query, description = "Items a page, 100 if not given, at most 1,000"),
    ),
    responses((status = 200, body = PageBody<UserApiKey>), (status = 403, body = String, content_type = "text/plain"))
)]
async fn list_all(
    caller: Authorized<Administer>,
    state: web::Data<AuthState>,
    mut query: QueryString,
) -> Result<web::Json<PageBody<UserApiKey>>, ApiError> {
    state.verifying()?;
    let (limit, cursor) = (query.capped_limit(100, LARGEST_PAGE), query.cursor());
    query.finish()?;
    let from = cursor.map(|cursor| {
        let unknown = || ApiError::Unprocessable(format!("cursor {cursor:?} does not belong to this list."));
        global_id::read(&cursor, &[USER_KEY]).map(ApiKeyId).ok_or_else(unknown)
    });
    let store = state.store.scoped(&caller.scope());
    let page =
        store.list_api_keys(KeyOwner::AnyUser, from.transpose()?, limit).await.map_err(store_failed)?;
    let mut data = Vec::with_capacity(page.items.len());
    for key in page.items {
        let member = match key.user {
            Some(user) => store.member(user).await.map_err(store_failed)?,
            None => None,
        };
        // Removed since the page was read.
        let Some(member) = member else { continue };
        let user = ApiKeyUser { id: member.user.global_id(), username: member.username, email: member.email };
        data.push(UserApiKey { key: key.into(), user });
    }
    let next_cursor = page.next.map(|id| global_id::write(USER_KEY, id.0));
    Ok(web::Json(PageBody { data, next_cursor }))
}

/// Lists the keys of the tenant itself.
#[utoipa::path(
    get, path = "/v1/system/api_keys", operation_id = "getSystemApiKeys", tag = "api_keys",
    responses((status = 200, body = DataBody<Vec<ApiKeyBody>>), (status = 403, body = String, content_type = "text/plain"))
)]
async fn list_system(
    caller: Authorized<Administer>,
    state: web::Data<AuthState>,
) -> Result<web::Json<DataBody<Vec<ApiKeyBody>>>, ApiError> {
    state.verifying()?;
    Ok(web::Json(DataBody { data: all_keys(state.store.scoped(&caller.scope()), KeyOwner::Tenant).await? }))
}

/// Makes a key of the tenant itself, which stays when people leave. It can do what a member can.
#[utoipa::path(
    post, path = "/v1/system/api_keys", operation_id = "createSystemApiKey", tag = "api_keys",
    request_body = CreateApiKeyRequestBody,
    responses(
        (status = 201, body = DataBody<CreatedApiKey>),
        (status = 403, body = String, content_type = "text/plain"),
        (status = 409, description = "There are too many", body = String, content_type = "text/plain"),
        (status = 422, description = "A field cannot be used"),
    )
)]
async fn create_system(
    caller: Authorized<Administer>,
    state: web::Data<AuthState>,
    body: JsonBody<CreateApiKeyRequestBody>,
) -> Result<HttpResponse, ApiError> {
    let verifying = state.verifying()?;
    refuse_keys(caller.principal())?;
    create(&state, verifying, (&caller.scope(), &caller.actor()), None, body.0.data).await
}

/// Deletes a key of the tenant.
#[utoipa::path(
    delete, path = "/v1/system/api_keys/{api_key_id}", operation_id = "deleteSystemApiKey", tag = "api_keys",
    params(("api_key_id" = String, Path, description = "GlobalId")),
    responses(
        (status = 204),
        (status = 403, body = String, content_type = "text/plain"),
        (status = 404, body = String, content_type = "text/plain"),
        (status = 422, body = String, content_type = "text/plain"),
    )
)]
async fn delete_system(
    caller: Authorized<Administer>,
    state: web::Data<AuthState>,
    key: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    state.verifying()?;
    delete(&state, (&caller.scope(), &caller.actor()), KeyOwner::Tenant, SYSTEM_KEY, &key).await
}
