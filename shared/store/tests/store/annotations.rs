//! Annotations: what is one, what is replaced, what is refused, and in which order they are listed.

use bennu_domain::annotation::{AnnotationSource, AnnotatorKind, OutOfBounds, TargetKind};
use bennu_domain::ids::UserId;
use bennu_store::{AnnotationList, AnnotationOutcome, AnnotationWrite};
use bennu_testkit::otlp::{RequestBuilder, request, span};
use futures::future::join_all;

use crate::support::{
    NOTHING_IS_LARGE, TestStore, annotate, annotation, annotation_list, at, every_annotation, identified,
    labels, of_document, of_session, of_span, of_trace, on_both_engines, received, refused, scored,
    walk_annotations, write,
};

on_both_engines!(
    every_kind_of_target_is_annotated_and_listed,
    a_key_is_one_annotation_and_an_identifier_makes_another,
    of_equal_keys_in_a_request_the_last_counts,
    what_was_received_earlier_never_replaces_what_came_later,
    one_missing_target_refuses_the_request,
    documents_are_counted,
    pages_follow_each_other_whatever_is_selected,
    targets_of_other_projects_are_not_there,
    text_that_a_database_may_not_take_is_kept_as_far_as_possible,
    annotations_of_many_spans_come_in_one_query,
    two_processes_that_annotate_the_same_end_with_one_row,
    tenants_annotate_apart,
    new_ones_and_newer_ones_of_old_come_together,
    a_span_that_came_again_is_found_again,
    those_of_a_run_are_stored_as_they_came,
);

fn retriever(trace: u128, id: u64, documents: usize) -> RequestBuilder {
    let with_document = |span: bennu_testkit::otlp::SpanBuilder, position: usize| {
        span.attribute(format!("retrieval.documents.{position}.document.content"), "text")
    };
    request().project("p").span((0..documents).fold(span(trace, id), with_document))
}

async fn every_kind_of_target_is_annotated_and_listed(db: TestStore) {
    db.write(retriever(1, 1, 2)).await;
    db.write(request().project("p").span(span(1, 2).session("s"))).await;
    let targets = [of_span(1), of_trace(1), of_session("s"), of_document(1, 1)];
    let writes = targets.clone().map(|target| scored(annotation(target, "n", "l"), 0.5));
    let ids = annotate(db.data(), writes.clone()).await;
    let project = db.project("p").await;
    for (kind, (id, write)) in TargetKind::ALL.into_iter().zip(ids.into_iter().zip(writes)) {
        let listed = every_annotation(db.data(), project, kind).await;
        assert_eq!(listed.len(), 1, "{kind:?}");
        assert_eq!((listed[0].id, &listed[0].annotation), (id, &write.annotation));
        assert_eq!((listed[0].created_at, listed[0].updated_at), (at(0), at(0)));
    }
}

async fn a_key_is_one_annotation_and_an_identifier_makes_another(db: TestStore) {
    db.write(request().project("p").span(span(1, 1))).await;
    let first = annotate(db.data(), [scored(annotation(of_span(1), "n", "old"), 1.0)]).await;
    let mut again = received(annotation(of_span(1), "n", "new"), at(5));
    again.annotation.annotator = AnnotatorKind::Code;
    again.annotation.user = Some(UserId(7));
    r#"{"b":1,"a":2}"#.clone_into(&mut again.annotation.metadata);
    let other = identified(annotation(of_span(1), "n", "other"), "i");
    let second = annotate(db.data(), [again.clone(), other]).await;
    assert_eq!(second[0], first[0]);
    let listed = every_annotation(db.data(), db.project("p").await, TargetKind::Span).await;
    assert_eq!(labels(&listed), ["other", "new"]);
    assert_eq!(listed[1].annotation, again.annotation, "nothing of the old content is left");
    assert_eq!((listed[1].created_at, listed[1].updated_at), (at(0), at(5)));
}

async fn of_equal_keys_in_a_request_the_last_counts(db: TestStore) {
    db.write(request().project("p").span(span(1, 1))).await;
    let ids = annotate(db.data(), ["a", "b", "c"].map(|label| annotation(of_span(1), "n", label))).await;
    assert_eq!(ids[0], ids[2]);
    let listed = every_annotation(db.data(), db.project("p").await, TargetKind::Span).await;
    assert_eq!(labels(&listed), ["c"]);
}

