//! Summaries are what counting all annotations would give, after any sequence of changes.

use std::collections::BTreeMap;

use bennu_domain::annotation::TargetKind;
use bennu_store::{AnnotationDelete, AnnotationSummary, SummaryQuery};
use bennu_testkit::otlp::{request, span};
use proptest::prelude::*;

use crate::support::{
    TestStore, annotate, annotation, at, every_annotation, for_all, of_span, on_both_engines, received,
    scored,
};

on_both_engines!(a_summary_counts_scores_and_labels, any_changes_and_any_range_give_what_counting_gives,);

fn of_project(project: bennu_domain::ids::ProjectId) -> SummaryQuery {
    SummaryQuery { project, kind: None, names: Vec::new(), start: None, end: None }
}

async fn a_summary_counts_scores_and_labels(db: TestStore) {
    db.write(request().project("p").spans((1..=4).map(|id| span(1, id)))).await;
    let project = db.project("p").await;
    let verdicts = [(1, "good", Some(1.0)), (2, "bad", Some(0.0)), (3, "good", None)];
    for (id, label, score) in verdicts {
        let write = annotation(of_span(id), "quality", label);
        annotate(db.data(), [score.map_or(write.clone(), |score| scored(write, score))]).await;
    }
    let mut unlabelled = annotation(of_span(4), "quality", "");
    unlabelled.annotation.verdict.label = None;
    annotate(db.data(), [unlabelled, annotation(of_span(4), "other", "x".repeat(1_000).as_str())]).await;

    let summaries = db.data().summarize_annotations(&of_project(project)).await.unwrap();
    assert_eq!(
        summaries.iter().map(|summary| summary.name.as_str()).collect::<Vec<_>>(),
        ["other", "quality"]
    );
    assert_eq!(summaries[0].labels[0].label, "x".repeat(256));
    let quality = &summaries[1];
    assert_eq!((quality.count, quality.score_count, quality.score_sum), (4, 2, 1.0));
    let labels: Vec<_> = quality.labels.iter().map(|label| (label.label.as_str(), label.count)).collect();
    assert_eq!(labels, [("good", 2), ("bad", 1)]);

    let named = SummaryQuery { names: vec!["quality".to_owned()], ..of_project(project) };
    assert_eq!(db.data().summarize_annotations(&named).await.unwrap(), std::slice::from_ref(quality));
    let of_traces = SummaryQuery { kind: Some(TargetKind::Trace), ..of_project(project) };
    assert_eq!(db.data().summarize_annotations(&of_traces).await.unwrap(), []);
}

#[derive(Debug, Clone)]
enum Change {
    Annotate { span: u64, label: u8, score: Option<i8>, minute: i64 },
    Delete { from: i64, to: i64 },
}

fn change() -> impl Strategy<Value = Change> {
    let minute = -10_i64..240;
    prop_oneof![
        9 => (1_u64..5, 0_u8..3, prop::option::of(any::<i8>()), minute.clone())
            .prop_map(|(span, label, score, minute)| Change::Annotate { span, label, score, minute }),
        1 => (minute.clone(), minute).prop_map(|(from, to)| Change::Delete { from, to }),
    ]
}

fn minutes(minutes: i64) -> bennu_domain::time::Timestamp {
    at(minutes * 60_000_000)
}

async fn any_changes_and_any_range_give_what_counting_gives(db: TestStore) {
    db.write(request().project("p").spans((1..=4).map(|id| span(1, id)))).await;
    let project = db.project("p").await;
    let everything = AnnotationDelete {
        project,
        kind: TargetKind::Span,
        name: None,
        identifier: None,
        annotator: None,
        user: None,
        start: None,
        end: None,
    };
    let bound = || prop::option::of(-20_i64..260);
    for_all(25, (prop::collection::vec(change(), 1..25), bound(), bound()), async |(changes, start, end)| {
        db.data().delete_annotations(&everything).await.unwrap();
        for change in changes {
            match change {
                Change::Annotate { span, label, score, minute } => {
                    let mut write = annotation(of_span(span), "n", &label.to_string());
                    write.annotation.verdict.score = score.map(f64::from);
                    annotate(db.data(), [received(write, minutes(minute))]).await;
                }
                Change::Delete { from, to } => {
                    let (start, end) = (Some(minutes(from)), Some(minutes(to)));
                    let delete = AnnotationDelete { start, end, ..everything.clone() };
                    db.data().delete_annotations(&delete).await.unwrap();
                }
            }
        }
        let (start, end) = (start.map(minutes), end.map(minutes));
        let query = SummaryQuery { start, end, ..of_project(project) };
        let summaries = db.data().summarize_annotations(&query).await.unwrap();
        assert_eq!(summaries, counted(&db, &query).await);
    });
    assert!(db.number("SELECT count(*) FROM annotation_summaries WHERE annotations < 1").await == 0);
}

async fn counted(db: &TestStore, query: &SummaryQuery) -> Vec<AnnotationSummary> {
    let all = every_annotation(db.data(), query.project, TargetKind::Span).await;
    let inside = all.iter().filter(|stored| {
        query.start.is_none_or(|start| stored.created_at >= start)
            && query.end.is_none_or(|end| stored.created_at < end)
    });
    let mut summary = AnnotationSummary {
        kind: TargetKind::Span,
        name: "n".to_owned(),
        count: 0,
        score_count: 0,
        score_sum: 0.0,
        labels: Vec::new(),
    };
    let mut labels: BTreeMap<String, i64> = BTreeMap::new();
    for stored in inside {
        let verdict = &stored.annotation.verdict;
        summary.count += 1;
        summary.score_count += i64::from(verdict.score.is_some());
        summary.score_sum += verdict.score.unwrap_or_default();
        *labels.entry(verdict.label.clone().unwrap()).or_default() += 1;
    }
    summary.labels =
        labels.into_iter().map(|(label, count)| bennu_store::LabelCount { label, count }).collect();
    summary.labels.sort_by_key(|label| -label.count);
    if summary.count == 0 { Vec::new() } else { vec![summary] }
}
