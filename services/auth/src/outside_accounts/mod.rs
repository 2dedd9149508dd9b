//! Letting people in whom an identity provider or a directory vouches for: their account is found, or made.

mod first_log_in;

use std::fmt;

use bennu_access::{CredentialName, Role, SystemScope};
use bennu_domain::account::{Email, TenantSlug};
use bennu_domain::ids::{TenantId, UserId};
use bennu_kit::http::ApiError;
use bennu_store::{
    Identity, KnownAccount, LogIn, MemberChange, Membership, NewLogIn, ProfileChange, StoreError,
};

use crate::responses::store_failed;
use crate::service::{AuthState, Verifying};
use first_log_in::make;

/// Whether the address is known to belong to the person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EmailTrust {
    Verified,
    /// Nobody said so, or not.
    Unknown,
    /// It is said not to be.
    Refuted,
}

/// Who logged in elsewhere.
pub struct Person {
    pub identity: Identity,
    /// None if a directory tells none; its entries have an id then.
    pub email: Option<Email>,
    pub email_trust: EmailTrust,
    /// What they may be called, best first.
    pub names: Vec<String>,
    /// Empty if there is none.
    pub picture_url: String,
    /// None where administrators give roles.
    pub role: Option<Role>,
}

/// What the settings say about those who come this way.
pub struct Admission<'a> {
    /// Whoever vouches does so for one tenant; for the whole deployment if not set.
    pub only_tenant: Option<&'a TenantSlug>,
    pub allow_sign_up: bool,
    /// Whether the role of somebody who is known is set anew.
    pub resync_role: bool,
    /// The slug of the tenant to work in.
    pub chosen_tenant: Option<&'a str>,
}

#[derive(Debug)]
pub enum Refusal {
    /// The address belongs to an account that is not entered this way.
    EmailInUse,
    NotAllowed(&'static str),
    Internal(ApiError),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EmailInUse => f.write_str("the address belongs to another account"),
            Self::NotAllowed(reason) => f.write_str(reason),
            Self::Internal(error) => error.fmt(f),
        }
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self::Internal(store_failed(error))
    }
}

/// Somebody who may come in.
struct Admitted {
    user: UserId,
    is_new: bool,
}

/// Finds or makes the account, and begins a log-in.
pub async fn admit(
    state: &AuthState,
    verifying: &Verifying,
    person: Person,
    admission: &Admission<'_>,
) -> Result<LogIn, Refusal> {
    let home = home(state, admission).await?;
    let role = person.role;
    let admitted = find_or_make(state, person, admission, home).await?;
    if let Some(role) = role.filter(|_| admitted.is_new || admission.resync_role) {
        set_role(state, admitted.user, home, role).await?;
    }
    let membership = to_work_in(state, admitted.user, home, admission.chosen_tenant).await?;
    let new = NewLogIn {
        id: uuid::Uuid::new_v4().to_string(),
        user: admitted.user,
        tenant: membership.tenant.id,
        expires_at: state.after(verifying.settings.refresh_token_life),
    };
    let log_in = state.directory().begin_log_in(new).await?;
    tracing::info!(user = log_in.user.0, tenant = log_in.tenant.0, is_new = admitted.is_new, "logged in");
    Ok(log_in)
}

/// The tenant that new people join, and to which roles told elsewhere belong.
async fn home(state: &AuthState, admission: &Admission<'_>) -> Result<TenantId, Refusal> {
    let Some(slug) = admission.only_tenant else { return Ok(TenantId::DEFAULT) };
    let tenant = state.directory().tenant_named(slug.as_str()).await?;
    Ok(tenant.ok_or(Refusal::NotAllowed("there is no tenant of the name in the settings"))?.id)
}

