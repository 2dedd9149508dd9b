//! The audit log: every change goes on record with it, and nobody changes the record unnoticed.

use std::net::{IpAddr, Ipv4Addr};

use bennu_access::{Actor, ActorKind, SystemScope};
use bennu_domain::annotation::TargetKind;
use bennu_domain::audit::{AuditAction, AuditRecord};
use bennu_domain::cost::{ModelPrices, NamePattern, Override, Price, TokenPrices};
use bennu_domain::global_id::Node as _;
use bennu_domain::ids::{ProjectId, SessionRowId, SpanRowId, TenantId, TraceRowId};
use bennu_domain::project::ProjectName;
use bennu_store::{
    AnnotationDelete, AuditEntry, AuditPage, AuditVerdict, BrokenLink, DatabaseLocation, ScopedStore,
    Transfer,
};
use bennu_testkit::otlp::{request, span};
use futures::future::join_all;
use sea_orm::{ConnectionTrait as _, TransactionTrait as _};
use serde_json::{Value, json};

use crate::support::{
    NOTHING_IS_LARGE, TestStore, annotate, annotation, at, of_span, on_both_engines, span_id, trace_id, write,
};

on_both_engines!(
    changes_go_on_record,
    what_changes_nothing_is_not_recorded,
    pages_are_narrowed_by_actor_action_and_time,
    entries_of_several_stores_at_once_make_one_chain,
    any_change_of_any_entry_is_found,
    entries_that_are_missing_swapped_or_added_are_found,
    the_database_refuses_to_change_entries,
    a_tenant_can_be_erased_with_its_log,
);

fn ada() -> Actor {
    let address = Some(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7)));
    Actor { kind: ActorKind::User, name: "ada".to_owned(), address }
}

async fn log(data: ScopedStore<'_>, page: AuditPage) -> Vec<AuditRecord> {
    let page = data.audit_page(&AuditPage { limit: 100, ..page }).await.unwrap();
    page.items.into_iter().map(|stored| stored.record).collect()
}

/// Oldest first.
async fn actions(data: ScopedStore<'_>) -> Vec<String> {
    let records = log(data, AuditPage::default()).await;
    records.into_iter().rev().map(|record| record.action).collect()
}

fn price() -> Override {
    let base = TokenPrices { prompt: Price::per_million(2.5), ..TokenPrices::default() };
    let prices = ModelPrices { base, above: Vec::new() };
    Override { name: "mine".to_owned(), model: NamePattern::new("m*"), provider: None, prices }
}

async fn changes_go_on_record(db: TestStore) {
    let ada = ada();
    let data = db.fresh_tenant().by(&ada);
    let project = data.create_project(&ProjectName::new("p").unwrap(), None).await.unwrap().unwrap().id;
    data.describe_project(project, Some("d".to_owned())).await.unwrap();
    let spans = [span(1, 1), span(1, 2), span(2, 3), span(3, 4).session("s"), span(4, 5)];
    write(data, request().project("p").spans(spans)).await.unwrap();
    annotate(data, [annotation(of_span(2), "quality", "good")]).await;
    let trace = async |number| data.trace_row_with_id(trace_id(number)).await.unwrap().unwrap();
    let other = data.create_project(&ProjectName::new("q").unwrap(), None).await.unwrap().unwrap().id;

    let (span, second) = (data.span_rows_with_id(span_id(1)).await.unwrap()[0], trace(2).await);
    let session = data.session_rows(&["s".to_owned()]).await.unwrap()[0];
    let every = AnnotationDelete {
        project,
        kind: TargetKind::Span,
        name: Some("quality".to_owned()),
        identifier: None,
        annotator: None,
        user: None,
        start: None,
        end: Some(at(1)),
    };
    assert_eq!(data.delete_annotations(&every).await.unwrap(), 1);
    assert!(data.delete_span(span).await.unwrap());
    assert!(data.delete_trace(second).await.unwrap());
    assert!(data.delete_session(session).await.unwrap());
    assert_eq!(data.transfer_traces(&[trace(1).await], other).await.unwrap(), Transfer::Done(1));
    assert_eq!(data.delete_traces_between(project, at(0), at(10)).await.unwrap(), 1);
    assert!(data.delete_project(other).await.unwrap());
    data.put_price(&price()).await.unwrap();
    assert!(data.delete_price("mine").await.unwrap());
    data.record(AuditEntry::new(AuditAction::ExportSpans, project.global_id()).with("format", "parquet"))
        .await
        .unwrap();

    let records = log(data, AuditPage::default()).await;
    assert_eq!(
        records.iter().map(|record| record.sequence).collect::<Vec<_>>(),
        (1..=13).rev().collect::<Vec<_>>()
    );
    for record in &records {
        let by = (record.actor_kind.as_str(), record.actor.as_str(), record.address.as_str(), record.time);
        assert_eq!(by, ("user", "ada", "192.0.2.7", at(0)));
    }
    let told = records.into_iter().rev().map(|AuditRecord { action, target, details, .. }| {
        (action, target, serde_json::from_str::<Value>(&details).unwrap())
    });
    let expected = [
        ("project.create", project.global_id(), json!({ "name": "p" })),
        ("project.change", project.global_id(), json!({ "changed": ["description"] })),
        ("project.create", other.global_id(), json!({ "name": "q" })),
        (
            "annotation.delete",
            project.global_id(),
            json!({
                "target_kind": "span", "name": "quality", "identifier": null, "annotator_kind": null, "user_id": null,
                "start_time": null, "end_time": at(1).to_string(),
            }),
        ),
        (
            "span.delete",
            span.global_id(),
            json!({ "span_id": span_id(1).to_string(), "trace_id": trace_id(1).to_string() }),
        ),
        ("trace.delete", second.global_id(), json!({ "trace_id": trace_id(2).to_string() })),
        ("session.delete", session.global_id(), json!({})),
        ("trace.transfer", other.global_id(), json!({ "from": project.global_id(), "traces": 1 })),
        (
            "trace.delete_range",
            project.global_id(),
            json!({ "start_time": at(0).to_string(), "end_time": at(10).to_string() }),
        ),
        ("project.delete", other.global_id(), json!({ "name": "q" })),
        (
            "price.set",
            "mine".to_owned(),
            json!({
                "model": "m*", "provider": null,
                "usd_per_million_tokens": { "base": { "prompt": 2.5 }, "above": [] },
            }),
        ),
        ("price.delete", "mine".to_owned(), json!({})),
        ("span.export", project.global_id(), json!({ "format": "parquet" })),
    ];
    let expected = expected.map(|(action, target, details)| (action.to_owned(), target, details));
    assert_eq!(told.collect::<Vec<_>>(), expected);
    assert!(matches!(data.verify_audit_log().await.unwrap(), AuditVerdict::Intact { entries: 13, .. }));
}