async fn what_was_received_earlier_never_replaces_what_came_later(db: TestStore) {
    db.write(request().project("p").span(span(1, 1))).await;
    let labelled = |label, time| received(annotation(of_span(1), "n", label), at(time));
    let first = annotate(db.data(), [labelled("late", 10)]).await;
    assert_eq!(annotate(db.data(), [labelled("early", 9)]).await, first);
    let listed = every_annotation(db.data(), db.project("p").await, TargetKind::Span).await;
    assert_eq!((labels(&listed), listed[0].updated_at), (vec!["late"], at(10)));
    annotate(db.data(), [labelled("later", 12), labelled("between", 11)]).await;
    let listed = every_annotation(db.data(), db.project("p").await, TargetKind::Span).await;
    assert_eq!((labels(&listed), listed[0].updated_at), (vec!["later"], at(12)));
}

async fn one_missing_target_refuses_the_request(db: TestStore) {
    db.write(request().project("p").span(span(1, 1))).await;
    let targets = [of_span(1), of_span(2), of_trace(9), of_session("nobody's"), of_document(7, 0)];
    let outcomes = refused(db.data(), targets.map(|target| annotation(target, "n", "l")).to_vec()).await;
    assert!(outcomes[0].stored().is_some());
    assert_eq!(outcomes[1..], [AnnotationOutcome::NoTarget; 4]);
    assert_eq!(every_annotation(db.data(), db.project("p").await, TargetKind::Span).await, []);
    let odd = ["zz", "", "00", "ééé"]
        .map(|id| annotation(bennu_domain::annotation::Target::Span(id.to_owned()), "n", "l"));
    assert_eq!(refused(db.data(), odd.to_vec()).await, [AnnotationOutcome::NoTarget; 4]);
}

async fn documents_are_counted(db: TestStore) {
    db.write(retriever(1, 1, 2)).await;
    db.write(request().project("p").span(span(1, 2))).await;
    let outcome = async |span, position| {
        refused(db.data(), vec![annotation(of_document(span, position), "n", "l")]).await[0]
    };
    let out_of_bounds = |position, last| AnnotationOutcome::OutOfBounds(OutOfBounds { position, last });
    assert!(outcome(1, 0).await.stored().is_some());
    assert!(outcome(1, 1).await.stored().is_some());
    assert_eq!(outcome(1, 2).await, out_of_bounds(2, 1));
    assert_eq!(outcome(1, -1).await, out_of_bounds(-1, 1));
    assert_eq!(outcome(2, 0).await, out_of_bounds(0, -1));
    assert_eq!(outcome(1, i64::MAX).await, out_of_bounds(i64::MAX, 1));
}

async fn pages_follow_each_other_whatever_is_selected(db: TestStore) {
    db.write(request().project("p").spans((1..=3).map(|id| span(1, id)))).await;
    for (span, name, identifier) in
        [(1, "a", ""), (2, "a", "x"), (3, "b", "y"), (1, "b", "x"), (2, "note", "")]
    {
        let label = format!("{span}{name}{identifier}");
        annotate(db.data(), [identified(annotation(of_span(span), name, &label), identifier)]).await;
    }
    let all = annotation_list(db.project("p").await, TargetKind::Span);
    let found = async |list: AnnotationList| labels(&walk_annotations(db.data(), list).await).join(" ");
    assert_eq!(found(all.clone()).await, "2note 1bx 3by 2ax 1a");
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let spans = |spans: &[u64]| Some(spans.iter().map(|id| of_span(*id).id().to_owned()).collect::<Vec<_>>());
    assert_eq!(found(AnnotationList { targets: spans(&[1, 3, 9]), ..all.clone() }).await, "1bx 3by 1a");
    assert_eq!(
        found(AnnotationList { identifiers: Some(texts(&["x", "y"])), ..all.clone() }).await,
        "1bx 3by 2ax"
    );
    let both = AnnotationList { identifiers: Some(texts(&["x"])), targets: spans(&[2]), ..all.clone() };
    assert_eq!(found(both).await, "2ax");
    let named = AnnotationList { include_names: Some(texts(&["a", "note"])), ..all.clone() };
    assert_eq!(found(named.clone()).await, "2note 2ax 1a");
    assert_eq!(found(AnnotationList { exclude_names: texts(&["note"]), ..named }).await, "2ax 1a");
    let unknown = AnnotationList { targets: spans(&[9]), ..all };
    assert_eq!(db.data().list_annotations(&unknown).await.unwrap(), None);
}

