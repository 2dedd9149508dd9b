//! Accounts, keys, log-ins and invitations.

use std::time::Duration;

use bennu_access::{DeploymentSecret, KeyTraffic, NewApiKey, PasswordHash, Role};
use bennu_domain::account::{Email, Username};
use bennu_domain::ids::{TenantId, UserId};
use bennu_domain::limits::RateLimits;
use bennu_domain::time::Timestamp;
use bennu_store::{
    Accept, AddMember, ApiKey, Directory, Invitee, KeyOwner, LogIn, Member, MemberChange, NewAccount,
    NewInvitation, NewLogIn, NewMember, NewStoredKey, Renewal, Rotation, ScopedStore,
};

use crate::support::{TestStore, on_both_engines};

on_both_engines!(
    a_deployment_begins_with_two_accounts,
    addresses_are_unique_everywhere_and_names_within_a_tenant,
    members_are_listed_newest_first_page_by_page,
    the_last_administrator_stays,
    an_account_goes_with_its_last_membership,
    a_password_ends_all_log_ins,
    a_log_in_that_is_renewed_twice_from_one_token_has_ended,
    a_key_is_found_by_its_public_name_and_listed_by_its_owner,
    the_last_use_of_a_key_never_goes_back,
    an_invitation_is_used_once_by_whom_it_is_for,
);

const HOUR: Duration = Duration::from_hours(1);

pub fn directory(db: &TestStore) -> Directory<'_> {
    db.store.directory("test")
}

pub fn new_member(name: &str, role: Role) -> NewMember {
    let email = Email::parse(&format!("{name}@example.com")).unwrap();
    let account = NewAccount::local(email, Some(password("first")), true);
    NewMember { account, username: Username::parse(name).unwrap(), role }
}

fn password(text: &str) -> PasswordHash {
    PasswordHash::from_stored(text.to_owned())
}

pub async fn add(tenant: ScopedStore<'_>, name: &str, role: Role) -> Member {
    match tenant.add_member(new_member(name, role)).await.unwrap() {
        AddMember::Added(member) => member,
        other => panic!("{other:?}"),
    }
}

async fn log_in(db: &TestStore, user: UserId, id: &str) -> LogIn {
    let expires_at = db.data().time().after(HOUR);
    let new = NewLogIn { id: id.to_owned(), user, tenant: TenantId::DEFAULT, expires_at };
    directory(db).begin_log_in(new).await.unwrap()
}

pub async fn add_key(tenant: ScopedStore<'_>, user: Option<UserId>) -> ApiKey {
    let secret = DeploymentSecret::parse("a-secret-of-the-tests-0123456789-abcdef").unwrap();
    let new = NewStoredKey {
        key: NewApiKey::generate(&secret).unwrap(),
        user,
        name: "key".to_owned(),
        description: None,
        traffic: KeyTraffic::IngestOnly,
        project: None,
        expires_at: None,
        rates: RateLimits { spans_per_second: Some(5), bytes_per_second: None },
    };
    tenant.add_api_key(new).await.unwrap()
}

async fn a_deployment_begins_with_two_accounts(db: TestStore) {
    let members = db.data().members(None, 10).await.unwrap().items;
    let known: Vec<_> =
        members.iter().map(|member| (member.user, member.username.as_str(), member.role)).collect();
    assert_eq!(
        known,
        [(UserId::FIRST_ADMIN, "admin", Role::Admin), (UserId::SYSTEM, "system", Role::System)]
    );
    let set =
        async |text| directory(&db).set_first_password(UserId::FIRST_ADMIN, &password(text)).await.unwrap();
    assert!(set("one").await);
    assert!(!set("two").await);
    let admin = directory(&db).account(UserId::FIRST_ADMIN).await.unwrap().unwrap();
    assert_eq!(admin.password.unwrap().as_str(), "one");
    assert!(admin.manages_platform);
}

async fn addresses_are_unique_everywhere_and_names_within_a_tenant(db: TestStore) {
    let (one, other) = (db.fresh_tenant(), db.fresh_tenant());
    let ada = add(one, "ada", Role::Member).await;
    let again = one.add_member(new_member("ada", Role::Member)).await.unwrap();
    assert_eq!(again, AddMember::EmailTaken);
    let elsewhere = other.add_member(new_member("ada", Role::Member)).await.unwrap();
    assert_eq!(elsewhere, AddMember::EmailTaken);
    let same_name =
        NewMember { username: Username::parse("ada").unwrap(), ..new_member("eve", Role::Member) };
    assert_eq!(one.add_member(same_name.clone()).await.unwrap(), AddMember::UsernameTaken);
    // Nothing of the refused account is left.
    assert!(matches!(other.add_member(same_name).await.unwrap(), AddMember::Added(_)));
    assert_eq!(one.member(ada.user).await.unwrap(), Some(ada.clone()));
    assert_eq!(other.member(ada.user).await.unwrap(), None);
}

