//! The accounts of people who log in for the first time.

use bennu_access::{Role, SystemScope};
use bennu_domain::account::{AuthMethod, Username};
use bennu_domain::ids::{TenantId, UserId};
use bennu_store::{Accept, AccountEmail, AddMember, Identity, NewAccount, NewMember, ProfileChange};

use super::{Admission, Admitted, EmailTrust, Person, Refusal};
use crate::bootstrap::random_password as random;
use crate::service::AuthState;

/// Names that are tried when the first is taken; four random letters make a second clash rare.
const NAMES_TRIED: usize = 5;

/// Those who are invited join the tenant that invites them, others that of the settings.
pub(super) async fn make(
    state: &AuthState,
    person: Person,
    admission: &Admission<'_>,
    home: TenantId,
) -> Result<Admitted, Refusal> {
    if person.email_trust == EmailTrust::Refuted {
        return Err(Refusal::NotAllowed("the address is not verified"));
    }
    let account = new_account(&person)?;
    let names: Vec<Username> = usernames(&person).collect();
    for username in names {
        let invited = match person.email_trust {
            EmailTrust::Verified => {
                let within = admission.only_tenant.map(|_| home);
                state.directory().accept_invitation_of(account.clone(), &username, within).await?
            }
            _ => Accept::NoInvitation,
        };
        let user = match invited {
            Accept::Joined { user, .. } => user,
            Accept::EmailTaken | Accept::OtherEmail => return Err(Refusal::EmailInUse),
            Accept::UsernameTaken => continue,
            Accept::NoInvitation if !admission.allow_sign_up => {
                return Err(Refusal::NotAllowed("people get no account by logging in"));
            }
            Accept::NoInvitation => match join_home(state, &account, username, &person, home).await? {
                Some(user) => user,
                None => continue,
            },
        };
        finish(state, user, person).await?;
        return Ok(Admitted { user, is_new: true });
    }
    Err(Refusal::NotAllowed("every name that was tried is taken"))
}

/// None if the name is taken.
async fn join_home(
    state: &AuthState,
    account: &NewAccount,
    username: Username,
    person: &Person,
    home: TenantId,
) -> Result<Option<UserId>, Refusal> {
    let scope = SystemScope::for_tenant(home, "somebody logs in for the first time");
    let role = person.role.unwrap_or(Role::Viewer);
    let new = NewMember { account: account.clone(), username, role };
    match state.store.scoped(&scope).add_member(new).await? {
        AddMember::Added(member) => Ok(Some(member.user)),
        AddMember::EmailTaken => Err(Refusal::EmailInUse),
        AddMember::UsernameTaken => Ok(None),
    }
}

/// What an account has beside what administrators give it.
async fn finish(state: &AuthState, user: UserId, person: Person) -> Result<(), Refusal> {
    let is_of_directory = person.identity.auth_method() == AuthMethod::Ldap;
    let change = ProfileChange {
        identity: is_of_directory.then_some(person.identity),
        email: None,
        picture_url: (!person.picture_url.is_empty()).then_some(person.picture_url),
    };
    if change.identity.is_some() || change.picture_url.is_some() {
        state.directory().change_profile(user, change).await?;
    }
    Ok(())
}

fn new_account(person: &Person) -> Result<NewAccount, Refusal> {
    let (oauth2_client_id, oauth2_user_id) = match &person.identity {
        Identity::OAuth2 { client_id, user_id } => (Some(client_id.clone()), Some(user_id.clone())),
        Identity::Ldap { .. } => (None, None),
    };
    let email = match (&person.email, &person.identity) {
        (Some(email), _) => email.clone().into(),
        (None, Identity::Ldap { unique_id: Some(id) }) => AccountEmail::Untold { unique_id: id.clone() },
        (None, _) => return Err(Refusal::NotAllowed("nothing tells the account from others")),
    };
    Ok(NewAccount {
        email,
        auth_method: person.identity.auth_method(),
        password: None,
        password_needs_reset: false,
        oauth2_client_id,
        oauth2_user_id,
    })
}

/// The name, and the same with something behind it.
fn usernames(person: &Person) -> impl Iterator<Item = Username> {
    let local = person.email.as_ref().and_then(|email| email.as_str().split('@').next());
    let mut named = person.names.iter().map(String::as_str).chain(local);
    let name = named.find_map(|name| Username::parse(name).ok());
    (0..NAMES_TRIED).filter_map(move |attempt| {
        let name = name.clone()?;
        if attempt == 0 {
            return Some(name);
        }
        let suffix: String = random().ok()?.chars().take(4).collect();
        let short: String = name.as_str().chars().take(60).collect();
        Username::parse(&format!("{short} {suffix}")).ok()
    })
}