async fn what_changes_nothing_is_not_recorded(db: TestStore) {
    let data = db.fresh_tenant();
    let sent = request().project("p").span(span(1, 1)).span(span(2, 2));
    write(data, sent).await.unwrap();
    let project = data.project_named("p").await.unwrap().unwrap().id;
    assert!(data.create_project(&ProjectName::new("p").unwrap(), None).await.unwrap().is_none());
    assert!(data.describe_project(ProjectId(9_999), None).await.unwrap().is_none());
    assert!(!data.delete_project(ProjectId(9_999)).await.unwrap());
    assert!(!data.delete_span(SpanRowId(9_999)).await.unwrap());
    assert!(!data.delete_trace(TraceRowId(9_999)).await.unwrap());
    assert!(!data.delete_session(SessionRowId(9_999)).await.unwrap());
    assert_eq!(data.delete_traces_between(project, at(50), at(60)).await.unwrap(), 0);
    assert_eq!(data.transfer_traces(&[TraceRowId(9_999)], project).await.unwrap(), Transfer::Missing);
    assert!(!data.delete_price("none").await.unwrap());
    assert_eq!(actions(data).await, [""; 0]);
    assert!(matches!(data.verify_audit_log().await.unwrap(), AuditVerdict::Intact { entries: 0, .. }));
}

/// Records one export with each of these numbers, a second apart.
async fn record(db: &TestStore, data: ScopedStore<'_>, numbers: std::ops::RangeInclusive<i64>) {
    for number in numbers {
        data.record(AuditEntry::new(AuditAction::ExportSpans, format!("target {number}"))).await.unwrap();
        db.clock.advance(std::time::Duration::from_secs(1));
    }
}

async fn pages_are_narrowed_by_actor_action_and_time(db: TestStore) {
    let (ada, data) = (ada(), db.fresh_tenant());
    record(&db, data, 1..=3).await;
    record(&db, data.by(&ada), 4..=5).await;
    data.by(&ada).put_price(&price()).await.unwrap();
    let numbers = async |page: AuditPage| -> Vec<i64> {
        log(data, page).await.iter().map(|record| record.sequence).collect()
    };
    assert_eq!(numbers(AuditPage { actor: Some("ada".to_owned()), ..AuditPage::default() }).await, [6, 5, 4]);
    assert_eq!(numbers(AuditPage { action: Some(AuditAction::SetPrice), ..AuditPage::default() }).await, [6]);
    let middle = AuditPage { start: Some(at(1_000_000)), end: Some(at(3_000_000)), ..AuditPage::default() };
    assert_eq!(numbers(middle).await, [3, 2]);
    let (mut walked, mut from) = (Vec::new(), None);
    loop {
        let page = data.audit_page(&AuditPage { from, limit: 4, ..AuditPage::default() }).await.unwrap();
        walked.extend(page.items.iter().map(|stored| stored.record.sequence));
        from = page.next;
        if from.is_none() {
            break;
        }
    }
    assert_eq!(walked, [6, 5, 4, 3, 2, 1]);
    assert_eq!(log(db.fresh_tenant(), AuditPage::default()).await, [], "another tenant has a log of its own");
}

