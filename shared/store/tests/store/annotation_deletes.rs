//! Annotations are deleted by what they say, and with what they are about.

use bennu_domain::annotation::{AnnotatorKind, TargetKind};
use bennu_domain::ids::UserId;
use bennu_store::{AnnotationDelete, SummaryQuery};
use bennu_testkit::otlp::{request, span};

use crate::support::{
    TestStore, annotate, annotation, at, every_annotation, every_span, identified, labels, of_document,
    of_session, of_span, of_trace, on_both_engines, received, trace_id,
};

on_both_engines!(
    conditions_narrow_a_delete,
    more_than_one_transaction_takes_are_deleted,
    a_deleted_span_takes_its_annotations,
    a_deleted_trace_takes_its_annotations,
    a_deleted_session_takes_its_annotations,
    a_deleted_project_takes_all_annotations,
    a_trace_that_moves_takes_its_annotations,
);

async fn left(db: &TestStore) -> [i64; 2] {
    let sums = "SELECT COALESCE(SUM(annotations), 0) FROM annotation_summaries";
    [db.number("SELECT count(*) FROM annotations").await, db.number(sums).await]
}

/// Trace 1 with spans 1 and 2 in session `s`, trace 2 with span 3; everything is annotated.
async fn annotated(db: &TestStore) {
    let retriever = span(1, 1).session("s").attribute("retrieval.documents.0.document.content", "text");
    db.write(request().project("p").spans([retriever, span(1, 2), span(2, 3)])).await;
    let targets =
        [of_span(1), of_span(2), of_span(3), of_trace(1), of_trace(2), of_session("s"), of_document(1, 0)];
    annotate(db.data(), targets.map(|target| annotation(target, "n", "l"))).await;
    assert_eq!(left(db).await, [7, 7]);
}

fn everything(project: bennu_domain::ids::ProjectId) -> AnnotationDelete {
    let (name, identifier, annotator, user, start, end) = (None, None, None, None, None, None);
    AnnotationDelete { project, kind: TargetKind::Span, name, identifier, annotator, user, start, end }
}

/// Named by their labels: (label, name, identifier, annotator); received one microsecond after the other.
const SAMPLES: [(&str, &str, &str, AnnotatorKind); 5] = [
    ("1", "a", "", AnnotatorKind::Human),
    ("2", "a", "x", AnnotatorKind::Human),
    ("3", "b", "", AnnotatorKind::Human),
    ("4", "b", "x", AnnotatorKind::Code),
    ("5", "b", "y", AnnotatorKind::Human),
];

async fn conditions_narrow_a_delete(db: TestStore) {
    db.write(request().project("p").span(span(1, 1))).await;
    let all = everything(db.project("p").await);
    let some = |text: &str| Some(text.to_owned());
    let cases: [(AnnotationDelete, &[&str]); 7] = [
        (AnnotationDelete { name: some("a"), ..all.clone() }, &["5", "4", "3"]),
        (AnnotationDelete { identifier: some("x"), ..all.clone() }, &["5", "3", "1"]),
        (AnnotationDelete { annotator: Some(AnnotatorKind::Code), ..all.clone() }, &["5", "3", "2", "1"]),
        (AnnotationDelete { user: Some(UserId(2)), ..all.clone() }, &["5", "4", "3", "1"]),
        (AnnotationDelete { start: Some(at(2)), end: Some(at(5)), ..all.clone() }, &["5", "1"]),
        (AnnotationDelete { kind: TargetKind::Trace, ..all.clone() }, &["5", "4", "3", "2", "1"]),
        (all.clone(), &[]),
    ];
    for (delete, expected) in cases {
        db.data().delete_annotations(&all).await.unwrap();
        for (time, (label, name, identifier, annotator)) in (1..).zip(SAMPLES) {
            let mut write = identified(annotation(of_span(1), name, label), identifier);
            write.annotation.annotator = annotator;
            write.annotation.user = (time < 3).then_some(UserId(time));
            annotate(db.data(), [received(write, at(time))]).await;
        }
        db.data().delete_annotations(&delete).await.unwrap();
        let listed = every_annotation(db.data(), all.project, TargetKind::Span).await;
        assert_eq!(labels(&listed), expected, "{delete:?}");
        assert_eq!(left(&db).await, [i64::try_from(expected.len()).unwrap(); 2]);
    }
}

async fn more_than_one_transaction_takes_are_deleted(db: TestStore) {
    db.write(request().project("p").span(span(1, 1))).await;
    annotate(db.data(), (0..4_100).map(|name| annotation(of_span(1), &name.to_string(), "l"))).await;
    annotate(db.data(), [annotation(of_trace(1), "n", "stays")]).await;
    assert_eq!(db.data().delete_annotations(&everything(db.project("p").await)).await.unwrap(), 4_100);
    assert_eq!(left(&db).await, [1, 1]);
}

async fn a_deleted_span_takes_its_annotations(db: TestStore) {
    annotated(&db).await;
    let spans = every_span(db.data(), db.project("p").await).await;
    assert!(db.data().delete_span(spans[0].id).await.unwrap());
    assert_eq!(left(&db).await, [5, 5]);
    let last_of_its_trace = spans[2].id;
    assert!(db.data().delete_span(last_of_its_trace).await.unwrap());
    assert_eq!(left(&db).await, [3, 3]);
}

async fn a_deleted_trace_takes_its_annotations(db: TestStore) {
    annotated(&db).await;
    let trace = db.data().trace_row_with_id(trace_id(1)).await.unwrap().unwrap();
    assert!(db.data().delete_trace(trace).await.unwrap());
    assert_eq!(left(&db).await, [3, 3]);
}

async fn a_deleted_session_takes_its_annotations(db: TestStore) {
    annotated(&db).await;
    let session = db.data().session_rows(&["s".to_owned()]).await.unwrap()[0];
    assert!(db.data().delete_session(session).await.unwrap());
    assert_eq!(left(&db).await, [2, 2]);
}

async fn a_deleted_project_takes_all_annotations(db: TestStore) {
    annotated(&db).await;
    assert!(db.data().delete_project(db.project("p").await).await.unwrap());
    assert_eq!(left(&db).await, [0, 0]);
    assert_eq!(
        db.number("SELECT count(*) FROM annotation_summaries").await,
        0,
        "names and labels are content"
    );
}

async fn a_trace_that_moves_takes_its_annotations(db: TestStore) {
    annotated(&db).await;
    db.write(request().project("q").span(span(9, 9))).await;
    let trace = db.data().trace_row_with_id(trace_id(1)).await.unwrap().unwrap();
    db.data().transfer_traces(&[trace], db.project("q").await).await.unwrap();
    let count = async |project: &str| {
        let query = SummaryQuery {
            project: db.project(project).await,
            kind: None,
            names: Vec::new(),
            start: None,
            end: None,
        };
        let summaries = db.data().summarize_annotations(&query).await.unwrap();
        summaries.iter().map(|summary| (summary.kind.as_str(), summary.count)).collect::<Vec<_>>()
    };
    assert_eq!(count("p").await, [("span", 1), ("trace", 1), ("session", 1)]);
    assert_eq!(count("q").await, [("span", 2), ("trace", 1), ("document", 1)]);
    let moved = every_annotation(db.data(), db.project("q").await, TargetKind::Span).await;
    assert_eq!(moved.len(), 2);
}
