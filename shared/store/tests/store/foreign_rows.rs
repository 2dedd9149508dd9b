//! Every method of a scoped store, called by one tenant with the names, ids and rows of another, whose data are the same in
//! all but one word: it answers with its own or as if there were nothing, and no row of the other changes.

use std::collections::{BTreeSet, HashMap};
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bennu_access::{DeploymentSecret, KeyTraffic, NewApiKey, Role};
use bennu_domain::account::{Email, Username};
use bennu_domain::annotation::{AnnotatorKind, TargetKind};
use bennu_domain::annotation_config::{AnnotationConfig, ConfigKind};
use bennu_domain::audit::AuditAction;
use bennu_domain::cost::{ModelPrices, NamePattern, Override, Price, TokenPrices};
use bennu_domain::filter::Needs;
use bennu_domain::global_id::Node as _;
use bennu_domain::ids::{
    AnnotationConfigId, AnnotationId, ApiKeyId, ProjectId, SessionRowId, SpanRowId, TraceRowId, UserId,
};
use bennu_domain::limits::RateLimits;
use bennu_domain::page::Order;
use bennu_domain::project::ProjectName;
use bennu_domain::span_filter::SpanFilter;
use bennu_domain::time::Timestamp;
use bennu_store::{
    AddMember, AnnotationDelete, AnnotationList, AnnotationWrite, Assignment, AuditEntry, AuditPage,
    AuditVerdict, CompactionPolicy, ConfigChange, FailureSelection, KeyOwner, MemberChange, NewAccount,
    NewInvitation, NewJobRow, NewMember, NewStoredKey, ProjectList, QueuedEnd, QueuedWrite, Roots,
    ScopedStore, SpanSelection, SummaryQuery, TraceList, Transfer,
};
use bennu_testkit::otlp::{RequestBuilder, request, span};

use crate::oauth::{authorize, register};
use crate::support::{
    TestStore, annotate, annotation, annotation_list, at, every_span, every_trace, of_document, of_session,
    of_span, of_trace, on_both_engines, prepared, span_id, span_list, trace_id, trace_list, walk_spans,
    write,
};

on_both_engines!(no_method_reaches_foreign_rows);

/// The row ids that the data of a tenant got.
struct Rows {
    project: ProjectId,
    trace: TraceRowId,
    session: SessionRowId,
    span: SpanRowId,
    config: AnnotationConfigId,
    annotation: AnnotationId,
    failure: i64,
    user: UserId,
    key: ApiKeyId,
    invitation: i64,
}

const RECEIPT: &str = "receipt";

/// A trace that arrives in two parts.
fn spans(mark: &str) -> [RequestBuilder; 2] {
    let attribute = ("retrieval.documents.0.document.content", mark);
    let first = span(1, 1).named(mark).session("s").tokens(1, 1).attribute(attribute.0, attribute.1);
    [first, span(1, 2).named(mark).child_of(1).error()].map(|span| request().project("p").span(span))
}

const COMPACTION: CompactionPolicy = CompactionPolicy { idle: Duration::ZERO, most_bytes: 1 << 20 };

fn config(mark: &str) -> AnnotationConfig {
    let kind = ConfigKind::Freeform {
        optimization_direction: None,
        threshold: None,
        lower_bound: None,
        upper_bound: None,
    };
    AnnotationConfig { name: "quality".to_owned(), description: Some(mark.to_owned()), kind }
}

fn price(dollars: f64) -> Override {
    let base = TokenPrices { prompt: Price::per_million(dollars), ..TokenPrices::default() };
    Override {
        name: "model".to_owned(),
        model: NamePattern::new("model"),
        provider: None,
        prices: ModelPrices { base, above: Vec::new() },
    }
}

fn queued(write: &AnnotationWrite, index: usize) -> QueuedWrite<'_> {
    QueuedWrite {
        receipt: RECEIPT,
        total: 9,
        index,
        annotation: &write.annotation,
        received: at(0),
        waits_since: at(0),
    }
}

fn job(mark: &str) -> NewJobRow {
    NewJobRow { receipt: RECEIPT.to_owned(), items: 1, bytes: 0, payload: mark.into() }
}

