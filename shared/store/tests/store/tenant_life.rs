//! Tenants: made, limited, suspended, erased.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bennu_access::{PasswordHash, Role};
use bennu_domain::account::{Email, TenantSlug};
use bennu_domain::annotation_config::{AnnotationConfig, ConfigKind};
use bennu_domain::audit::AuditAction;
use bennu_domain::cost::{ModelPrices, NamePattern, Override, TokenPrices};
use bennu_domain::ids::{TenantId, UserId};
use bennu_domain::limits::{RateLimits, TenantLimits};
use bennu_domain::project::ProjectName;
use bennu_domain::time::Timestamp;
use bennu_store::{
    Accept, AnnotationWrite, AuditEntry, ConfigChange, CreateTenant, Invitee, NewInvitation, NewJobRow,
    NewLogIn, NewMember, NewOAuthCode, QueuedEnd, QueuedWrite, Redeemed, Redemption, Renewal, Rotation,
    ScopedStore, StoreError, StoredUsage, Tenant, WriteReport,
};
use bennu_testkit::otlp::{request, span};
use sea_orm::{ConnectionTrait as _, DbBackend, Statement};

use crate::accounts::{add, add_key, directory, new_member};
use crate::oauth::{authorize, code_for, presented, register};
use crate::support::{
    EVERYTHING_IS_LARGE, TestStore, annotate, annotation, everything, of_span, on_both_engines, prepared,
    write, write_until_stored,
};

on_both_engines!(
    a_slug_is_taken_once,
    limits_and_suspension_are_kept,
    what_is_stored_is_counted,
    an_erased_tenant_leaves_no_row_and_no_object,
    a_tenant_that_is_half_erased_is_erased_to_the_end,
    nobody_joins_or_logs_in_to_a_tenant_that_is_half_erased,
    what_comes_for_an_erased_tenant_is_dropped,
    what_is_written_while_a_tenant_is_erased_goes_with_it,
    who_joins_or_logs_in_while_a_tenant_is_erased_goes_with_it,
);

async fn create(db: &TestStore, slug: &str) -> CreateTenant {
    directory(db).create_tenant(&TenantSlug::parse(slug).unwrap(), slug).await.unwrap()
}

async fn created(db: &TestStore, slug: &str) -> Tenant {
    match create(db, slug).await {
        CreateTenant::Created(tenant) => tenant,
        CreateTenant::SlugTaken => panic!("{slug} is taken"),
    }
}

async fn a_slug_is_taken_once(db: TestStore) {
    let one = created(&db, "one").await;
    assert_eq!(create(&db, "one").await, CreateTenant::SlugTaken);
    assert_eq!(create(&db, "default").await, CreateTenant::SlugTaken);
    let other = created(&db, "other").await;
    assert_eq!(directory(&db).tenant_named("one").await.unwrap(), Some(one.clone()));
    let slugs = async |from, limit| -> Vec<String> {
        directory(&db).tenants(from, limit).await.unwrap().into_iter().map(|tenant| tenant.slug).collect()
    };
    assert_eq!(slugs(None, 2).await, ["default", "one"]);
    assert_eq!(slugs(Some(other.id), 2).await, ["other"]);
    assert_eq!(db.tenant(one.id.0).members(None, 9).await.unwrap().items[0].role, Role::System);
}

