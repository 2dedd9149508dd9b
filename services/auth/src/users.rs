//! `/v1/user` and `/v1/users`: who is calling, and the members of the tenant.

use actix_web::{HttpRequest, HttpResponse, web};
use bennu_access::{Administer, Credential, CredentialName, PasswordHash, Read, Role, TenantScope};
use bennu_domain::account::{AuthMethod, Email, Username};
use bennu_domain::global_id::Node as _;
use bennu_domain::ids::UserId;
use bennu_kit::http::{ApiError, Authorized, DataBody, JsonBody, PageBody, QueryString};
use bennu_store::{AddMember, Member, MemberChange, NewAccount, NewMember};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::bootstrap::random_password;
use crate::mail::Order;
use crate::responses::{field_error, no_content, store_failed, unusable};
use crate::service::AuthState;

/// As many as a list of the other kinds gives at once.
const LARGEST_PAGE: usize = 10_000;

#[derive(utoipa::OpenApi)]
#[openapi(paths(viewer, list_users, create_user, update_user, delete_user))]
pub struct ApiDoc;

pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/v1/user").get(viewer))
        .service(web::resource("/v1/users").get(list_users).post(create_user))
        .service(web::resource("/v1/users/{user_id}").patch(update_user).delete(delete_user));
}

/// An account as a member of the tenant. Fields that are not set are left out.
#[derive(Serialize, ToSchema)]
#[schema(as = User)]
struct UserBody {
    id: String,
    created_at: String,
    updated_at: String,
    /// Not there for people of a directory that tells none.
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<String>,
    username: String,
    role: String,
    auth_method: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    password_needs_reset: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    oauth2_client_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    oauth2_user_id: Option<String>,
    /// A picture of the person, as an identity provider tells it.
    #[serde(skip_serializing_if = "Option::is_none")]
    profile_picture_url: Option<String>,
}

impl From<Member> for UserBody {
    fn from(member: Member) -> Self {
        let is_local = member.auth_method == AuthMethod::Local;
        Self {
            id: member.user.global_id(),
            created_at: member.created_at.to_string(),
            updated_at: member.updated_at.to_string(),
            email: member.email,
            username: member.username,
            role: member.role.to_string(),
            auth_method: member.auth_method.as_str(),
            password_needs_reset: is_local.then_some(member.password_needs_reset),
            oauth2_client_id: member.oauth2_client_id,
            oauth2_user_id: member.oauth2_user_id,
            profile_picture_url: member.picture_url,
        }
    }
}

#[derive(Deserialize, ToSchema)]
struct CreateUserRequestBody {
    user: NewUser,
    /// Whether a link that sets the password is mailed, if this server sends mail; true if not given.
    #[serde(default)]
    send_welcome_email: Option<bool>,
}

#[derive(Deserialize, ToSchema)]
struct NewUser {
    /// LOCAL, OAUTH2 or LDAP
    auth_method: String,
    email: String,
    username: String,
    /// ADMIN, MEMBER or VIEWER
    role: String,
    password: Option<String>,
    oauth2_client_id: Option<String>,
    oauth2_user_id: Option<String>,
}

#[derive(Deserialize, ToSchema)]
struct UpdateUserRequestBody {
    /// ADMIN, MEMBER or VIEWER
    role: String,
}

/// Tells who is calling.
#[utoipa::path(
    get, path = "/v1/user", operation_id = "getViewer", tag = "users",
    responses((status = 200, body = DataBody<UserBody>))
)]
async fn viewer(
    caller: Authorized<Read>,
    state: web::Data<AuthState>,
) -> Result<web::Json<DataBody<Value>>, ApiError> {
    let parts = caller.principal().parts();
    let user = match (&parts.credential, parts.user) {
        (Credential::Anonymous, _) | (_, None) => {
            return Ok(web::Json(DataBody { data: json!({ "auth_method": "ANONYMOUS" }) }));
        }
        (_, Some(user)) => user,
    };
    let member = state.store.scoped(&caller.scope()).member(user).await.map_err(store_failed)?;
    let member = member.ok_or_else(|| ApiError::Unauthorized("Invalid token".to_owned()))?;
    let data = serde_json::to_value(UserBody::from(member)).map_err(ApiError::internal)?;
    Ok(web::Json(DataBody { data }))
}

