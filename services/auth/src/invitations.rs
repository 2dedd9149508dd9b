//! Invitations: `/v1/invitations` for administrators, `/platform/v1/invitations/accept` for those who were invited.

use std::time::Duration;

use actix_web::{HttpMessage as _, HttpRequest, HttpResponse, web};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bennu_access::{Administer, Principal, Role};
use bennu_domain::account::{Email, TenantSlug, Username};
use bennu_domain::global_id::{self, Node as _};
use bennu_domain::ids::UserId;
use bennu_kit::http::{ApiError, Authorized, DataBody, JsonBody};
use bennu_store::{Accept, Invitation, Invitee, NewInvitation};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use utoipa::ToSchema;

use crate::mail::{Letter, Order};
use crate::responses::{field_error, no_content, store_failed, unusable};
use crate::service::AuthState;

const TYPE_NAME: &str = "Invitation";
/// How long a link is good; people are away for a week.
const LIFE: Duration = Duration::from_hours(7 * 24);
/// The page where people accept.
const PAGE: &str = "/invitation?token=";
/// Open ones of a tenant.
const MOST: u64 = 1_000;

#[derive(utoipa::OpenApi)]
#[openapi(paths(list, invite, withdraw, accept))]
pub struct ApiDoc;

pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/v1/invitations").get(list).post(invite))
        .service(web::resource("/v1/invitations/{invitation_id}").delete(withdraw))
        .service(web::resource("/platform/v1/invitations/accept").post(accept));
}

#[derive(Serialize, ToSchema)]
#[schema(as = Invitation)]
struct InvitationBody {
    id: String,
    /// Whom it is for; anybody who has the link if null.
    email: Option<String>,
    role: String,
    invited_by: Option<String>,
    created_at: String,
    expires_at: String,
}

#[derive(Serialize, ToSchema)]
struct CreatedInvitation {
    #[serde(flatten)]
    invitation: InvitationBody,
    /// For the body of `/platform/v1/invitations/accept`; shown once.
    token: String,
    /// The page to send to the person.
    link: String,
}

#[derive(Deserialize, ToSchema)]
struct CreateInvitationRequestBody {
    /// Only the account of this address may accept.
    email: Option<String>,
    /// ADMIN, MEMBER or VIEWER
    role: String,
}

#[derive(Deserialize, ToSchema)]
struct AcceptInvitationRequestBody {
    token: String,
    /// What the person will be called in the tenant.
    username: String,
    /// For a new account; those who have one log in first.
    email: Option<String>,
    password: Option<String>,
}

#[derive(Serialize, ToSchema)]
struct AcceptedBody {
    user_id: String,
    /// The slug of the tenant.
    tenant: String,
}

impl From<Invitation> for InvitationBody {
    fn from(invitation: Invitation) -> Self {
        Self {
            id: global_id::write(TYPE_NAME, invitation.id),
            email: invitation.email,
            role: invitation.role.to_string(),
            invited_by: invitation.invited_by.map(UserId::global_id),
            created_at: invitation.created_at.to_string(),
            expires_at: invitation.expires_at.to_string(),
        }
    }
}

/// Lists the open invitations to the tenant, newest first.
#[utoipa::path(
    get, path = "/v1/invitations", operation_id = "getInvitations", tag = "tenants",
    responses((status = 200, body = DataBody<Vec<InvitationBody>>), (status = 403, body = String, content_type = "text/plain"))
)]
async fn list(
    caller: Authorized<Administer>,
    state: web::Data<AuthState>,
) -> Result<web::Json<DataBody<Vec<InvitationBody>>>, ApiError> {
    let most = usize::try_from(MOST).unwrap_or(usize::MAX);
    let open = state.store.scoped(&caller.scope()).invitations(most).await.map_err(store_failed)?;
    Ok(web::Json(DataBody { data: open.into_iter().map(InvitationBody::from).collect() }))
}

/// Makes a link by which one person becomes a member of the tenant, within a week. One for an address is mailed to it, too, if
/// this server sends mail.
#[utoipa::path(
    post, path = "/v1/invitations", operation_id = "createInvitation", tag = "tenants",
    request_body = CreateInvitationRequestBody,
    responses(
        (status = 201, body = DataBody<CreatedInvitation>),
        (status = 403, body = String, content_type = "text/plain"),
        (status = 409, description = "Too many are open", body = String, content_type = "text/plain"),
        (status = 422, description = "A field cannot be used"),
    )
)]
async fn invite(
    request: HttpRequest,
    caller: Authorized<Administer>,
    state: web::Data<AuthState>,
    body: JsonBody<CreateInvitationRequestBody>,
) -> Result<HttpResponse, ApiError> {
    let verifying = state.verifying()?;
    let CreateInvitationRequestBody { email, role } = body.0;
    let role: Option<Role> = role.parse().ok().filter(|role: &Role| role.is_for_people());
    let role = role.ok_or_else(|| field_error(&["role"], "enum", "must be ADMIN, MEMBER or VIEWER", ""))?;
    let email = email.map(|email| Email::parse(&email).map_err(|error| unusable(&["email"], &error, &email)));
    let (scope, actor) = (caller.scope(), caller.actor());
    let store = state.store.scoped(&scope).by(&actor);
    if store.count_invitations().await.map_err(store_failed)? >= MOST {
        return Err(ApiError::Conflict(format!("There are {MOST} open invitations already.")));
    }
    let mut secret = [0; 32];
    getrandom::fill(&mut secret).map_err(ApiError::internal)?;
    let token = URL_SAFE_NO_PAD.encode(secret);
    let new = NewInvitation {
        token_hash: hash(&token),
        email: email.transpose()?,
        role,
        invited_by: caller.principal().parts().user,
        expires_at: state.after(LIFE),
    };
    let invitation = store.invite(new).await.map_err(store_failed)?;
    let page = format!("{PAGE}{token}");
    let link = format!("{}{page}", verifying.root_path);
    if let Some(outbox) = &verifying.outbox {
        let link = format!("{}{page}", verifying.site.for_mails(&request));
        if let Some(letter) = letter(&state, &invitation, &link).await? {
            // The link is in the answer, too: somebody has it whatever becomes of the mail.
            let _ = outbox.order(Order::Written(letter));
        }
    }
    let invitation = invitation.into();
    Ok(HttpResponse::Created().json(DataBody { data: CreatedInvitation { invitation, token, link } }))
}