async fn limits_and_suspension_are_kept(db: TestStore) {
    let id = created(&db, "one").await.id;
    let rates = RateLimits { spans_per_second: Some(1), bytes_per_second: None };
    let limits =
        TenantLimits { rates, stored_bytes: Some(u64::from(u32::MAX) * 10), retention_days: Some(30) };
    let now = db.data().time();
    directory(&db).limit_tenant(id, &limits).await.unwrap();
    directory(&db).suspend_tenant(id, Some(now)).await.unwrap();
    directory(&db).set_storage_full(id, true).await.unwrap();
    directory(&db).rename_tenant(id, "Name").await.unwrap();
    let tenant = directory(&db).tenant(id).await.unwrap().unwrap();
    assert_eq!((tenant.limits, tenant.suspended_at, tenant.storage_full), (limits, Some(now), true));
    assert_eq!(tenant.name, "Name");
    directory(&db).limit_tenant(id, &TenantLimits::default()).await.unwrap();
    directory(&db).suspend_tenant(id, None).await.unwrap();
    let tenant = directory(&db).tenant(id).await.unwrap().unwrap();
    assert_eq!((tenant.limits, tenant.suspended_at), (TenantLimits::default(), None));
}

async fn what_is_stored_is_counted(db: TestStore) {
    assert_eq!(db.data().stored_usage().await.unwrap(), StoredUsage::default());
    db.write(request().spans([span(1, 1), span(1, 2), span(2, 1)])).await;
    let usage = db.data().stored_usage().await.unwrap();
    assert_eq!(usage.spans, 3);
    let bytes = db.number("SELECT sum(stored_bytes) FROM trace_blocks").await;
    assert_eq!(usage.bytes, u64::try_from(bytes).unwrap());
    assert_eq!(db.fresh_tenant().stored_usage().await.unwrap(), StoredUsage::default());
}

async fn an_erased_tenant_leaves_no_row_and_no_object(db: TestStore) {
    let db = db.with_blocks(EVERYTHING_IS_LARGE).await;
    let (one, other) = (created(&db, "one").await.id, created(&db, "other").await.id);
    for tenant in [one, other] {
        fill(&db, tenant).await;
    }
    let tables = tables_of_tenants(&db).await;
    assert!(tables.len() > 10, "{tables:?}");
    let rows = async |table: &str, tenant: TenantId| db.rows_in(table, tenant.0).await;
    for table in &tables {
        assert!(rows(table, one).await > 0, "{table}: give it a row in fill()");
    }
    let before = everything(db.tenant(other.0)).await;
    directory(&db).erase_tenant(one).await.unwrap();
    for table in &tables {
        assert_eq!(rows(table, one).await, 0, "{table}");
        assert!(rows(table, other).await > 0, "{table}");
    }
    assert_eq!(directory(&db).tenant(one).await.unwrap(), None);
    let again = created(&db, "one").await.id;
    assert!(again > other, "an id never comes back");
    assert_eq!(db.number("SELECT count(*) FROM users WHERE email LIKE 'one%'").await, 0);
    assert_eq!(everything(db.tenant(other.0)).await, before);
    // Called again there is nothing to do.
    directory(&db).erase_tenant(one).await.unwrap();
}

async fn a_tenant_that_is_half_erased_is_erased_to_the_end(db: TestStore) {
    let one = created(&db, "one").await.id;
    fill(&db, one).await;
    close(&db, one).await;
    assert_eq!(directory(&db).tenant_named("one").await.unwrap(), None);
    assert_eq!(create(&db, "one").await, CreateTenant::SlugTaken);
    let slug = TenantSlug::parse("one").unwrap();
    let left = directory(&db).tenant_to_erase(&slug).await.unwrap().unwrap();
    assert_eq!(left.id, one);
    directory(&db).erase_tenant(one).await.unwrap();
    assert_eq!(rows_of(&db, one).await, Vec::<String>::new());
    assert_eq!(directory(&db).tenant_to_erase(&slug).await.unwrap(), None);
    created(&db, "one").await;
}

/// As a process leaves it that is killed early on.
async fn close(db: &TestStore, tenant: TenantId) {
    let raw = db.raw().await;
    let close = format!("UPDATE tenants SET erased_at = 1 WHERE id = {}", tenant.0);
    raw.execute_unprepared(&close).await.unwrap();
    raw.close().await.unwrap();
}