async fn targets_of_other_projects_are_not_there(db: TestStore) {
    db.write(request().project("p").span(span(1, 1))).await;
    db.write(request().project("q").span(span(2, 2))).await;
    annotate(db.data(), [annotation(of_span(1), "n", "p"), annotation(of_span(2), "n", "q")]).await;
    for (project, label) in [("p", "p"), ("q", "q")] {
        let listed = every_annotation(db.data(), db.project(project).await, TargetKind::Span).await;
        assert_eq!(labels(&listed), [label]);
    }
    let foreign = AnnotationList {
        targets: Some(vec![of_span(2).id().to_owned()]),
        ..annotation_list(db.project("p").await, TargetKind::Span)
    };
    assert_eq!(db.data().list_annotations(&foreign).await.unwrap(), None);
}

async fn text_that_a_database_may_not_take_is_kept_as_far_as_possible(db: TestStore) {
    db.write(request().project("p").span(span(1, 1))).await;
    let mut odd = annotation(of_span(1), "a\0b", "\0");
    r#"{"nul":"\u0000"}"#.clone_into(&mut odd.annotation.metadata);
    odd.annotation.verdict.score = Some(f64::INFINITY);
    odd.annotation.verdict.explanation = Some("x".repeat(3_000_000));
    annotate(db.data(), [odd.clone()]).await;
    let stored = every_annotation(db.data(), db.project("p").await, TargetKind::Span).await.remove(0);
    assert_eq!(stored.annotation, odd.annotation.storable().into_owned());
    assert_eq!(stored.annotation.verdict.score, None);
}

async fn annotations_of_many_spans_come_in_one_query(db: TestStore) {
    db.write(request().project("p").spans((1..=3).map(|id| span(1, id)))).await;
    annotate(db.data(), [(1, "a"), (1, "b"), (2, "c")].map(|(id, name)| annotation(of_span(id), name, name)))
        .await;
    annotate(db.data(), [annotation(of_trace(1), "t", "t")]).await;
    let spans = crate::support::every_span(db.data(), db.project("p").await).await;
    let rows: Vec<_> = spans.iter().map(|stored| stored.id).collect();
    let found = db.data().annotations_of_spans(&rows).await.unwrap();
    let of = |index: usize| found.get(&rows[index]).map(|found| labels(found).join(" "));
    assert_eq!([of(0), of(1), of(2)], [Some("a b".to_owned()), Some("c".to_owned()), None]);
    let trace = db.data().trace_row_with_id(crate::support::trace_id(1)).await.unwrap().unwrap();
    let found = db.data().annotations_of_traces(&[trace]).await.unwrap();
    assert_eq!(labels(&found[&trace]), ["t"]);
}

async fn two_processes_that_annotate_the_same_end_with_one_row(db: TestStore) {
    db.write(request().project("p").spans((1..=40).map(|id| span(1, id)))).await;
    let scope = bennu_access::SystemScope::for_tenant(bennu_domain::ids::TenantId::DEFAULT, "test");
    let stores = [db.another(NOTHING_IS_LARGE).await, db.another(NOTHING_IS_LARGE).await];
    let writers = stores.iter().enumerate().map(async |(writer, store)| {
        for round in 0..10 {
            let mut order: Vec<u64> = (1..=40).collect();
            if writer == 1 {
                order.reverse();
            }
            let label = format!("{writer} {round}");
            let writes = order.into_iter().map(|id| annotation(of_span(id), "n", &label));
            annotate(store.scoped(&scope), writes).await;
        }
    });
    join_all(writers).await;
    assert_eq!(every_annotation(db.data(), db.project("p").await, TargetKind::Span).await.len(), 40);
    assert_eq!(db.number("SELECT SUM(annotations) FROM annotation_summaries").await, 40);
}

async fn new_ones_and_newer_ones_of_old_come_together(db: TestStore) {
    db.write(request().project("p").spans((1..=4).map(|id| span(1, id)))).await;
    let labelled = |id, label: &str, time| received(annotation(of_span(id), "n", label), at(time));
    let old = annotate(db.data(), [labelled(2, "old", 5), labelled(3, "late", 20)]).await;
    let writes =
        [labelled(4, "new", 10), labelled(3, "early", 10), labelled(2, "newer", 10), labelled(1, "new", 10)];
    let ids = annotate(db.data(), writes).await;
    assert_eq!((ids[2], ids[1]), (old[0], old[1]));
    assert!(old[1] < ids[0] && ids[0] < ids[3], "ids rise in the order of the request: {ids:?}");
    let listed = every_annotation(db.data(), db.project("p").await, TargetKind::Span).await;
    assert_eq!(labels(&listed), ["new", "new", "late", "newer"]);
    let times: Vec<_> = listed.iter().map(|stored| (stored.created_at, stored.updated_at)).collect();
    assert_eq!(times, [(at(10), at(10)), (at(10), at(10)), (at(20), at(20)), (at(5), at(10))]);
    assert_eq!(db.number("SELECT SUM(annotations) FROM annotation_summaries").await, 4);
    assert_eq!(db.number("SELECT COUNT(*) FROM annotation_summaries WHERE label = '=old'").await, 0);
}

