//! Programs that act for people: known, authorized, and their codes changed for log-ins.

use std::time::Duration;

use bennu_access::Role;
use bennu_domain::ids::{TenantId, UserId};
use bennu_domain::time::Timestamp;
use bennu_store::{
    NewOAuthClient, NewOAuthCode, OAuthClient, Redeemed, Redemption, Renewal, Rotation, ScopedStore,
};

use crate::accounts::{add, directory};
use crate::support::{TestStore, on_both_engines};

on_both_engines!(
    a_code_is_changed_for_a_log_in_once,
    a_code_that_is_presented_wrongly_is_void,
    a_log_in_of_a_program_is_its_own_and_ends,
    codes_go_with_log_ins_and_memberships,
    programs_that_nobody_uses_are_forgotten,
);

const MINUTE: Duration = Duration::from_mins(1);
const DAY: Duration = Duration::from_hours(24);

pub async fn register(data: ScopedStore<'_>, client_id: &str) -> OAuthClient {
    registered(data, client_id, 1_000).await.unwrap()
}

async fn registered(data: ScopedStore<'_>, client_id: &str, most: u64) -> Option<OAuthClient> {
    let new = NewOAuthClient {
        client_id: client_id.to_owned(),
        name: Some("Program".to_owned()),
        logo_uri: None,
        redirect_uris: vec!["http://127.0.0.1/callback".to_owned()],
        refreshes: true,
    };
    data.register_oauth_client(new, most).await.unwrap()
}

/// The code is the name of the program.
pub async fn authorize(data: ScopedStore<'_>, client: &OAuthClient, user: UserId, expires_at: Timestamp) {
    data.authorize_oauth_client(code_for(client, user, expires_at)).await.unwrap();
}

pub fn code_for(client: &OAuthClient, user: UserId, expires_at: Timestamp) -> NewOAuthCode {
    NewOAuthCode {
        code_hash: client.client_id.clone().into_bytes(),
        client_id: client.client_id.clone(),
        user,
        redirect_uri: client.redirect_uris[0].clone(),
        code_challenge: "challenge".to_owned(),
        refreshes: true,
        expires_at,
    }
}

pub fn presented<'a>(db: &TestStore, client: &'a OAuthClient, log_in_id: &str) -> Redemption<'a> {
    let now = db.data().time();
    Redemption {
        code_hash: client.client_id.as_bytes(),
        client_id: &client.client_id,
        redirect_uri: &client.redirect_uris[0],
        code_challenge: "challenge",
        tenant: None,
        log_in_id: log_in_id.to_owned(),
        expires_at: now.after(DAY),
        ends_at: now.after(DAY * 2),
    }
}

async fn redeem(db: &TestStore, redemption: Redemption<'_>) -> Redeemed {
    directory(db).redeem_oauth_code(redemption).await.unwrap()
}

async fn a_code_is_changed_for_a_log_in_once(db: TestStore) {
    let client = register(db.data(), "one").await;
    assert_eq!(db.data().oauth_client("one").await.unwrap().as_ref(), Some(&client));
    authorize(db.data(), &client, UserId::FIRST_ADMIN, db.data().time().after(MINUTE)).await;
    let granted = redeem(&db, presented(&db, &client, "first")).await;
    let Redeemed::Granted { log_in, refreshes: true } = granted else { panic!("{granted:?}") };
    assert_eq!((log_in.user, log_in.tenant, log_in.generation), (UserId::FIRST_ADMIN, TenantId::DEFAULT, 1));
    assert_eq!(log_in.client.as_deref(), Some("one"));
    assert_eq!(directory(&db).log_in("first").await.unwrap(), Some(log_in));
    // Whoever is second does not get in, and neither does the first any more.
    assert_eq!(redeem(&db, presented(&db, &client, "second")).await, Redeemed::Replayed("first".to_owned()));
    assert_eq!(directory(&db).log_in("first").await.unwrap(), None);
    assert_eq!(directory(&db).log_in("second").await.unwrap(), None);
}