async fn nobody_joins_or_logs_in_to_a_tenant_that_is_half_erased(db: TestStore) {
    let one = created(&db, "one").await.id;
    let later = db.data().time().after(Duration::from_hours(1));
    let owner = add(db.tenant(one.0), "owner", Role::Admin).await.user;
    let client = register(db.tenant(one.0), "program").await;
    authorize(db.tenant(one.0), &client, owner, later).await;
    for name in ["known", "told"] {
        let email = Some(Email::parse(&format!("{name}@example.com")).unwrap());
        let token_hash = name.as_bytes().to_vec();
        let invitation =
            NewInvitation { token_hash, email, role: Role::Member, invited_by: None, expires_at: later };
        db.tenant(one.0).invite(invitation).await.unwrap();
    }
    let elsewhere = log_in("elsewhere", TenantId::DEFAULT, UserId::FIRST_ADMIN, later);
    directory(&db).begin_log_in(elsewhere).await.unwrap();
    close(&db, one).await;
    let begun = directory(&db).begin_log_in(log_in("late", one, owner, later)).await.map(drop);
    let renewal =
        Renewal { id: "elsewhere", generation: 1, client: None, tenant: Some(one), expires_at: later };
    let moved = directory(&db).renew_log_in(renewal).await.map(drop);
    let redeemed = directory(&db).redeem_oauth_code(presented(&db, &client, "late")).await.map(drop);
    for refused in [begun, moved, redeemed] {
        assert!(matches!(refused, Err(StoreError::TenantErased)), "{refused:?}");
    }
    let NewMember { account, username, .. } = new_member("known", Role::Member);
    let password = PasswordHash::from_stored("hash".to_owned());
    let invitee = Invitee::New { email: account.email.known().unwrap().clone(), password };
    let accepted = directory(&db).accept_invitation(b"known", invitee, &username).await.unwrap();
    assert_eq!(accepted, Accept::NoInvitation);
    let NewMember { account, username, .. } = new_member("told", Role::Member);
    let accepted = directory(&db).accept_invitation_of(account, &username, None).await.unwrap();
    assert_eq!(accepted, Accept::NoInvitation);
    assert_eq!(
        db.number("SELECT count(*) FROM users WHERE email IN ('known@example.com', 'told@example.com')")
            .await,
        0
    );
    assert_eq!(db.number("SELECT count(*) FROM auth_sessions WHERE id = 'late'").await, 0);
}

async fn what_comes_for_an_erased_tenant_is_dropped(db: TestStore) {
    let db = db.with_blocks(EVERYTHING_IS_LARGE).await;
    let one = created(&db, "one").await.id;
    fill(&db, one).await;
    directory(&db).erase_tenant(one).await.unwrap();
    assert_eq!(db.objects(), Vec::<PathBuf>::new());
    let data = db.tenant(one.0);
    let spans = || request().project("p").spans((1..=3).map(|id| span(id.into(), id)));
    let dropped = WriteReport { inserted: 0, duplicates: 0, dropped: 3 };
    assert_eq!(write(data, spans()).await.unwrap(), dropped);
    let (patient, impatient) = (db.data().time(), db.data().time().after(Duration::from_hours(1)));
    for patience_ends in [patient, impatient] {
        let (settled, _) =
            data.apply_queued(&[queued(&late(1)), queued(&late(2))], patience_ends).await.unwrap();
        assert_eq!(settled, [QueuedEnd::Settled; 2]);
    }
    data.fail_queued(&queued(&late(1)), "it can never be stored").await.unwrap();
    // Whoever is answered at once hears of it.
    for refused in [
        data.annotate(vec![annotation(of_span(1), "n", "l")]).await.map(drop),
        data.queue_jobs(vec![job()], data.time()).await.map(drop),
        data.add_member(new_member("late", Role::Admin)).await.map(drop),
        data.create_project(&ProjectName::new("q").unwrap(), None).await.map(drop),
        directory(&db).begin_log_in(log_in("late", one, UserId::FIRST_ADMIN, patient)).await.map(drop),
    ] {
        assert!(matches!(refused, Err(StoreError::TenantErased)), "{refused:?}");
    }
    assert_eq!(rows_of(&db, one).await, Vec::<String>::new());
    assert_eq!(db.objects(), Vec::<PathBuf>::new());
    // Others go on.
    assert_eq!(write(db.data(), spans()).await.unwrap().inserted, 3);
}