async fn find_or_make(
    state: &AuthState,
    person: Person,
    admission: &Admission<'_>,
    home: TenantId,
) -> Result<Admitted, Refusal> {
    if let Some(known) = state.directory().account_of_identity(&person.identity).await? {
        update(state, &known, person, false).await?;
        return Ok(Admitted { user: known.account.id, is_new: false });
    }
    let of_email = match &person.email {
        Some(email) => state.directory().known_account_of(email).await?,
        None => None,
    };
    match of_email {
        Some(known) if may_take_over(state, &known, &person, admission, home).await? => {
            tracing::info!(
                user = known.account.id.0,
                "an account is entered by another identity from now on"
            );
            update(state, &known, person, true).await?;
            Ok(Admitted { user: known.account.id, is_new: false })
        }
        Some(_) if admission.allow_sign_up => Err(Refusal::EmailInUse),
        Some(_) => Err(Refusal::NotAllowed("the account of the address is not entered this way")),
        None => make(state, person, admission, home).await,
    }
}

/// Whether a person gets into an account by its address alone: one that was made for them beforehand, or that was entered by
/// another provider until now.
async fn may_take_over(
    state: &AuthState,
    known: &KnownAccount,
    person: &Person,
    admission: &Admission<'_>,
    home: TenantId,
) -> Result<bool, Refusal> {
    let account = &known.account;
    if account.auth_method != person.identity.auth_method() || account.manages_platform {
        return Ok(false);
    }
    let is_theirs = match &person.identity {
        Identity::OAuth2 { client_id, .. } => {
            let is_named = known.oauth2_client_id.as_deref() == Some(client_id);
            // The provider gave the address to somebody else.
            let is_of_another = is_named && known.oauth2_user_id.is_some();
            // Whoever made the account named the provider that vouches for it.
            let trusted = match person.email_trust {
                EmailTrust::Verified => true,
                EmailTrust::Unknown => is_named,
                EmailTrust::Refuted => false,
            };
            trusted && !is_of_another
        }
        Identity::Ldap { .. } => known.ldap_unique_id.is_none(),
    };
    if !is_theirs || admission.only_tenant.is_none() {
        return Ok(is_theirs);
    }
    // Who vouches for one tenant has no say about the people of others.
    let memberships = state.directory().memberships(account.id).await?;
    Ok(memberships.iter().all(|membership| membership.tenant.id == home) && !memberships.is_empty())
}

async fn update(
    state: &AuthState,
    known: &KnownAccount,
    person: Person,
    takes_over: bool,
) -> Result<(), Refusal> {
    let is_new_email = known.account.email.as_deref() != person.email.as_ref().map(Email::as_str);
    let is_new_picture = known.picture_url.as_deref().unwrap_or_default() != person.picture_url;
    let change = ProfileChange {
        identity: takes_over.then_some(person.identity),
        email: person.email.filter(|_| is_new_email && person.email_trust == EmailTrust::Verified),
        picture_url: is_new_picture.then_some(person.picture_url),
    };
    if change.identity.is_none() && change.email.is_none() && change.picture_url.is_none() {
        return Ok(());
    }
    match state.directory().change_profile(known.account.id, change).await? {
        true => Ok(()),
        false => Err(Refusal::EmailInUse),
    }
}

/// The role that was told elsewhere, in the tenant that it is for.
async fn set_role(state: &AuthState, user: UserId, home: TenantId, role: Role) -> Result<(), Refusal> {
    let membership = state.directory().membership(user, home).await?;
    if membership.is_none_or(|membership| membership.role == role) {
        return Ok(());
    }
    let scope = SystemScope::for_tenant(home, "an identity provider tells the role");
    match state.store.scoped(&scope).set_role(user, role).await? {
        MemberChange::Done | MemberChange::NoMember => {}
        MemberChange::LastAdmin => {
            tracing::warn!(user = user.0, tenant = home.0, "the last administrator stays one");
        }
    }
    state.revoke(home, CredentialName::User(user)).await;
    Ok(())
}

/// The chosen tenant; or else that of the settings, or any that may be used.
async fn to_work_in(
    state: &AuthState,
    user: UserId,
    home: TenantId,
    chosen: Option<&str>,
) -> Result<Membership, Refusal> {
    let memberships = state.directory().memberships(user).await?;
    let usable = || memberships.iter().filter(|membership| membership.tenant.suspended_at.is_none());
    let found = match chosen {
        Some(slug) => usable().find(|membership| membership.tenant.slug == slug),
        None => usable().find(|membership| membership.tenant.id == home).or_else(|| usable().next()),
    };
    found.cloned().ok_or(Refusal::NotAllowed("no membership in a tenant that may be used"))
}
