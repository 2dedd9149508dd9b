//! Annotations for tests, and ways to look at them.

use bennu_domain::annotation::{Annotation, AnnotationSource, AnnotatorKind, Target, TargetKind, Verdict};
use bennu_domain::ids::{AnnotationId, ProjectId};
use bennu_domain::time::Timestamp;
use bennu_store::{AnnotationList, AnnotationOutcome, AnnotationWrite, ScopedStore, StoredAnnotation};

use super::{at, span_id, trace_id};

pub fn of_span(number: u64) -> Target {
    Target::Span(span_id(number).to_string())
}

pub fn of_trace(number: u128) -> Target {
    Target::Trace(trace_id(number).to_string())
}

pub fn of_session(id: &str) -> Target {
    Target::Session(id.to_owned())
}

pub fn of_document(span: u64, position: i64) -> Target {
    Target::Document(span_id(span).to_string(), position)
}

/// An annotation with this label, received at the epoch of the tests.
pub fn annotation(target: Target, name: &str, label: &str) -> AnnotationWrite {
    let annotation = Annotation {
        target,
        name: name.to_owned(),
        identifier: String::new(),
        annotator: AnnotatorKind::Human,
        source: AnnotationSource::Api,
        user: None,
        verdict: Verdict { label: Some(label.to_owned()), ..Verdict::default() },
        metadata: "{}".to_owned(),
    };
    AnnotationWrite { annotation, received: at(0) }
}

pub fn identified(mut write: AnnotationWrite, identifier: &str) -> AnnotationWrite {
    identifier.clone_into(&mut write.annotation.identifier);
    write
}

pub fn scored(mut write: AnnotationWrite, score: f64) -> AnnotationWrite {
    write.annotation.verdict.score = Some(score);
    write
}

pub fn received(mut write: AnnotationWrite, time: Timestamp) -> AnnotationWrite {
    write.received = time;
    write
}

/// Annotates what must be there.
pub async fn annotate(
    data: ScopedStore<'_>,
    writes: impl IntoIterator<Item = AnnotationWrite>,
) -> Vec<AnnotationId> {
    let outcomes = data.annotate(writes.into_iter().collect()).await.unwrap();
    outcomes.into_iter().map(|outcome| outcome.stored().unwrap_or_else(|| panic!("{outcome:?}"))).collect()
}

pub async fn refused(data: ScopedStore<'_>, writes: Vec<AnnotationWrite>) -> Vec<AnnotationOutcome> {
    data.annotate(writes).await.unwrap()
}

pub fn annotation_list(project: ProjectId, kind: TargetKind) -> AnnotationList {
    AnnotationList {
        project,
        kind,
        targets: None,
        identifiers: None,
        include_names: None,
        exclude_names: Vec::new(),
        annotator: None,
        from: None,
        limit: 2,
    }
}

/// All annotations of a kind in a project, newest first, read two at a time.
pub async fn every_annotation(
    data: ScopedStore<'_>,
    project: ProjectId,
    kind: TargetKind,
) -> Vec<StoredAnnotation> {
    walk_annotations(data, annotation_list(project, kind)).await
}

pub async fn walk_annotations(data: ScopedStore<'_>, mut list: AnnotationList) -> Vec<StoredAnnotation> {
    let mut annotations = Vec::new();
    loop {
        let page = data.list_annotations(&list).await.unwrap().expect("one of the targets");
        assert!(page.items.len() <= list.limit);
        annotations.extend(page.items);
        list.from = page.next;
        if list.from.is_none() {
            return annotations;
        }
    }
}

pub fn labels(annotations: &[StoredAnnotation]) -> Vec<&str> {
    annotations.iter().map(|stored| stored.annotation.verdict.label.as_deref().unwrap_or("(none)")).collect()
}
