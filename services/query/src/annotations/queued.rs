//! Annotations that are queued: acknowledged at once, applied soon, and followed by their receipt.

use std::time::Duration;

use bennu_access::Write;
use bennu_domain::annotation::Annotation;
use bennu_domain::annotation_job::AnnotationJob;
use bennu_kit::http::ApiError;
use bennu_queue::{AnnotationJobs, JobsError};
use uuid::Uuid;

use crate::caller::Caller;

/// The receipt of a request whose annotations are queued.
pub const RECEIPT_HEADER: &str = "x-bennu-receipt";

/// A queue that is full or away is asked again after this time.
const RETRY_AFTER: Duration = Duration::from_secs(1);

pub fn new_receipt() -> String {
    Uuid::new_v4().simple().to_string()
}

/// Queues the annotations of a request; answers its receipt.
pub async fn queue(
    caller: &Caller<Write>,
    jobs: &dyn AnnotationJobs,
    annotations: Vec<Annotation>,
) -> Result<String, ApiError> {
    let receipt = new_receipt();
    let queued = AnnotationJob::of_request(&receipt, caller.store().time(), annotations);
    jobs.enqueue(caller.scope(), queued).await.map_err(queue_failed)?;
    Ok(receipt)
}

#[allow(clippy::needless_pass_by_value)] // fits `map_err`
pub fn queue_failed(error: JobsError) -> ApiError {
    ApiError::Unavailable { message: error.to_string(), retry_after: RETRY_AFTER }
}