async fn members_are_listed_newest_first_page_by_page(db: TestStore) {
    let tenant = db.fresh_tenant();
    for name in ["a", "b", "c"] {
        add(tenant, name, Role::Member).await;
    }
    let first = tenant.members(None, 2).await.unwrap();
    let second = tenant.members(first.next, 2).await.unwrap();
    let names = |members: &[Member]| members.iter().map(|member| member.username.clone()).collect::<Vec<_>>();
    assert_eq!(
        (names(&first.items), names(&second.items), second.next),
        (vec!["c".into(), "b".into()], vec!["a".into()], None)
    );
}

async fn the_last_administrator_stays(db: TestStore) {
    let tenant = db.fresh_tenant();
    let (one, other) = (add(tenant, "one", Role::Admin).await, add(tenant, "other", Role::Admin).await);
    assert_eq!(tenant.set_role(one.user, Role::Viewer).await.unwrap(), MemberChange::Done);
    assert_eq!(tenant.set_role(other.user, Role::Viewer).await.unwrap(), MemberChange::LastAdmin);
    assert_eq!(tenant.remove_member(other.user).await.unwrap(), MemberChange::LastAdmin);
    assert_eq!(tenant.remove_member(one.user).await.unwrap(), MemberChange::Done);
    assert_eq!(tenant.remove_member(one.user).await.unwrap(), MemberChange::NoMember);
    assert_eq!(tenant.set_role(one.user, Role::Admin).await.unwrap(), MemberChange::NoMember);
}

async fn an_account_goes_with_its_last_membership(db: TestStore) {
    let tenant = db.fresh_tenant();
    add(tenant, "boss", Role::Admin).await;
    let member = add(tenant, "ada", Role::Member).await;
    add_key(tenant, Some(member.user)).await;
    log_in(&db, member.user, "s").await;
    assert_eq!(tenant.remove_member(member.user).await.unwrap(), MemberChange::Done);
    assert!(directory(&db).account(member.user).await.unwrap().is_none());
    assert!(directory(&db).log_in("s").await.unwrap().is_none());
    assert_eq!(tenant.count_api_keys(KeyOwner::AnyUser).await.unwrap(), 0);
}

async fn a_password_ends_all_log_ins(db: TestStore) {
    let member = add(db.data(), "ada", Role::Member).await;
    assert!(member.password_needs_reset);
    log_in(&db, member.user, "here").await;
    log_in(&db, member.user, "there").await;
    log_in(&db, UserId::FIRST_ADMIN, "other").await;
    db.clock.advance(Duration::from_secs(1));
    directory(&db).set_password(member.user, &password("second")).await.unwrap();
    for (id, is_there) in [("here", false), ("there", false), ("other", true)] {
        assert_eq!(directory(&db).log_in(id).await.unwrap().is_some(), is_there, "{id}");
    }
    let account =
        directory(&db).account_of(&Email::parse("ADA@example.com").unwrap()).await.unwrap().unwrap();
    assert_eq!((account.password.unwrap().as_str(), account.password_set_at), ("second", db.data().time()));
    assert!(!db.data().member(member.user).await.unwrap().unwrap().password_needs_reset);
}

async fn a_log_in_that_is_renewed_twice_from_one_token_has_ended(db: TestStore) {
    let begun = log_in(&db, UserId::FIRST_ADMIN, "s").await;
    assert_eq!(begun.generation, 1);
    let later = db.data().time().after(HOUR * 2);
    let renew_by = async |client, generation, tenant| {
        let renewal = Renewal { id: "s", generation, client, tenant, expires_at: later };
        directory(&db).renew_log_in(renewal).await.unwrap()
    };
    let renew = async |generation, tenant| renew_by(None, generation, tenant).await;
    let renewed = LogIn { generation: 2, tenant: TenantId(7), expires_at: later, ..begun };
    // Of a program that it was not given to.
    assert_eq!(renew_by(Some("client"), 1, None).await, Rotation::Ended);
    assert_eq!(renew(1, Some(TenantId(7))).await, Rotation::Renewed(renewed.clone()));
    assert_eq!(directory(&db).log_in("s").await.unwrap(), Some(renewed.clone()));
    assert_eq!(renew(1, None).await, Rotation::Reused(renewed));
    assert_eq!(renew(2, None).await, Rotation::Ended);
    // One that has expired is forgotten as another begins.
    log_in(&db, UserId::FIRST_ADMIN, "old").await;
    db.clock.advance(HOUR);
    log_in(&db, UserId::FIRST_ADMIN, "new").await;
    assert!(directory(&db).log_in("old").await.unwrap().is_none());
}