/// The row of a span that was annotated is remembered; nobody may notice.
async fn a_span_that_came_again_is_found_again(db: TestStore) {
    let other = db.another(NOTHING_IS_LARGE).await;
    let scope = bennu_access::SystemScope::for_tenant(bennu_domain::ids::TenantId::DEFAULT, "test");
    db.write(request().project("p").span(span(1, 1))).await;
    annotate(db.data(), [annotation(of_span(1), "n", "first")]).await;
    let trace = db.data().trace_row_with_id(crate::support::trace_id(1)).await.unwrap().unwrap();
    assert!(other.scoped(&scope).delete_trace(trace).await.unwrap());
    let outcomes = refused(db.data(), vec![annotation(of_span(1), "n", "of nothing")]).await;
    assert_eq!(outcomes, [AnnotationOutcome::NoTarget]);
    db.write(request().project("p").span(span(2, 1))).await;
    annotate(db.data(), [annotation(of_span(1), "n", "second")]).await;
    let trace = db.data().trace_row_with_id(crate::support::trace_id(2)).await.unwrap().unwrap();
    assert!(other.scoped(&scope).delete_trace(trace).await.unwrap());
    db.write(request().project("p").span(span(3, 1))).await;
    annotate(db.data(), [annotation(of_span(1), "n", "third")]).await;
    let listed = every_annotation(db.data(), db.project("p").await, TargetKind::Span).await;
    assert_eq!(labels(&listed), ["third"]);
}

async fn tenants_annotate_apart(db: TestStore) {
    for tenant in [1, 2] {
        write(db.tenant(tenant), request().project("p").span(span(1, 1))).await.unwrap();
        annotate(db.tenant(tenant), [annotation(of_span(1), "n", &tenant.to_string())]).await;
    }
    for tenant in [1, 2] {
        let data = db.tenant(tenant);
        let project = data.project_named("p").await.unwrap().unwrap().id;
        assert_eq!(labels(&every_annotation(data, project, TargetKind::Span).await), [tenant.to_string()]);
        let foreign = db.tenant(3 - tenant).project_named("p").await.unwrap().unwrap().id;
        assert_eq!(every_annotation(data, foreign, TargetKind::Span).await, []);
    }
}

/// What neighbours have in common is told to the database once: here each hundred differs from the next one in one thing.
async fn those_of_a_run_are_stored_as_they_came(db: TestStore) {
    const A_RUN: u64 = 100;
    db.write(request().project("p").spans((1..=6 * A_RUN).map(|id| span(1, id)))).await;
    db.write(request().project("q").spans((1..=A_RUN).map(|id| span(2, 1_000 + id)))).await;
    let run = |first: u64, change: fn(&mut AnnotationWrite)| {
        (first..first + A_RUN).map(move |id| {
            let mut write = identified(annotation(of_span(id), "a", &id.to_string()), "run");
            write.annotation.verdict.explanation = (id % 3 > 0).then(|| format!("because {id}"));
            write.annotation.verdict.score = (id % 5 > 0).then_some(0.5);
            change(&mut write);
            write
        })
    };
    let alone = (1..=10).map(|id| annotation(of_span(id), &format!("alone {id}"), "l"));
    let writes: Vec<AnnotationWrite> = run(1, |_| {})
        .chain(run(101, |write| r#"{"b":2}"#.clone_into(&mut write.annotation.metadata)))
        .chain(alone)
        .chain(run(201, |write| write.annotation.annotator = AnnotatorKind::Human))
        .chain(run(301, |write| write.annotation.user = Some(UserId(7))))
        .chain(run(401, |write| write.annotation.source = AnnotationSource::App))
        .chain(run(501, |write| write.received = at(9)))
        .chain(run(1, |write| "b".clone_into(&mut write.annotation.name)))
        .chain(run(1, |write| "other".clone_into(&mut write.annotation.identifier)))
        .chain(run(1_001, |_| {}))
        .collect();
    annotate(db.data(), writes.clone()).await;
    let mut listed = Vec::new();
    for project in ["q", "p"] {
        listed.extend(every_annotation(db.data(), db.project(project).await, TargetKind::Span).await);
    }
    assert_eq!(listed.len(), writes.len());
    for (stored, write) in listed.iter().rev().zip(&writes) {
        assert_eq!((&stored.annotation, stored.created_at), (&write.annotation, write.received));
    }
}
