//! Annotations on their way through a queue.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::annotation::Annotation;
use crate::time::Timestamp;

/// Annotations of one job, and of one entry of a receipt.
pub const ITEMS_A_JOB: usize = 100;

/// Pauses double from this one on, so that a span that is a little late is not waited for in vain, …
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// … up to this one, so that one that is very late is found soon after it came.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// Some annotations of one request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AnnotationJob {
    /// Of the request.
    pub receipt: String,
    /// Annotations of the request.
    pub total: usize,
    /// When the annotations were received: the later ones count.
    pub received: Timestamp,
    /// When waiting for missing targets began: with the request, or when it was last replayed.
    pub waits_since: Timestamp,
    /// How often targets were missing.
    pub attempt: u32,
    pub items: Vec<QueuedAnnotation>,
}

/// An annotation and its place in the request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct QueuedAnnotation {
    pub index: usize,
    pub annotation: Annotation,
}

impl AnnotationJob {
    /// The jobs of a request.
    pub fn of_request(receipt: &str, received: Timestamp, annotations: Vec<Annotation>) -> Vec<Self> {
        let total = annotations.len();
        let mut jobs: Vec<Self> = Vec::with_capacity(annotations.len().div_ceil(ITEMS_A_JOB));
        for (index, annotation) in annotations.into_iter().enumerate() {
            if index.is_multiple_of(ITEMS_A_JOB) {
                let (receipt, waits_since) = (receipt.to_owned(), received);
                let items = Vec::with_capacity(ITEMS_A_JOB.min(total - index));
                jobs.push(Self { receipt, total, received, waits_since, attempt: 0, items });
            }
            if let Some(job) = jobs.last_mut() {
                job.items.push(QueuedAnnotation { index, annotation });
            }
        }
        jobs
    }

    /// What is left to do, and the pause before it.
    #[must_use]
    pub fn again(mut self, still_waiting: impl Fn(usize) -> bool) -> (Self, Duration) {
        self.items.retain(|item| still_waiting(item.index));
        let pause = FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(self.attempt)).min(LONGEST_PAUSE);
        self.attempt = self.attempt.saturating_add(1);
        (self, pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::annotation::{AnnotationSource, AnnotatorKind, Target, Verdict};

    fn annotations(count: usize) -> Vec<Annotation> {
        let annotation = |index: usize| Annotation {
            target: Target::Span("s".to_owned()),
            name: index.to_string(),
            identifier: String::new(),
            annotator: AnnotatorKind::Code,
            source: AnnotationSource::Api,
            user: None,
            verdict: Verdict::default(),
            metadata: "{}".to_owned(),
        };
        (0..count).map(annotation).collect()
    }

    #[test]
    fn a_request_is_cut_into_jobs_that_know_their_places() {
        let jobs = AnnotationJob::of_request("r", Timestamp(7), annotations(250));
        assert_eq!(jobs.iter().map(|job| job.items.len()).collect::<Vec<_>>(), [100, 100, 50]);
        assert_eq!((jobs[2].items[0].index, jobs[2].items[0].annotation.name.as_str()), (200, "200"));
        assert_eq!(AnnotationJob::of_request("r", Timestamp(7), Vec::new()), []);
    }

    #[test]
    fn pauses_grow_to_a_minute() {
        let mut job = AnnotationJob::of_request("r", Timestamp(7), annotations(3)).remove(0);
        let mut pauses = Vec::new();
        for _ in 0..8 {
            let (again, pause) = job.again(|index| index != 1);
            pauses.push(pause.as_secs());
            job = again;
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(job.items.iter().map(|item| item.index).collect::<Vec<_>>(), [0, 2]);
    }
}