/// Addresses are unique among all tenants.
fn member(mark: &str) -> NewMember {
    static MEMBERS: AtomicU32 = AtomicU32::new(0);
    let email = format!("{mark}{}@example.com", MEMBERS.fetch_add(1, Ordering::SeqCst));
    let account = NewAccount::local(Email::parse(&email).unwrap(), None, false);
    NewMember { account, username: Username::parse("ada").unwrap(), role: Role::Member }
}

fn added(member: AddMember) -> UserId {
    match member {
        AddMember::Added(member) => member.user,
        refused => panic!("{refused:?}"),
    }
}

fn key() -> NewStoredKey {
    let secret =
        DeploymentSecret::parse("a secret of 32 characters, and 1 digit".replace(' ', "-").as_str()).unwrap();
    NewStoredKey {
        key: NewApiKey::generate(&secret).unwrap(),
        user: None,
        name: "key".to_owned(),
        description: None,
        traffic: KeyTraffic::Any,
        project: None,
        expires_at: None,
        rates: RateLimits::default(),
    }
}

fn invitation() -> NewInvitation {
    static INVITATIONS: AtomicU32 = AtomicU32::new(0);
    let token_hash = INVITATIONS.fetch_add(1, Ordering::SeqCst).to_be_bytes().to_vec();
    NewInvitation { token_hash, email: None, role: Role::Member, invited_by: None, expires_at: at(1_000_000) }
}

/// All that a tenant can have.
async fn fill(data: ScopedStore<'_>, mark: &str) -> Rows {
    for part in spans(mark) {
        write(data, part).await.unwrap();
    }
    let targets = [of_span(1), of_trace(1), of_session("s"), of_document(1, 0)];
    let annotations = annotate(data, targets.map(|target| annotation(target, "quality", mark))).await;
    let ConfigChange::Done(config) = data.create_annotation_config(&config(mark)).await.unwrap() else {
        panic!("the name is free")
    };
    let project = data.project_named("p").await.unwrap().unwrap().id;
    assert_eq!(data.assign_annotation_config(project, config.id).await.unwrap(), Assignment::Done);
    data.put_price(&price(if mark == "mine" { 4.0 } else { 6.0 })).await.unwrap();
    data.queue_jobs(vec![job(mark)], data.time()).await.unwrap().1.durable().await.unwrap();
    data.fail_queued(&queued(&annotation(of_span(1), "quality", mark), 0), mark).await.unwrap();
    let failures = data.annotation_failures(&FailureSelection::All, None, 1).await.unwrap();
    register(data, &format!("of {mark}")).await;
    Rows {
        project,
        trace: data.trace_row_with_id(trace_id(1)).await.unwrap().unwrap(),
        session: data.session_rows(&["s".to_owned()]).await.unwrap()[0],
        span: data.span_rows_with_id(span_id(1)).await.unwrap()[0],
        config: config.id,
        annotation: annotations[0],
        failure: failures.items[0].id,
        user: added(data.add_member(member(mark)).await.unwrap()),
        key: data.add_api_key(key()).await.unwrap().id,
        invitation: data.invite(invitation()).await.unwrap().id,
    }
}

fn names<'a>(stored: impl IntoIterator<Item = &'a bennu_store::StoredSpan>) -> BTreeSet<&'a str> {
    stored.into_iter().map(|stored| stored.span.name.as_str()).collect()
}

fn labels<'a>(stored: impl IntoIterator<Item = &'a bennu_store::StoredAnnotation>) -> BTreeSet<&'a str> {
    stored.into_iter().filter_map(|stored| stored.annotation.verdict.label.as_deref()).collect()
}

fn selection(project: ProjectId) -> SpanSelection {
    SpanSelection {
        project,
        condition: None,
        roots: Some(Roots::WithOrphans),
        start: None,
        end: None,
        needs: Needs { span_annotations: true, cumulative: true, parents: true, ..Needs::default() },
    }
}

type Case = for<'a> fn(ScopedStore<'a>, Rows, Rows) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