async fn a_key_is_found_by_its_public_name_and_listed_by_its_owner(db: TestStore) {
    let (one, other) = (db.fresh_tenant(), db.fresh_tenant());
    let member = add(one, "ada", Role::Member).await;
    let (users, tenants) = (add_key(one, Some(member.user)).await, add_key(one, None).await);
    let found = directory(&db).key(&users.public_name.parse().unwrap()).await.unwrap().unwrap();
    assert_eq!(found.key, users);
    assert_eq!((users.traffic, users.rates.spans_per_second), (KeyTraffic::IngestOnly, Some(5)));
    let listed =
        async |tenant: ScopedStore<'_>, owner| tenant.list_api_keys(owner, None, 10).await.unwrap().items;
    assert_eq!(listed(one, KeyOwner::User(member.user)).await, std::slice::from_ref(&users));
    assert_eq!(listed(one, KeyOwner::AnyUser).await, std::slice::from_ref(&users));
    assert_eq!(listed(one, KeyOwner::Tenant).await, std::slice::from_ref(&tenants));
    for owner in [KeyOwner::AnyUser, KeyOwner::Tenant] {
        assert_eq!(listed(other, owner).await, []);
    }
    assert!(!other.delete_api_key(users.id).await.unwrap());
    assert!(one.delete_api_key(users.id).await.unwrap());
    assert!(directory(&db).key(&users.public_name.parse().unwrap()).await.unwrap().is_none());
}

async fn the_last_use_of_a_key_never_goes_back(db: TestStore) {
    let key = add_key(db.data(), None).await;
    for time in [5, 9, 7] {
        directory(&db).keys_used(&[(TenantId::DEFAULT, key.id, Timestamp(time))]).await.unwrap();
    }
    let stored = db.data().api_key(KeyOwner::Tenant, key.id).await.unwrap().unwrap();
    assert_eq!(stored.last_used_at, Some(Timestamp(9)));
}

async fn an_invitation_is_used_once_by_whom_it_is_for(db: TestStore) {
    let tenant = db.fresh_tenant();
    let invite = async |token: &[u8], email: Option<&str>| {
        let email = email.map(|email| Email::parse(email).unwrap());
        let expires_at = db.data().time().after(HOUR);
        let token_hash = token.to_vec();
        tenant
            .invite(NewInvitation { token_hash, email, role: Role::Viewer, invited_by: None, expires_at })
            .await
            .unwrap()
    };
    let accept = async |token: &[u8], invitee, name: &str| {
        directory(&db).accept_invitation(token, invitee, &Username::parse(name).unwrap()).await.unwrap()
    };
    let new = |email: &str| Invitee::New { email: Email::parse(email).unwrap(), password: password("p") };
    let admin = Invitee::Known(UserId::FIRST_ADMIN);
    let invitation = invite(b"one", Some("ada@example.com")).await;
    assert_eq!(tenant.invitations(10).await.unwrap(), [invitation]);
    assert_eq!(accept(b"none", new("ada@example.com"), "ada").await, Accept::NoInvitation);
    assert_eq!(accept(b"one", new("eve@example.com"), "eve").await, Accept::OtherEmail);
    assert_eq!(accept(b"one", admin.clone(), "admin").await, Accept::OtherEmail);
    let Accept::Joined { user, .. } = accept(b"one", new("ada@example.com"), "ada").await else {
        panic!("not joined")
    };
    assert_eq!(tenant.member(user).await.unwrap().unwrap().role, Role::Viewer);
    assert_eq!(accept(b"one", new("ada@example.com"), "ada").await, Accept::NoInvitation);
    invite(b"two", None).await;
    assert_eq!(accept(b"two", new("ada@example.com"), "other").await, Accept::EmailTaken);
    assert_eq!(accept(b"two", admin.clone(), "ada").await, Accept::UsernameTaken);
    assert!(matches!(
        accept(b"two", admin.clone(), "boss").await,
        Accept::Joined { user: UserId::FIRST_ADMIN, .. }
    ));
    assert_eq!(directory(&db).memberships(user).await.unwrap().len(), 0, "a tenant that only the test knows");
    invite(b"three", None).await;
    db.clock.advance(HOUR);
    assert_eq!(accept(b"three", admin, "late").await, Accept::NoInvitation);
    assert_eq!(tenant.count_invitations().await.unwrap(), 0);
}