/// Lists the members of the tenant, newest first.
#[utoipa::path(
    get, path = "/v1/users", operation_id = "getUsers", tag = "users",
    params(
        ("cursor" = Option<String>, Query, description = "Where the page begins, from `next_cursor`"),
        ("limit" = Option<u32>, Query, description = "Items a page, 100 if not given"),
    ),
    responses((status = 200, body = PageBody<UserBody>), (status = 403, body = String, content_type = "text/plain"))
)]
async fn list_users(
    caller: Authorized<Administer>,
    state: web::Data<AuthState>,
    mut query: QueryString,
) -> Result<web::Json<PageBody<UserBody>>, ApiError> {
    let (limit, cursor) = (query.capped_limit(100, LARGEST_PAGE), query.cursor());
    query.finish()?;
    let from = cursor.map(|cursor| {
        let unknown = || ApiError::Unprocessable(format!("cursor {cursor:?} does not belong to this list."));
        UserId::from_global_id(&cursor).ok_or_else(unknown)
    });
    let page =
        state.store.scoped(&caller.scope()).members(from.transpose()?, limit).await.map_err(store_failed)?;
    let data = page.items.into_iter().map(UserBody::from).collect();
    Ok(web::Json(PageBody { data, next_cursor: page.next.map(UserId::global_id) }))
}

/// Makes an account and its membership in the tenant.
#[utoipa::path(
    post, path = "/v1/users", operation_id = "createUser", tag = "users", request_body = CreateUserRequestBody,
    responses(
        (status = 201, body = DataBody<UserBody>),
        (status = 400, description = "The role is for no person", body = String, content_type = "text/plain"),
        (status = 403, body = String, content_type = "text/plain"),
        (status = 409, description = "The address or the name is taken", body = String, content_type = "text/plain"),
        (status = 422, description = "A field cannot be used"),
    )
)]
async fn create_user(
    request: HttpRequest,
    caller: Authorized<Administer>,
    state: web::Data<AuthState>,
    body: JsonBody<CreateUserRequestBody>,
) -> Result<HttpResponse, ApiError> {
    let CreateUserRequestBody { user, send_welcome_email } = body.0;
    let new = new_member(&state, user).await?;
    let added = state
        .store
        .scoped(&caller.scope())
        .by(&caller.actor())
        .add_member(new)
        .await
        .map_err(store_failed)?;
    match added {
        AddMember::Added(member) => {
            if send_welcome_email.unwrap_or(true) {
                welcome(&state, &request, member.user);
            }
            Ok(HttpResponse::Created().json(DataBody { data: UserBody::from(member) }))
        }
        AddMember::EmailTaken => Err(ApiError::Conflict("Email already exists".to_owned())),
        AddMember::UsernameTaken => Err(ApiError::Conflict("Username already exists".to_owned())),
    }
}

/// Mails a first link to a new member. Who gets no mail asks for a link, or is given one.
pub fn welcome(state: &AuthState, request: &HttpRequest, user: UserId) {
    let Some(verifying) = state.verifying.as_deref() else { return };
    if let Some(outbox) = &verifying.outbox {
        let _ = outbox.order(Order::Welcome { user, site: verifying.site.for_mails(request) });
    }
}

async fn new_member(state: &AuthState, user: NewUser) -> Result<NewMember, ApiError> {
    let auth_method = AuthMethod::from_name(&user.auth_method).ok_or_else(|| {
        field_error(&["user", "auth_method"], "enum", "must be LOCAL, OAUTH2 or LDAP", &user.auth_method)
    })?;
    let role = read_role(&["user", "role"], &user.role)?;
    let email =
        Email::parse(&user.email).map_err(|error| unusable(&["user", "email"], &error, &user.email))?;
    let username = Username::parse(&user.username)
        .map_err(|error| unusable(&["user", "username"], &error, &user.username))?;
    let is_local = auth_method == AuthMethod::Local;
    let password = if is_local { Some(hash(state, user.password).await?) } else { None };
    let account = NewAccount {
        email: email.into(),
        auth_method,
        password: password.flatten(),
        password_needs_reset: is_local,
        oauth2_client_id: user.oauth2_client_id.filter(|_| !is_local),
        oauth2_user_id: user.oauth2_user_id.filter(|_| !is_local),
    };
    Ok(NewMember { account, username, role })
}

