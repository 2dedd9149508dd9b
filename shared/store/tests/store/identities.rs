//! Accounts of people whom an identity provider or a directory vouches for.

use std::time::Duration;

use bennu_access::Role;
use bennu_domain::account::{AuthMethod, Email, Username};
use bennu_domain::ids::TenantId;
use bennu_store::{
    Accept, AddMember, Identity, NewAccount, NewInvitation, NewMember, ProfileChange, ScopedStore,
};

use crate::accounts::{add, directory};
use crate::support::{TestStore, on_both_engines};

on_both_engines!(
    an_account_is_found_by_the_identity_that_it_has,
    an_identity_of_a_directory_needs_an_id,
    a_profile_changes_unless_another_account_has_the_address,
    an_invitation_of_the_address_is_accepted_within_its_tenant,
);

fn email(name: &str) -> Email {
    Email::parse(&format!("{name}@example.com")).unwrap()
}

fn outside(name: &str, auth_method: AuthMethod, user_id: Option<&str>) -> NewAccount {
    NewAccount {
        email: email(name).into(),
        auth_method,
        password: None,
        password_needs_reset: false,
        oauth2_client_id: user_id.map(|_| "client".to_owned()),
        oauth2_user_id: user_id.map(str::to_owned),
    }
}

async fn join(tenant: ScopedStore<'_>, name: &str, account: NewAccount) -> bennu_domain::ids::UserId {
    let new = NewMember { account, username: Username::parse(name).unwrap(), role: Role::Viewer };
    match tenant.add_member(new).await.unwrap() {
        AddMember::Added(member) => member.user,
        other => panic!("{other:?}"),
    }
}

fn oauth2(client_id: &str, user_id: &str) -> Identity {
    Identity::OAuth2 { client_id: client_id.to_owned(), user_id: user_id.to_owned() }
}

async fn an_account_is_found_by_the_identity_that_it_has(db: TestStore) {
    let tenant = db.fresh_tenant();
    let ada = join(tenant, "ada", outside("ada", AuthMethod::OAuth2, Some("7"))).await;
    // Whatever its columns say, an account with a password is entered by that.
    join(tenant, "eve", outside("eve", AuthMethod::Local, Some("8"))).await;
    let found = async |identity: Identity| {
        let known = directory(&db).account_of_identity(&identity).await.unwrap();
        known.map(|known| known.account.id)
    };
    assert_eq!(found(oauth2("client", "7")).await, Some(ada));
    for other in [oauth2("client", "8"), oauth2("other", "7"), oauth2("client", "")] {
        assert_eq!(found(other).await, None);
    }
    let known = directory(&db).known_account_of(&email("ada")).await.unwrap().unwrap();
    assert_eq!((known.account.id, known.oauth2_user_id.as_deref()), (ada, Some("7")));
}

async fn an_identity_of_a_directory_needs_an_id(db: TestStore) {
    let user = join(db.fresh_tenant(), "ada", outside("ada", AuthMethod::Ldap, None)).await;
    let identity = |id: Option<&str>| Identity::Ldap { unique_id: id.map(str::to_owned) };
    let found = async |id| directory(&db).account_of_identity(&identity(id)).await.unwrap();
    assert!(found(None).await.is_none() && found(Some("x")).await.is_none());
    let change = ProfileChange { identity: Some(identity(Some("x"))), ..ProfileChange::default() };
    assert!(directory(&db).change_profile(user, change).await.unwrap());
    assert_eq!(found(Some("x")).await.unwrap().account.id, user);
    assert!(found(None).await.is_none());
}

async fn a_profile_changes_unless_another_account_has_the_address(db: TestStore) {
    let tenant = db.fresh_tenant();
    let ada = join(tenant, "ada", outside("ada", AuthMethod::OAuth2, Some("7"))).await;
    add(tenant, "eve", Role::Member).await;
    let change = |name: &str, picture: &str| ProfileChange {
        identity: Some(oauth2("new", "70")),
        email: Some(email(name)),
        picture_url: Some(picture.to_owned()),
    };
    assert!(!directory(&db).change_profile(ada, change("eve", "https://x/1")).await.unwrap());
    let unchanged = tenant.member(ada).await.unwrap().unwrap();
    assert_eq!((unchanged.email.as_deref(), unchanged.picture_url), (Some("ada@example.com"), None));
    assert!(directory(&db).change_profile(ada, change("ada", "https://x/1")).await.unwrap());
    assert!(directory(&db).change_profile(ada, change("lovelace", "https://x/2")).await.unwrap());
    let changed = tenant.member(ada).await.unwrap().unwrap();
    assert_eq!(changed.email.as_deref(), Some("lovelace@example.com"));
    assert_eq!(changed.picture_url.as_deref(), Some("https://x/2"));
    assert_eq!(changed.oauth2_client_id.as_deref(), Some("new"));
    let nothing = ProfileChange { picture_url: Some(String::new()), ..ProfileChange::default() };
    assert!(directory(&db).change_profile(ada, nothing).await.unwrap());
    let changed = tenant.member(ada).await.unwrap().unwrap();
    assert_eq!((changed.picture_url, changed.oauth2_user_id.as_deref()), (None, Some("70")));
}

async fn an_invitation_of_the_address_is_accepted_within_its_tenant(db: TestStore) {
    let (number, other) = (db.fresh_tenant_number(), db.fresh_tenant_number());
    let tenant = db.tenant(number);
    let hour = Duration::from_hours(1);
    let invite = async |name: &str, token: &[u8]| {
        let expires_at = db.data().time().after(hour);
        let (email, token_hash) = (Some(email(name)), token.to_vec());
        let new = NewInvitation { token_hash, email, role: Role::Member, invited_by: None, expires_at };
        tenant.invite(new).await.unwrap();
    };
    let accept = async |name: &str, within: Option<i64>| {
        let account = outside(name, AuthMethod::OAuth2, Some(name));
        let username = Username::parse(name).unwrap();
        directory(&db).accept_invitation_of(account, &username, within.map(TenantId)).await.unwrap()
    };
    invite("ada", b"1").await;
    assert_eq!(accept("eve", None).await, Accept::NoInvitation);
    assert_eq!(accept("ada", Some(other)).await, Accept::NoInvitation);
    let Accept::Joined { tenant: joined, user } = accept("ada", Some(number)).await else {
        panic!("not joined")
    };
    assert_eq!(joined, TenantId(number));
    assert_eq!(tenant.member(user).await.unwrap().unwrap().role, Role::Member);
    assert_eq!(accept("ada", None).await, Accept::NoInvitation, "it is used up");
    invite("ada", b"2").await;
    assert_eq!(accept("ada", None).await, Accept::EmailTaken);
    invite("late", b"3").await;
    db.clock.advance(hour);
    assert_eq!(accept("late", None).await, Accept::NoInvitation);
}