async fn what_is_written_while_a_tenant_is_erased_goes_with_it(db: TestStore) {
    let db = db.with_blocks(EVERYTHING_IS_LARGE).await;
    let one = created(&db, "one").await.id;
    let written = AtomicU64::new(0);
    let writer = async |first: u64| {
        for id in (first..).step_by(4) {
            let spans = prepared(request().project("p").span(span(id.into(), id).session("s")));
            let report = write_until_stored(db.tenant(one.0), &spans).await;
            if report.dropped > 0 {
                return;
            }
            written.fetch_add(1, Ordering::SeqCst);
        }
    };
    let annotator = async || {
        let forever = Timestamp(i64::MIN);
        while db.tenant(one.0).project_named("p").await.unwrap().is_some()
            || written.load(Ordering::SeqCst) == 0
        {
            db.tenant(one.0)
                .apply_queued(&[queued(&late(1)), queued(&late(2)), queued(&late(3))], forever)
                .await
                .ok();
        }
    };
    let eraser = async || {
        while written.load(Ordering::SeqCst) < 20 {
            tokio::task::yield_now().await;
        }
        directory(&db).erase_tenant(one).await.unwrap();
    };
    let all = async { tokio::join!(writer(1), writer(2), writer(3), writer(4), annotator(), eraser()) };
    tokio::time::timeout(Duration::from_mins(1), Box::pin(all)).await.expect("writers end with their tenant");
    assert_eq!(rows_of(&db, one).await, Vec::<String>::new());
    assert_eq!(db.objects(), Vec::<PathBuf>::new());
}

async fn who_joins_or_logs_in_while_a_tenant_is_erased_goes_with_it(db: TestStore) {
    let (one, other) = (created(&db, "one").await.id, created(&db, "other").await.id);
    let owner = add(db.tenant(one.0), "owner", Role::Admin).await.user;
    let later = db.data().time().after(Duration::from_hours(1));
    let done = [const { AtomicU64::new(0) }; 4];
    let client = register(db.tenant(one.0), "program").await;
    // Each goes on until the tenant is gone.
    let joins = async |first: u64| {
        for number in (first..).step_by(2) {
            let name = format!("joins{number}");
            if !joined(&db, one, &name, number % 3 == 0, later).await {
                return;
            }
            done[0].fetch_add(1, Ordering::SeqCst);
        }
    };
    let logs_in = async || {
        for number in 0_u64.. {
            let new = log_in(&format!("log-in {number}"), one, owner, later);
            if until_settled(async || directory(&db).begin_log_in(new.clone()).await).await.is_none() {
                return;
            }
            done[1].fetch_add(1, Ordering::SeqCst);
        }
    };
    // Of somebody who works elsewhere and goes to the tenant and back again.
    let moves = async |name: &str| {
        let begun = log_in(name, other, UserId::FIRST_ADMIN, later);
        let begun = until_settled(async || directory(&db).begin_log_in(begun.clone()).await).await;
        let mut at = begun.unwrap();
        loop {
            let to = if at.tenant == one { other } else { one };
            let (id, generation) = (at.id.as_str(), at.generation);
            let renewal = Renewal { id, generation, client: None, tenant: Some(to), expires_at: later };
            let renewed = async || directory(&db).renew_log_in(renewal).await;
            match until_settled(renewed).await {
                Some(Rotation::Renewed(renewed)) => at = renewed,
                Some(Rotation::Ended) | None => return,
                Some(Rotation::Reused(_)) => panic!("nobody else has the token"),
            }
            done[2].fetch_add(1, Ordering::SeqCst);
        }
    };
    let acts = async || {
        for number in 0_u64.. {
            let code = format!("code {number}");
            let new =
                NewOAuthCode { code_hash: code.clone().into_bytes(), ..code_for(&client, owner, later) };
            let authorize = async || db.tenant(one.0).authorize_oauth_client(new.clone()).await;
            if until_settled(authorize).await.is_none() {
                return;
            }
            let redemption = Redemption { code_hash: code.as_bytes(), ..presented(&db, &client, &code) };
            match until_settled(async || directory(&db).redeem_oauth_code(redemption.clone()).await).await {
                Some(Redeemed::Granted { .. }) => done[3].fetch_add(1, Ordering::SeqCst),
                Some(Redeemed::Refused) | None => return,
                Some(Redeemed::Replayed(_)) => panic!("nobody else has the code"),
            };
        }
    };
    let erases = async || {
        while done.iter().any(|count| count.load(Ordering::SeqCst) < 10) {
            tokio::task::yield_now().await;
        }
        directory(&db).erase_tenant(one).await.unwrap();
    };
    let all_move = async { tokio::join!(moves("a"), moves("b"), moves("c"), moves("d")) };
    let all = async { tokio::join!(joins(1), joins(2), logs_in(), all_move, acts(), erases()) };
    tokio::time::timeout(Duration::from_mins(1), Box::pin(all)).await.expect("all end with the tenant");
    assert_eq!(rows_of(&db, one).await, Vec::<String>::new());
    assert_eq!(db.number("SELECT count(*) FROM users WHERE email LIKE 'joins%'").await, 0);
}