fn read_role(path: &[&'static str], text: &str) -> Result<Role, ApiError> {
    let role: Role =
        text.parse().map_err(|_| field_error(path, "enum", "must be ADMIN, MEMBER or VIEWER", text))?;
    if role.is_for_people() {
        return Ok(role);
    }
    Err(ApiError::BadRequest("The role SYSTEM is not for users.".to_owned()))
}

/// The hash of the password, or of a random one if none is given. Without authentication there is nothing to log in to.
async fn hash(state: &AuthState, password: Option<String>) -> Result<Option<PasswordHash>, ApiError> {
    let Some(verifying) = &state.verifying else { return Ok(None) };
    let password = match password {
        None => random_password().map_err(ApiError::internal)?,
        Some(password) => {
            let checked = verifying.settings.passwords.policy.check(&password);
            checked
                .map_err(|error| field_error(&["user", "password"], "value_error", error.to_string(), ""))?;
            password
        }
    };
    Ok(Some(verifying.passwords.hash(password).await.map_err(ApiError::internal)?))
}

/// Gives a member another role.
#[utoipa::path(
    patch, path = "/v1/users/{user_id}", operation_id = "updateUser", tag = "users",
    params(("user_id" = String, Path, description = "GlobalId")), request_body = UpdateUserRequestBody,
    responses(
        (status = 200, body = DataBody<UserBody>),
        (status = 403, body = String, content_type = "text/plain"),
        (status = 404, body = String, content_type = "text/plain"),
        (status = 409, description = "The last administrator stays one", body = String, content_type = "text/plain"),
        (status = 422, description = "A field cannot be used"),
    )
)]
async fn update_user(
    caller: Authorized<Administer>,
    state: web::Data<AuthState>,
    user: web::Path<String>,
    body: JsonBody<UpdateUserRequestBody>,
) -> Result<web::Json<DataBody<UserBody>>, ApiError> {
    let role = read_role(&["role"], &body.0.role)?;
    let scope = caller.scope();
    let member = changeable_member(&state, &scope, &user).await?;
    let changed = state
        .store
        .scoped(&scope)
        .by(&caller.actor())
        .set_role(member.user, role)
        .await
        .map_err(store_failed)?;
    check_change(changed, &user)?;
    state.revoke(scope.tenant(), CredentialName::User(member.user)).await;
    Ok(web::Json(DataBody { data: find_member(&state, &scope, &user).await?.into() }))
}

/// Ends a membership, with its keys and log-ins. The account goes with its last membership.
#[utoipa::path(
    delete, path = "/v1/users/{user_id}", operation_id = "deleteUser", tag = "users",
    params(("user_id" = String, Path, description = "GlobalId")),
    responses(
        (status = 204),
        (status = 403, body = String, content_type = "text/plain"),
        (status = 404, body = String, content_type = "text/plain"),
        (status = 409, description = "The last administrator stays", body = String, content_type = "text/plain"),
        (status = 422, body = String, content_type = "text/plain"),
    )
)]
async fn delete_user(
    caller: Authorized<Administer>,
    state: web::Data<AuthState>,
    user: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let scope = caller.scope();
    let member = changeable_member(&state, &scope, &user).await?;
    let removed = state.store.scoped(&scope).by(&caller.actor()).remove_member(member.user).await;
    check_change(removed.map_err(store_failed)?, &user)?;
    state.revoke(scope.tenant(), CredentialName::User(member.user)).await;
    Ok(no_content())
}

pub async fn find_member(
    state: &AuthState,
    scope: &TenantScope,
    identifier: &str,
) -> Result<Member, ApiError> {
    let no_id = || ApiError::Unprocessable(format!("{identifier:?} is not the id of a user."));
    let user = UserId::from_global_id(identifier).ok_or_else(no_id)?;
    let member = state.store.scoped(scope).member(user).await.map_err(store_failed)?;
    member.ok_or_else(|| unknown(identifier))
}

async fn changeable_member(
    state: &AuthState,
    scope: &TenantScope,
    identifier: &str,
) -> Result<Member, ApiError> {
    let member = find_member(state, scope, identifier).await?;
    if [UserId::SYSTEM, UserId::FIRST_ADMIN].contains(&member.user) {
        return Err(ApiError::Forbidden(
            "The accounts of the deployment itself cannot be changed.".to_owned(),
        ));
    }
    Ok(member)
}

pub fn check_change(change: MemberChange, identifier: &str) -> Result<(), ApiError> {
    match change {
        MemberChange::Done => Ok(()),
        MemberChange::NoMember => Err(unknown(identifier)),
        MemberChange::LastAdmin => {
            Err(ApiError::Conflict("A tenant keeps at least one administrator.".to_owned()))
        }
    }
}

fn unknown(identifier: &str) -> ApiError {
    ApiError::NotFound(format!("There is no user {identifier:?}."))
}