async fn a_code_that_is_presented_wrongly_is_void(db: TestStore) {
    let other = db.fresh_tenant();
    let wrongly: [fn(&mut Redemption<'_>); 4] = [
        |redemption| redemption.client_id = "somebody",
        |redemption| redemption.redirect_uri = "http://127.0.0.1:1/callback",
        |redemption| redemption.code_challenge = "guessed",
        |redemption| redemption.tenant = Some(TenantId(7)),
    ];
    for (number, wrongly) in wrongly.into_iter().enumerate() {
        let client = register(db.data(), &format!("client {number}")).await;
        authorize(db.data(), &client, UserId::FIRST_ADMIN, db.data().time().after(MINUTE)).await;
        let mut redemption = presented(&db, &client, "s");
        wrongly(&mut redemption);
        assert_eq!(redeem(&db, redemption).await, Redeemed::Refused);
        assert_eq!(redeem(&db, presented(&db, &client, "s")).await, Redeemed::Refused);
    }
    let late = register(other, "late").await;
    authorize(other, &late, UserId::FIRST_ADMIN, db.data().time().after(MINUTE)).await;
    db.clock.advance(MINUTE);
    assert_eq!(redeem(&db, presented(&db, &late, "s")).await, Redeemed::Refused);
    assert_eq!(directory(&db).log_in("s").await.unwrap(), None);
    // Forgotten with the next one.
    authorize(other, &register(other, "next").await, UserId::FIRST_ADMIN, db.data().time().after(MINUTE))
        .await;
    assert_eq!(db.number("SELECT count(*) FROM oauth_codes WHERE client_id = 'late'").await, 0);
}

async fn a_log_in_of_a_program_is_its_own_and_ends(db: TestStore) {
    let client = register(db.data(), "one").await;
    authorize(db.data(), &client, UserId::FIRST_ADMIN, db.data().time().after(MINUTE)).await;
    redeem(&db, presented(&db, &client, "s")).await;
    let end = db.data().time().after(DAY * 2);
    let renew = async |generation, client| {
        let renewal = Renewal { id: "s", generation, client, tenant: None, expires_at: end.after(DAY) };
        directory(&db).renew_log_in(renewal).await.unwrap()
    };
    // Neither a browser nor another program has a part in it.
    assert_eq!(renew(1, None).await, Rotation::Ended);
    assert_eq!(renew(1, Some("other")).await, Rotation::Ended);
    let Rotation::Renewed(renewed) = renew(1, Some("one")).await else { panic!("not renewed") };
    assert_eq!((renewed.generation, renewed.expires_at), (2, end));
    assert!(directory(&db).end_log_in("s").await.unwrap());
    assert!(!directory(&db).end_log_in("s").await.unwrap());
    assert_eq!(renew(2, Some("one")).await, Rotation::Ended);
}

async fn codes_go_with_log_ins_and_memberships(db: TestStore) {
    let one = db.fresh_tenant();
    let member = add(one, "ada", Role::Member).await.user;
    add(one, "grace", Role::Admin).await;
    let client = register(one, "one").await;
    authorize(one, &client, member, db.data().time().after(MINUTE)).await;
    directory(&db).end_log_ins(member).await.unwrap();
    assert_eq!(redeem(&db, presented(&db, &client, "s")).await, Redeemed::Refused);
    authorize(one, &client, member, db.data().time().after(MINUTE)).await;
    one.remove_member(member).await.unwrap();
    assert_eq!(redeem(&db, presented(&db, &client, "s")).await, Redeemed::Refused);
}

async fn programs_that_nobody_uses_are_forgotten(db: TestStore) {
    let (one, other) = (db.fresh_tenant(), db.fresh_tenant());
    for client_id in ["used", "unused"] {
        assert!(registered(one, client_id, 2).await.is_some());
    }
    assert_eq!(registered(one, "third", 2).await, None);
    assert!(registered(other, "third", 2).await.is_some(), "each tenant has its own");
    one.oauth_client_used("used").await.unwrap();
    db.clock.advance(DAY * 8);
    assert!(registered(one, "third", 2).await.is_some());
    assert_eq!(one.oauth_client("unused").await.unwrap(), None);
    assert!(one.oauth_client("used").await.unwrap().is_some());
    assert_eq!(one.oauth_client("third").await.unwrap().unwrap().client_id, "third");
}