/// None if the invitation is for nobody in particular.
async fn letter(state: &AuthState, invitation: &Invitation, link: &str) -> Result<Option<Letter>, ApiError> {
    let Some(email) = invitation.email.as_deref().and_then(|email| Email::parse(email).ok()) else {
        return Ok(None);
    };
    let tenant = state.directory().tenant(invitation.tenant).await.map_err(store_failed)?;
    let slug = tenant.and_then(|tenant| TenantSlug::parse(&tenant.slug).ok());
    Ok(slug.map(|slug| Letter::invitation(email, &slug, link, LIFE)))
}

/// A secret of 256 random bits needs no key.
fn hash(token: &str) -> Vec<u8> {
    Sha256::digest(token).to_vec()
}

/// Withdraws an invitation.
#[utoipa::path(
    delete, path = "/v1/invitations/{invitation_id}", operation_id = "deleteInvitation", tag = "tenants",
    params(("invitation_id" = String, Path, description = "GlobalId")),
    responses(
        (status = 204),
        (status = 403, body = String, content_type = "text/plain"),
        (status = 404, body = String, content_type = "text/plain"),
    )
)]
async fn withdraw(
    caller: Authorized<Administer>,
    state: web::Data<AuthState>,
    invitation: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let unknown = || ApiError::NotFound(format!("There is no invitation {:?}.", invitation.as_str()));
    let id = global_id::read(&invitation, &[TYPE_NAME]).ok_or_else(unknown)?;
    let withdrawn = state
        .store
        .scoped(&caller.scope())
        .by(&caller.actor())
        .withdraw_invitation(id)
        .await
        .map_err(store_failed)?;
    if withdrawn { Ok(no_content()) } else { Err(unknown()) }
}

/// Becomes a member by an invitation: with the account that is logged in, or with a new one.
#[utoipa::path(
    post, path = "/platform/v1/invitations/accept", operation_id = "acceptInvitation", tag = "tenants",
    request_body = AcceptInvitationRequestBody,
    responses(
        (status = 201, body = DataBody<AcceptedBody>),
        (status = 403, description = "It is for another address", body = String, content_type = "text/plain"),
        (status = 404, description = "There is none, it is used, or it has expired", body = String, content_type = "text/plain"),
        (status = 409, description = "The name is taken, or the address has an account already", body = String, content_type = "text/plain"),
        (status = 422, description = "A field cannot be used"),
        (status = 429, description = "Too many attempts", body = String, content_type = "text/plain"),
    )
)]
async fn accept(
    request: HttpRequest,
    state: web::Data<AuthState>,
    body: JsonBody<AcceptInvitationRequestBody>,
) -> Result<HttpResponse, ApiError> {
    let verifying = state.verifying()?;
    verifying.throttle.count_attempt_with_token(&request).await?;
    let AcceptInvitationRequestBody { token, username, email, password } = body.0;
    let username = Username::parse(&username).map_err(|error| unusable(&["username"], &error, &username))?;
    let logged_in = request.extensions().get::<Principal>().and_then(Principal::session_user);
    let invitee = if let Some(user) = logged_in {
        Invitee::Known(user)
    } else {
        let required = |field| field_error(&[field], "missing", "is required, or log in first", "");
        let email = email.ok_or_else(|| required("email"))?;
        let email = Email::parse(&email).map_err(|error| unusable(&["email"], &error, &email))?;
        let password = password.ok_or_else(|| required("password"))?;
        let weak = |error: bennu_access::WeakPassword| {
            field_error(&["password"], "value_error", error.to_string(), "")
        };
        verifying.settings.passwords.policy.check(&password).map_err(weak)?;
        Invitee::New {
            email,
            password: verifying.passwords.hash(password).await.map_err(ApiError::internal)?,
        }
    };
    let accepted = state.directory().accept_invitation(&hash(&token), invitee, &username).await;
    let conflict = |text: &str| Err(ApiError::Conflict(text.to_owned()));
    match accepted.map_err(store_failed)? {
        Accept::Joined { tenant, user } => {
            let tenant = state.directory().tenant(tenant).await.map_err(store_failed)?;
            let slug = tenant.map(|tenant| tenant.slug).unwrap_or_default();
            let data = AcceptedBody { user_id: user.global_id(), tenant: slug };
            Ok(HttpResponse::Created().json(DataBody { data }))
        }
        Accept::NoInvitation => {
            Err(ApiError::NotFound("The invitation is not valid, or not any more.".to_owned()))
        }
        Accept::OtherEmail => {
            Err(ApiError::Forbidden("The invitation is for another e-mail address.".to_owned()))
        }
        Accept::EmailTaken => conflict("There is an account of this address: log in, then accept."),
        Accept::UsernameTaken => conflict("The name is taken in this tenant, or you are a member already."),
    }
}