/// Whether somebody became a member by an invitation, known by its link or by an address that an identity provider tells.
async fn joined(db: &TestStore, tenant: TenantId, name: &str, by_address: bool, later: Timestamp) -> bool {
    let NewMember { account, username, role } = new_member(name, Role::Member);
    let token_hash = name.as_bytes().to_vec();
    let email = account.email.known().cloned();
    let invitation =
        NewInvitation { token_hash, email: email.clone(), role, invited_by: None, expires_at: later };
    let invited = until_settled(async || db.tenant(tenant.0).invite(invitation.clone()).await).await;
    if invited.is_none() {
        return false;
    }
    let accepted = async || {
        if by_address {
            return directory(db).accept_invitation_of(account.clone(), &username, None).await;
        }
        let password = PasswordHash::from_stored("hash".to_owned());
        let invitee = Invitee::New { email: email.clone().unwrap(), password };
        directory(db).accept_invitation(name.as_bytes(), invitee, &username).await
    };
    match until_settled(accepted).await {
        Some(Accept::Joined { .. }) => true,
        Some(Accept::NoInvitation) | None => false,
        other => panic!("{other:?}"),
    }
}

/// Tries again what may succeed later; `None` if the tenant is gone.
async fn until_settled<T>(attempt: impl AsyncFn() -> Result<T, StoreError>) -> Option<T> {
    const ATTEMPTS: usize = 50;
    for _ in 0..ATTEMPTS {
        match attempt().await {
            Ok(value) => return Some(value),
            Err(StoreError::TenantErased) => return None,
            Err(error) => assert!(error.is_transient(), "{error}"),
        }
    }
    panic!("not settled in {ATTEMPTS} attempts")
}

fn log_in(id: &str, tenant: TenantId, user: UserId, expires_at: Timestamp) -> NewLogIn {
    NewLogIn { id: id.to_owned(), user, tenant, expires_at }
}

/// The tables that have rows of a tenant.
async fn rows_of(db: &TestStore, tenant: TenantId) -> Vec<String> {
    let mut tables = tables_of_tenants(db).await;
    for index in (0..tables.len()).rev() {
        if db.rows_in(&tables[index], tenant.0).await == 0 {
            tables.remove(index);
        }
    }
    tables
}