async fn entries_of_several_stores_at_once_make_one_chain(db: TestStore) {
    let scope = SystemScope::for_tenant(TenantId(77), "test");
    let mut stores = Vec::new();
    for _ in 0..3 {
        stores.push(db.another(NOTHING_IS_LARGE).await);
    }
    let recording = stores.into_iter().map(|store| {
        tokio::spawn(async move {
            for number in 0..20 {
                let entry = AuditEntry::new(AuditAction::ExportSpans, format!("{number}"));
                store.scoped(&scope).record(entry).await.unwrap();
            }
        })
    });
    join_all(recording).await.into_iter().for_each(|done| done.unwrap());
    let data = db.store.scoped(&scope);
    let verdict = data.verify_audit_log().await.unwrap();
    assert!(matches!(verdict, AuditVerdict::Intact { entries: 60, .. }), "{verdict:?}");
}

/// A tenant with five entries.
async fn recorded(db: &TestStore) -> (ScopedStore<'_>, i64) {
    let tenant = db.fresh_tenant_number();
    let ada = ada();
    record(db, db.tenant(tenant).by(&ada), 1..=5).await;
    (db.tenant(tenant), tenant)
}

/// Changes the log behind the back of the store, as whoever owns the database can.
async fn tamper(db: &TestStore, sql: &str) {
    let disarm = if let DatabaseLocation::Postgres(_) = db.location {
        "SET session_replication_role = replica;".to_owned()
    } else {
        let triggers = [
            "audit_log_keeps_entries",
            "audit_log_loses_no_entries",
            "audit_log_replaces_no_entries",
            "audit_heads_stay",
        ];
        triggers.map(|trigger| format!("DROP TRIGGER IF EXISTS {trigger};")).concat()
    };
    db.execute(&format!("{disarm} {sql}")).await;
}

async fn verdict(data: ScopedStore<'_>) -> BrokenLink {
    match data.verify_audit_log().await.unwrap() {
        AuditVerdict::Broken(link) => link,
        intact @ AuditVerdict::Intact { .. } => panic!("{intact:?}"),
    }
}

async fn any_change_of_any_entry_is_found(db: TestStore) {
    let bytes = match db.location {
        DatabaseLocation::Postgres(_) => "'\\x00'",
        _ => "x'00'",
    };
    let changes = [
        "created_at = created_at + 1",
        "actor_kind = 'system'",
        "actor = 'bob'",
        "address = '192.0.2.8'",
        "action = 'price.set'",
        "target = 'another'",
        "details = '{\"a\":1}'",
        "details = '{ }'",
        &format!("hash = {bytes}"),
    ];
    for change in changes {
        for entry in [1, 3, 5] {
            let (data, tenant) = recorded(&db).await;
            let sql =
                format!("UPDATE audit_log SET {change} WHERE tenant_id = {tenant} AND sequence = {entry}");
            tamper(&db, &sql).await;
            assert_eq!(verdict(data).await, BrokenLink::Changed(entry), "{sql}");
            // What is recorded later does not cover it up.
            record(&db, data, 6..=6).await;
            assert_eq!(verdict(data).await, BrokenLink::Changed(entry), "{sql}");
        }
    }
}

