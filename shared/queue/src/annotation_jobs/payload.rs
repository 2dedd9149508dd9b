//! Jobs as they stand in the table of the database: written when they are queued, read once, and overwritten when they are deleted. A
//! message takes half of JSON's bytes and a third of its time; compressed, as the annotations of a run have much in common, a tenth.

use std::io;

use bennu_domain::annotation::{Annotation, AnnotationSource, AnnotatorKind, Target, TargetKind, Verdict};
use bennu_domain::annotation_job::{AnnotationJob, QueuedAnnotation};
use bennu_domain::ids::UserId;
use bennu_domain::time::Timestamp;
use bennu_proto as proto;
use bennu_store::NewJobRow;
use prost::Message as _;

use crate::compression::{compress, inflate_zstd};

/// What is smaller gains nothing.
const SMALL: usize = 1_024;

/// Why bytes are no job.
#[derive(Debug, thiserror::Error)]
pub(super) enum PayloadError {
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    #[error(transparent)]
    Message(#[from] prost::DecodeError),
    #[error("it cannot be inflated: {0}")]
    Compressed(#[from] io::Error),
    #[error("there is no {what} {code}")]
    Code { what: &'static str, code: i32 },
}

/// A job as a message: on its way to bytes and back.
#[derive(Debug, Clone)]
pub(super) struct Payload(proto::AnnotationJob);

impl From<AnnotationJob> for Payload {
    fn from(job: AnnotationJob) -> Self {
        let AnnotationJob { receipt, total, received, waits_since, attempt, items } = job;
        let items = items.into_iter().map(write_item).collect();
        let (total, received, waits_since) = (total as u64, received.0, waits_since.0);
        Self(proto::AnnotationJob { receipt, total, received, waits_since, attempt, items })
    }
}

impl Payload {
    pub fn row(&self) -> NewJobRow {
        let Self(message) = self;
        let (receipt, items, payload) =
            (message.receipt.clone(), message.items.len(), message.encode_to_vec());
        let compressed = if payload.len() > SMALL { compress(&payload).ok() } else { None };
        let bytes = if compressed.is_some() { payload.len() } else { 0 };
        NewJobRow { receipt, items, bytes, payload: compressed.unwrap_or(payload) }
    }

    pub fn job(self) -> Result<AnnotationJob, PayloadError> {
        let Self(job) = self;
        Ok(AnnotationJob {
            receipt: job.receipt,
            total: place(job.total),
            received: Timestamp(job.received),
            waits_since: Timestamp(job.waits_since),
            attempt: job.attempt,
            items: job.items.into_iter().map(read_item).collect::<Result<_, _>>()?,
        })
    }
}

fn write_item(QueuedAnnotation { index, annotation }: QueuedAnnotation) -> proto::QueuedAnnotation {
    let target_kind = i32::from(annotation.target.kind().code());
    let (target_id, position) = match annotation.target {
        Target::Span(id) | Target::Trace(id) | Target::Session(id) => (id, 0),
        Target::Document(id, position) => (id, position),
    };
    let Verdict { label, score, explanation } = annotation.verdict;
    proto::QueuedAnnotation {
        index: index as u64,
        target_kind,
        target_id,
        position,
        name: annotation.name,
        identifier: annotation.identifier,
        annotator_kind: i32::from(annotation.annotator.code()),
        source: i32::from(annotation.source.code()),
        user: annotation.user.map(|user| user.0),
        label,
        score,
        explanation,
        metadata: annotation.metadata,
    }
}

/// What [`Payload::row`] wrote. Those of earlier versions are JSON, which begins with a bracket; messages begin with the number of
/// their first field.
pub(super) fn read(payload: &[u8], bytes: usize) -> Result<AnnotationJob, PayloadError> {
    if bytes > 0 {
        return read(&inflate_zstd(payload, bytes)?, 0);
    }
    if payload.starts_with(b"{") {
        return Ok(serde_json::from_slice(payload)?);
    }
    Payload(proto::AnnotationJob::decode(payload)?).job()
}

fn read_item(item: proto::QueuedAnnotation) -> Result<QueuedAnnotation, PayloadError> {
    let id = item.target_id;
    let target = match known("target", item.target_kind, TargetKind::from_code)? {
        TargetKind::Span => Target::Span(id),
        TargetKind::Trace => Target::Trace(id),
        TargetKind::Session => Target::Session(id),
        TargetKind::Document => Target::Document(id, item.position),
    };
    let annotation = Annotation {
        target,
        name: item.name,
        identifier: item.identifier,
        annotator: known("annotator", item.annotator_kind, AnnotatorKind::from_code)?,
        source: known("source", item.source, AnnotationSource::from_code)?,
        user: item.user.map(UserId),
        verdict: Verdict { label: item.label, score: item.score, explanation: item.explanation },
        metadata: item.metadata,
    };
    Ok(QueuedAnnotation { index: place(item.index), annotation })
}

fn known<T>(what: &'static str, code: i32, read: fn(i16) -> Option<T>) -> Result<T, PayloadError> {
    i16::try_from(code).ok().and_then(read).ok_or(PayloadError::Code { what, code })
}

fn place(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // clippy knows only functions marked as tests, not their helpers
mod tests {
    use super::*;

    fn job() -> AnnotationJob {
        let annotation = |target: Target| Annotation {
            target,
            name: "relevance\0\u{1F600}".to_owned(),
            identifier: String::new(),
            annotator: AnnotatorKind::Llm,
            source: AnnotationSource::App,
            user: Some(UserId(7)),
            verdict: Verdict { label: Some(String::new()), score: Some(0.1 + 0.2), explanation: None },
            metadata: r#"{"a":1}"#.to_owned(),
        };
        let id = || "0af7651916cd43dd".to_owned();
        let targets =
            [Target::Span(id()), Target::Trace(id()), Target::Session(id()), Target::Document(id(), -1)];
        let annotations = targets.map(annotation).into();
        let mut job = AnnotationJob::of_request("r", Timestamp(1_700_000_000_000_000), annotations).remove(0);
        (job.waits_since, job.attempt) = (Timestamp(-1), 3);
        job.items[0].annotation.verdict = Verdict::default();
        job.items[0].annotation.user = None;
        job
    }

    #[test]
    fn a_job_is_read_as_it_was_written() {
        let row = Payload::from(job()).row();
        assert_eq!((row.receipt.as_str(), row.items, row.bytes), ("r", 4, 0));
        assert_eq!(read(&row.payload, 0).unwrap(), job());
        assert_eq!(Payload::from(job()).job().unwrap(), job());
    }

    #[test]
    fn a_job_of_many_annotations_is_compressed() {
        let mut job = job();
        job.items = job.items.into_iter().cycle().take(100).collect();
        let row = Payload::from(job.clone()).row();
        assert!(row.payload.len() < row.bytes / 10, "{} of {} bytes", row.payload.len(), row.bytes);
        assert_eq!(read(&row.payload, row.bytes).unwrap(), job);
        assert!(read(&row.payload, row.bytes - 1).is_err(), "it claims to be smaller");
    }

    #[test]
    fn a_job_of_an_earlier_version_is_read() {
        assert_eq!(read(&serde_json::to_vec(&job()).unwrap(), 0).unwrap(), job());
    }

    #[test]
    fn no_job_is_an_error() {
        let cut = Payload::from(job()).row().payload;
        let unknown = proto::QueuedAnnotation { target_kind: 9, ..write_item(job().items.remove(0)) };
        let unknown = proto::AnnotationJob { items: vec![unknown], ..Default::default() }.encode_to_vec();
        for bytes in [b"{".as_slice(), b"no", &cut[..cut.len() - 1], &unknown] {
            assert!(read(bytes, 0).is_err() && read(bytes, 100).is_err());
        }
    }
}