fn job() -> NewJobRow {
    NewJobRow { receipt: "r".to_owned(), items: 1, bytes: 0, payload: b"{}".into() }
}

fn late(span: u64) -> AnnotationWrite {
    annotation(of_span(span), "n", "l")
}

/// An annotation from the queue.
fn queued(late: &AnnotationWrite) -> QueuedWrite<'_> {
    QueuedWrite {
        receipt: "r",
        total: 1,
        index: 0,
        annotation: &late.annotation,
        received: late.received,
        waits_since: late.received,
    }
}

/// Rows in every table of tenants.
async fn fill(db: &TestStore, tenant: TenantId) {
    let data = db.tenant(tenant.0);
    let slug = directory(db).tenant(tenant).await.unwrap().unwrap().slug;
    // Trace 1 comes in two parts, for the compactor.
    for ids in [1..=3, 4..=4] {
        let spans = ids.map(|id| span(u128::from((id - 1) % 3 + 1), id).session("session"));
        write(data, request().project("p").spans(spans)).await.unwrap();
    }
    let member = add(data, &slug, Role::Admin).await;
    for user in [Some(member.user), None] {
        add_key(data, user).await;
    }
    let later = data.time().after(Duration::from_hours(1));
    directory(db).begin_log_in(log_in(&slug, tenant, member.user, later)).await.unwrap();
    let client = register(data, &slug).await;
    authorize(data, &client, member.user, later).await;
    let token_hash = slug.clone().into_bytes();
    let invitation =
        NewInvitation { token_hash, email: None, role: Role::Viewer, invited_by: None, expires_at: later };
    data.invite(invitation).await.unwrap();
    fill_annotations(data).await;
    let prices = ModelPrices { base: TokenPrices::default(), above: Vec::new() };
    let price = Override { name: slug.clone(), model: NamePattern::new(&slug), provider: None, prices };
    data.put_price(&price).await.unwrap();
    data.record(AuditEntry::new(AuditAction::ExportSpans, "p")).await.unwrap();
}

async fn fill_annotations(data: ScopedStore<'_>) {
    annotate(data, [annotation(of_span(1), "n", "l")]).await;
    let kind = ConfigKind::Freeform {
        optimization_direction: None,
        threshold: None,
        lower_bound: None,
        upper_bound: None,
    };
    let config = AnnotationConfig { name: "n".to_owned(), description: None, kind };
    let ConfigChange::Done(config) = data.create_annotation_config(&config).await.unwrap() else {
        panic!("no config")
    };
    let project = data.project_named("p").await.unwrap().unwrap().id;
    data.assign_annotation_config(project, config.id).await.unwrap();
    data.queue_jobs(vec![job()], data.time()).await.unwrap().1.durable().await.unwrap();
    // Of a span that never comes: a receipt, and a failure.
    let patience_ends = data.time().after(Duration::from_hours(1));
    data.apply_queued(&[queued(&late(99))], patience_ends).await.unwrap().1.durable().await.unwrap();
}

/// Those with a column that names the tenant; `audit_erasures` has rows only within the transaction that erases.
async fn tables_of_tenants(db: &TestStore) -> Vec<String> {
    let connection = db.raw().await;
    let sql = match connection.get_database_backend() {
        DbBackend::Postgres => {
            "SELECT table_name AS name FROM information_schema.columns
             WHERE table_schema = 'public' AND column_name = 'tenant_id'"
        }
        _ => {
            "SELECT t.name AS name FROM sqlite_schema t JOIN pragma_table_info(t.name) c
             WHERE t.type = 'table' AND c.name = 'tenant_id'"
        }
    };
    let rows = connection
        .query_all_raw(Statement::from_string(connection.get_database_backend(), sql))
        .await
        .unwrap();
    let names = rows.iter().map(|row| row.try_get("", "name").unwrap());
    let names = names.filter(|name: &String| name != "audit_erasures").collect();
    connection.close().await.unwrap();
    names
}