async fn entries_that_are_missing_swapped_or_added_are_found(db: TestStore) {
    let copy = "tenant_id, {to}, created_at, actor_kind, actor, address, action, target, details, hash FROM audit_log";
    let cases: [(&str, BrokenLink); 9] = [
        ("DELETE FROM audit_log WHERE tenant_id = {t} AND sequence = 1", BrokenLink::Missing(1)),
        ("DELETE FROM audit_log WHERE tenant_id = {t} AND sequence = 3", BrokenLink::Missing(3)),
        ("DELETE FROM audit_log WHERE tenant_id = {t} AND sequence >= 4", BrokenLink::Missing(4)),
        ("DELETE FROM audit_log WHERE tenant_id = {t}", BrokenLink::Missing(1)),
        // The gap is closed.
        (
            "DELETE FROM audit_log WHERE tenant_id = {t} AND sequence = 3; \
             UPDATE audit_log SET sequence = 3 WHERE tenant_id = {t} AND sequence = 4; \
             UPDATE audit_log SET sequence = 4 WHERE tenant_id = {t} AND sequence = 5; \
             UPDATE audit_heads SET sequence = 4 WHERE tenant_id = {t}",
            BrokenLink::Changed(3),
        ),
        (
            "UPDATE audit_log SET sequence = 99 WHERE tenant_id = {t} AND sequence = 2; \
             UPDATE audit_log SET sequence = 2 WHERE tenant_id = {t} AND sequence = 3; \
             UPDATE audit_log SET sequence = 3 WHERE tenant_id = {t} AND sequence = 99",
            BrokenLink::Changed(2),
        ),
        (
            "INSERT INTO audit_log SELECT {copy} WHERE tenant_id = {t} AND sequence = 5",
            BrokenLink::Changed(6),
        ),
        // The end is moved back to an entry that was the last one once, and then to another hash.
        (
            "UPDATE audit_heads SET sequence = 4, hash = (SELECT hash FROM audit_log WHERE tenant_id = {t} AND sequence = 4) \
             WHERE tenant_id = {t}",
            BrokenLink::Added(5),
        ),
        (
            "UPDATE audit_heads SET hash = (SELECT hash FROM audit_log WHERE tenant_id = {t} AND sequence = 4) \
             WHERE tenant_id = {t}",
            BrokenLink::NotTheLast(5),
        ),
    ];
    for (sql, expected) in cases {
        let (data, tenant) = recorded(&db).await;
        let sql = sql.replace("{copy}", copy).replace("{t}", &tenant.to_string()).replace("{to}", "6");
        tamper(&db, &sql).await;
        assert_eq!(verdict(data).await, expected, "{sql}");
    }
    // Two tenants exchange an entry that is the same but for its tenant.
    let ((one, first), (other, second)) = (recorded(&db).await, recorded(&db).await);
    let exchange = format!(
        "UPDATE audit_log SET tenant_id = -1 WHERE tenant_id = {first} AND sequence = 2; \
         UPDATE audit_log SET tenant_id = {first} WHERE tenant_id = {second} AND sequence = 2; \
         UPDATE audit_log SET tenant_id = {second} WHERE tenant_id = -1"
    );
    tamper(&db, &exchange).await;
    assert_eq!((verdict(one).await, verdict(other).await), (BrokenLink::Changed(2), BrokenLink::Changed(2)));
}

async fn the_database_refuses_to_change_entries(db: TestStore) {
    let (data, tenant) = recorded(&db).await;
    let connection = db.raw().await;
    let mut statements = vec![
        format!("UPDATE audit_log SET actor = 'bob' WHERE tenant_id = {tenant}"),
        format!("DELETE FROM audit_log WHERE tenant_id = {tenant}"),
        format!("DELETE FROM audit_heads WHERE tenant_id = {tenant}"),
    ];
    statements.push(match db.location {
        DatabaseLocation::Postgres(_) => "TRUNCATE audit_log".to_owned(),
        _ => "INSERT OR REPLACE INTO audit_log SELECT tenant_id, sequence, 1, '', '', '', '', '', '', hash FROM audit_log"
            .to_owned(),
    });
    for sql in statements {
        let error = connection.execute_unprepared(&sql).await.expect_err(&sql).to_string();
        assert!(error.contains("audit log stay"), "{error}");
    }
    connection.close().await.unwrap();
    assert!(matches!(data.verify_audit_log().await.unwrap(), AuditVerdict::Intact { entries: 5, .. }));
}

async fn a_tenant_can_be_erased_with_its_log(db: TestStore) {
    let ((data, tenant), (other, _)) = (recorded(&db).await, recorded(&db).await);
    db.store.directory("test").erase_tenant(TenantId(tenant)).await.unwrap();
    assert_eq!(db.rows_of(tenant).await, [""; 0]);
    assert!(matches!(data.verify_audit_log().await.unwrap(), AuditVerdict::Intact { entries: 0, .. }));
    assert!(matches!(other.verify_audit_log().await.unwrap(), AuditVerdict::Intact { entries: 5, .. }));
    assert_eq!(db.number("SELECT count(*) FROM audit_erasures").await, 0);
}

/// On SQLite there is one writer anyway.
#[tokio::test(flavor = "multi_thread")]
async fn ingest_does_not_wait_for_the_log() {
    let db = TestStore::postgres().await;
    let (data, tenant) = recorded(&db).await;
    let holder = db.raw().await.begin().await.unwrap();
    let hold = format!("SELECT * FROM audit_heads WHERE tenant_id = {tenant} FOR UPDATE");
    holder.execute_unprepared(&hold).await.unwrap();
    assert_eq!(write(data, request().span(span(1, 1).session("s"))).await.unwrap().inserted, 1);
    annotate(data, [annotation(of_span(1), "quality", "good")]).await;
    holder.rollback().await.unwrap();
}