macro_rules! methods {
    ($($method:ident($own:ident, $mine:ident, $theirs:ident) $body:block)+) => {
        const METHODS: &[(&str, Case)] = &[$((stringify!($method), {
            #[allow(unused_variables)]
            async fn case($own: ScopedStore<'_>, $mine: Rows, $theirs: Rows) $body
            |own, mine, theirs| Box::pin(case(own, mine, theirs))
        })),+];
    };
}

async fn no_method_reaches_foreign_rows(db: TestStore) {
    for (method, case) in METHODS {
        let (own, foreign) = (db.fresh_tenant(), db.fresh_tenant_number());
        let (mine, theirs) = (fill(own, "mine").await, fill(db.tenant(foreign), "theirs").await);
        let before = db.rows_of(foreign).await;
        case(own, mine, theirs).await;
        assert_eq!(db.rows_of(foreign).await, before, "{method}");
    }
}

methods! {
    time(own, mine, theirs) { own.time(); }
    by(own, mine, theirs) { let _ = own.by(&bennu_access::Actor::system()); }
    record(own, mine, theirs) {
        own.record(AuditEntry::new(AuditAction::ExportSpans, theirs.project.global_id())).await.unwrap();
    }
    audit_page(own, mine, theirs) {
        let page = own.audit_page(&AuditPage { limit: 9, ..AuditPage::default() }).await.unwrap();
        let prices = page.items.iter().filter(|stored| stored.record.action == "price.set");
        let details: Vec<&str> = prices.map(|stored| stored.record.details.as_str()).collect();
        assert!(details.len() == 1 && details[0].contains(r#""prompt":4.0"#), "{details:?}");
        assert_eq!(page.items.len(), 5);
    }
    verify_audit_log(own, mine, theirs) {
        let verdict = own.verify_audit_log().await.unwrap();
        assert!(matches!(verdict, AuditVerdict::Intact { entries: 5, .. }), "{verdict:?}");
    }
    project(own, mine, theirs) { assert_eq!(own.project(theirs.project).await.unwrap(), None); }
    project_named(own, mine, theirs) {
        assert_eq!(own.project_named("p").await.unwrap().unwrap().id, mine.project);
    }
    list_projects(own, mine, theirs) {
        let from = theirs.project.max(mine.project);
        let list = ProjectList { limit: 9, from: Some(from), name_contains: None };
        let page = own.list_projects(&list).await.unwrap();
        assert_eq!(page.items.iter().map(|project| project.id).collect::<Vec<_>>(), [mine.project]);
    }
    create_project(own, mine, theirs) {
        assert_eq!(own.create_project(&ProjectName::new("p").unwrap(), None).await.unwrap(), None);
        assert!(own.create_project(&ProjectName::new("q").unwrap(), None).await.unwrap().is_some());
    }
    describe_project(own, mine, theirs) {
        assert_eq!(own.describe_project(theirs.project, Some("x".to_owned())).await.unwrap(), None);
    }
    delete_project(own, mine, theirs) {
        assert!(!own.delete_project(theirs.project).await.unwrap());
        assert!(own.delete_project(mine.project).await.unwrap());
    }
    span_page(own, mine, theirs) {
        assert_eq!(every_span(own, theirs.project).await, []);
        let by_ids = SpanFilter {
            trace_ids: Some(vec![trace_id(1)]),
            span_ids: Some(vec![span_id(1)]),
            ..SpanFilter::default()
        };
        assert_eq!(names(&walk_spans(own, span_list(mine.project, by_ids)).await), BTreeSet::from(["mine"]));
    }
    scan_spans(own, mine, theirs) {
        assert_eq!(own.scan_spans(&selection(theirs.project), 9).next().await.unwrap(), Some(Vec::new()));
        let own_spans = own.scan_spans(&selection(mine.project), 9).next().await.unwrap().unwrap();
        let (_, facts) = &own_spans[0];
        assert_eq!((own_spans.len(), facts.span.name.as_str()), (1, "mine"));
        let labels: Vec<_> = facts.context.annotations.iter().map(|found| found.label.as_deref()).collect();
        assert_eq!(labels, [Some("mine")]);
        assert_eq!(facts.context.cumulative.errors, 1, "its own child's");
    }
    span_rows_with_id(own, mine, theirs) {
        assert_eq!(own.span_rows_with_id(span_id(1)).await.unwrap(), [mine.span]);
    }
    span_rows_with_ids(own, mine, theirs) {
        assert_eq!(own.span_rows_with_ids(&[span_id(1)]).await.unwrap(), [(span_id(1), mine.span)]);
    }
    finished_spans_among(own, mine, theirs) {
        assert!(own.delete_span(mine.span).await.unwrap());
        let ids = [(trace_id(1), span_id(1)), (trace_id(1), span_id(2))];
        let found = own.finished_spans_among(ids.into_iter()).await.unwrap();
        assert_eq!(found, [(trace_id(1), span_id(2))].into());
    }
    write_spans(own, mine, theirs) {
        for part in spans("again") {
            let report = own.write_spans(prepared(part)).await.unwrap();
            assert_eq!((report.inserted, report.duplicates), (0, 1));
        }
        let report = write(own, request().project("p").span(span(1, 3).session("s"))).await.unwrap();
        assert_eq!(report.inserted, 1);
    }
    commit_spans(own, mine, theirs) {
        let committed = own.commit_spans(prepared(request().project("p").span(span(2, 1).session("s")))).await.unwrap();
        assert_eq!(committed.report.inserted, 1);
        committed.durable().await.unwrap();
    }
    delete_span(own, mine, theirs) {
        assert!(!own.delete_span(theirs.span).await.unwrap());
        assert!(own.delete_span(mine.span).await.unwrap());
    }
    lagging(own, mine, theirs) {
        assert_eq!(every_span(own.lagging(), theirs.project).await, []);
        assert_eq!(every_span(own.lagging(), mine.project).await.len(), 2);
    }
    trace_row_with_id(own, mine, theirs) {
        assert_eq!(own.trace_row_with_id(trace_id(1)).await.unwrap(), Some(mine.trace));
    }
    list_traces(own, mine, theirs) {
        assert_eq!(every_trace(own, trace_list(theirs.project)).await, []);
        let of_session = TraceList { sessions: Some(vec![theirs.session]), ..trace_list(mine.project) };
        assert_eq!(every_trace(own, of_session).await, []);
        let with_spans = TraceList { include_spans: true, ..trace_list(mine.project) };
        let found = every_trace(own, with_spans).await;
        let spans = found[0].spans.as_ref().unwrap();
        assert_eq!((found.len(), spans.len(), spans[0].name.as_str()), (1, 2, "mine"));
    }
    export_trace(own, mine, theirs) {
        assert_eq!(own.export_trace(theirs.trace).await.unwrap(), None);
    }
    compact_trace(own, mine, theirs) {
        let done = own.compact_trace(theirs.trace, COMPACTION, true).await.unwrap();
        assert_eq!((done.merged, done.archived), (0, 0));
        assert_eq!(own.compact_trace(mine.trace, COMPACTION, true).await.unwrap().merged, 1);
    }
    postpone_compaction(own, mine, theirs) {
        own.postpone_compaction(theirs.trace).await.unwrap();
    }
    delete_trace(own, mine, theirs) {
        assert!(!own.delete_trace(theirs.trace).await.unwrap());
        assert!(own.delete_trace(mine.trace).await.unwrap());
    }
    delete_traces_between(own, mine, theirs) {
        let ever = (Timestamp(i64::MIN), Timestamp(i64::MAX));
        assert_eq!(own.delete_traces_between(theirs.project, ever.0, ever.1).await.unwrap(), 0);
        assert_eq!(own.delete_traces_between(mine.project, ever.0, ever.1).await.unwrap(), 1);
    }
    transfer_traces(own, mine, theirs) {
        assert_eq!(own.transfer_traces(&[theirs.trace], mine.project).await.unwrap(), Transfer::Missing);
        assert_eq!(own.transfer_traces(&[mine.trace], theirs.project).await.unwrap(), Transfer::Missing);
        let both = own.transfer_traces(&[mine.trace, theirs.trace], mine.project).await.unwrap();
        assert_eq!(both, Transfer::Missing);
    }
    session_rows(own, mine, theirs) {
        assert_eq!(own.session_rows(&["s".to_owned()]).await.unwrap(), [mine.session]);
    }
    session(own, mine, theirs) { assert_eq!(own.session(theirs.session).await.unwrap(), None); }
    list_sessions(own, mine, theirs) {
        let foreign = own.list_sessions(theirs.project, None, Order::Ascending, None, 9).await.unwrap();
        assert_eq!(foreign.items, []);
        let page = own.list_sessions(mine.project, None, Order::Ascending, None, 9).await.unwrap();
        assert_eq!((page.items.len(), page.items[0].traces.len()), (1, 1));
    }
    delete_session(own, mine, theirs) {
        assert!(!own.delete_session(theirs.session).await.unwrap());
        assert!(own.delete_session(mine.session).await.unwrap());
    }
    annotate(own, mine, theirs) {
        let ids = annotate(own, [annotation(of_span(1), "quality", "changed")]).await;
        assert_eq!(ids, [mine.annotation]);
    }
    list_annotations(own, mine, theirs) {
        for kind in TargetKind::ALL {
            let list = AnnotationList { limit: 9, ..annotation_list(theirs.project, kind) };
            assert_eq!(own.list_annotations(&list).await.unwrap().unwrap().items, []);
            let list = AnnotationList { limit: 9, ..annotation_list(mine.project, kind) };
            let found = own.list_annotations(&list).await.unwrap().unwrap().items;
            assert_eq!(labels(&found), BTreeSet::from(["mine"]));
        }
    }
    annotation_names(own, mine, theirs) {
        assert_eq!(own.annotation_names(theirs.project, AnnotatorKind::Human).await.unwrap(), []);
        assert_eq!(own.annotation_names(mine.project, AnnotatorKind::Human).await.unwrap().len(), 4);
    }
    annotations_of_spans(own, mine, theirs) {
        let found = own.annotations_of_spans(&[mine.span, theirs.span]).await.unwrap();
        assert_eq!(found.keys().collect::<Vec<_>>(), [&mine.span]);
        assert_eq!(labels(found.values().flatten()), BTreeSet::from(["mine"]));
    }
    annotations_of_traces(own, mine, theirs) {
        let found = own.annotations_of_traces(&[mine.trace, theirs.trace]).await.unwrap();
        assert_eq!(found.keys().collect::<Vec<_>>(), [&mine.trace]);
    }
    summarize_annotations(own, mine, theirs) {
        let query = |project| SummaryQuery { project, kind: None, names: Vec::new(), start: None, end: None };
        assert_eq!(own.summarize_annotations(&query(theirs.project)).await.unwrap(), []);
        let summaries = own.summarize_annotations(&query(mine.project)).await.unwrap();
        assert!(summaries.len() == 4 && summaries.iter().all(|sums| sums.count == 1 && sums.labels[0].label == "mine"));
    }
    delete_annotations(own, mine, theirs) {
        let delete = |project| AnnotationDelete {
            project, kind: TargetKind::Span, name: Some("quality".to_owned()), identifier: None, annotator: None,
            user: None, start: None, end: None,
        };
        assert_eq!(own.delete_annotations(&delete(theirs.project)).await.unwrap(), 0);
        assert_eq!(own.delete_annotations(&delete(mine.project)).await.unwrap(), 1);
    }
    list_annotation_configs(own, mine, theirs) {
        let ids = async |project, from| -> Vec<AnnotationConfigId> {
            let page = own.list_annotation_configs(project, from, 9).await.unwrap();
            page.items.iter().map(|stored| stored.id).collect()
        };
        assert_eq!(ids(None, Some(theirs.config.max(mine.config))).await, [mine.config]);
        assert_eq!(ids(Some(mine.project), None).await, [mine.config]);
        assert_eq!(ids(Some(theirs.project), None).await, []);
    }
    annotation_config(own, mine, theirs) {
        assert_eq!(own.annotation_config(theirs.config).await.unwrap(), None);
    }
    annotation_config_named(own, mine, theirs) {
        assert_eq!(own.annotation_config_named("quality").await.unwrap().unwrap().id, mine.config);
    }
    create_annotation_config(own, mine, theirs) {
        assert_eq!(own.create_annotation_config(&config("x")).await.unwrap(), ConfigChange::NameTaken);
    }
    update_annotation_config(own, mine, theirs) {
        let changed = own.update_annotation_config(theirs.config, &config("x")).await.unwrap();
        assert_eq!(changed, ConfigChange::NoSuchConfig);
    }
    delete_annotation_config(own, mine, theirs) {
        assert_eq!(own.delete_annotation_config(theirs.config).await.unwrap(), None);
        assert!(own.delete_annotation_config(mine.config).await.unwrap().is_some());
    }
    assign_annotation_config(own, mine, theirs) {
        let assign = async |project, config| own.assign_annotation_config(project, config).await.unwrap();
        assert_eq!(assign(theirs.project, mine.config).await, Assignment::NoSuchProject);
        assert_eq!(assign(mine.project, theirs.config).await, Assignment::NoSuchConfig);
    }
    unassign_annotation_config(own, mine, theirs) {
        own.unassign_annotation_config(theirs.project, theirs.config).await.unwrap();
    }
    set_annotation_configs(own, mine, theirs) {
        let set = async |project, config| own.set_annotation_configs(project, &[config]).await.unwrap();
        assert_eq!(set(theirs.project, mine.config).await, Assignment::NoSuchProject);
        assert_eq!(set(mine.project, theirs.config).await, Assignment::NoSuchConfig);
    }
    members(own, mine, theirs) {
        let page = own.members(Some(theirs.user.max(mine.user)), 9).await.unwrap();
        assert_eq!(page.items.iter().map(|member| member.user).collect::<Vec<_>>(), [mine.user]);
    }
    member(own, mine, theirs) { assert_eq!(own.member(theirs.user).await.unwrap(), None); }
    add_member(own, mine, theirs) {
        assert_eq!(own.add_member(member("x")).await.unwrap(), AddMember::UsernameTaken);
    }
    set_role(own, mine, theirs) {
        assert_eq!(own.set_role(theirs.user, Role::Admin).await.unwrap(), MemberChange::NoMember);
        assert_eq!(own.set_role(mine.user, Role::Admin).await.unwrap(), MemberChange::Done);
    }
    remove_member(own, mine, theirs) {
        assert_eq!(own.remove_member(theirs.user).await.unwrap(), MemberChange::NoMember);
        assert_eq!(own.remove_member(mine.user).await.unwrap(), MemberChange::Done);
    }
    list_api_keys(own, mine, theirs) {
        let page = own.list_api_keys(KeyOwner::Tenant, Some(theirs.key.max(mine.key)), 9).await.unwrap();
        assert_eq!(page.items.iter().map(|key| key.id).collect::<Vec<_>>(), [mine.key]);
    }
    api_key(own, mine, theirs) {
        assert_eq!(own.api_key(KeyOwner::Tenant, theirs.key).await.unwrap(), None);
    }
    count_api_keys(own, mine, theirs) { assert_eq!(own.count_api_keys(KeyOwner::Tenant).await.unwrap(), 1); }
    add_api_key(own, mine, theirs) { own.add_api_key(key()).await.unwrap(); }
    delete_api_key(own, mine, theirs) {
        assert!(!own.delete_api_key(theirs.key).await.unwrap());
        assert!(own.delete_api_key(mine.key).await.unwrap());
    }
    invite(own, mine, theirs) { own.invite(invitation()).await.unwrap(); }
    invitations(own, mine, theirs) {
        let open = own.invitations(9).await.unwrap();
        assert_eq!(open.iter().map(|invitation| invitation.id).collect::<Vec<_>>(), [mine.invitation]);
    }
    count_invitations(own, mine, theirs) { assert_eq!(own.count_invitations().await.unwrap(), 1); }
    withdraw_invitation(own, mine, theirs) {
        assert!(!own.withdraw_invitation(theirs.invitation).await.unwrap());
        assert!(own.withdraw_invitation(mine.invitation).await.unwrap());
    }
    register_oauth_client(own, mine, theirs) {
        assert_eq!(register(own, "of theirs").await.client_id, "of theirs", "names of two tenants may be equal");
    }
    oauth_client(own, mine, theirs) {
        assert_eq!(own.oauth_client("of theirs").await.unwrap(), None);
        assert!(own.oauth_client("of mine").await.unwrap().is_some());
    }
    oauth_client_used(own, mine, theirs) { own.oauth_client_used("of theirs").await.unwrap(); }
    authorize_oauth_client(own, mine, theirs) {
        let client = own.oauth_client("of mine").await.unwrap().unwrap();
        authorize(own, &client, mine.user, at(1_000_000)).await;
    }
    stored_usage(own, mine, theirs) { assert_eq!(own.stored_usage().await.unwrap().spans, 2); }
    price_book(own, mine, theirs) { own.price_book().await.unwrap(); }
    price_overrides(own, mine, theirs) {
        assert_eq!(own.price_overrides().await.unwrap(), [price(4.0)]);
    }
    put_price(own, mine, theirs) { own.put_price(&price(77.0)).await.unwrap(); }
    delete_price(own, mine, theirs) { assert!(own.delete_price("model").await.unwrap()); }
    queue_jobs(own, mine, theirs) {
        own.queue_jobs(vec![job("again")], own.time()).await.unwrap().1.durable().await.unwrap();
    }
    queued_items(own, mine, theirs) { assert_eq!(own.queued_items(RECEIPT).await.unwrap(), 1); }
    apply_queued(own, mine, theirs) {
        let write = annotation(of_span(1), "quality", "queued");
        assert_eq!(own.apply_queued(&[queued(&write, 1)], at(0)).await.unwrap().0, [QueuedEnd::Settled]);
    }
    gather_queued(own, mine, theirs) {
        let write = annotation(of_span(1), "quality", "gathered");
        own.gather_queued(&[queued(&write, 1)]).await.unwrap();
    }
    apply_gathered(own, mine, theirs) {
        let (write, receipt) = (annotation(of_span(1), "quality", "gathered"), "of what was gathered");
        let items = [QueuedWrite { receipt, ..queued(&write, 1) }];
        let gathered = own.gather_queued(&items).await.unwrap();
        assert_eq!(own.apply_gathered(gathered, at(0)).await.unwrap().0, [QueuedEnd::Settled]);
    }
    fail_queued(own, mine, theirs) {
        own.fail_queued(&queued(&annotation(of_span(1), "quality", "x"), 2), "why").await.unwrap();
    }
    receipt(own, mine, theirs) {
        let receipt = own.receipt(RECEIPT).await.unwrap().unwrap();
        let failed = bennu_store::ItemOutcome::Failed("mine".to_owned());
        assert_eq!(receipt.items.into_iter().collect::<HashMap<_, _>>(), HashMap::from([(0, failed)]));
    }
    annotation_failures(own, mine, theirs) {
        let both = FailureSelection::Ids(vec![mine.failure, theirs.failure]);
        let found = own.annotation_failures(&both, None, 9).await.unwrap().items;
        assert_eq!(found.iter().map(|failure| failure.id).collect::<Vec<_>>(), [mine.failure]);
    }
    count_annotation_failures(own, mine, theirs) {
        assert_eq!(own.count_annotation_failures(&FailureSelection::All).await.unwrap(), 1);
    }
    drop_annotation_failures(own, mine, theirs) {
        let foreign = FailureSelection::Ids(vec![theirs.failure]);
        assert_eq!(own.drop_annotation_failures(&foreign, None).await.unwrap(), 0);
        assert_eq!(own.drop_annotation_failures(&FailureSelection::All, None).await.unwrap(), 1);
    }
}

/// Public methods of `impl ScopedStore` blocks, as they stand in the source.
fn public_methods() -> BTreeSet<String> {
    let (mut methods, mut folders) =
        (BTreeSet::new(), vec![format!("{}/src", env!("CARGO_MANIFEST_DIR")).into()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir::<std::path::PathBuf>(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let mut of_scoped_store = false;
            for line in std::fs::read_to_string(path).unwrap().lines() {
                if line.starts_with("impl") {
                    of_scoped_store = line.contains(" ScopedStore<");
                }
                let method =
                    line.strip_prefix("    pub async fn ").or_else(|| line.strip_prefix("    pub fn "));
                let name = method.and_then(|rest| rest.split(['(', '<']).next());
                methods.extend(name.filter(|_| of_scoped_store).map(str::to_owned));
            }
        }
    }
    methods
}

#[test]
fn every_method_is_tried() {
    let tried: BTreeSet<String> = METHODS.iter().map(|(method, _)| (*method).to_owned()).collect();
    assert_eq!(tried, public_methods(), "a new method needs a line in `methods!` above");
}
