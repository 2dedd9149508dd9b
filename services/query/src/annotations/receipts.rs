//! `GET /v1/receipts/{receipt}`: what became of the annotations of a request.

use std::time::Duration;

use actix_web::web;
use bennu_domain::global_id;
use bennu_kit::http::{ApiError, FieldError, QueryString};
use bennu_queue::AnnotationJobs;
use bennu_store::{ItemOutcome, Receipt};
use serde::Serialize;
use tokio::time::Instant;
use utoipa::ToSchema;

use super::queued::queue_failed;
use crate::caller::Caller;
use crate::identifiers::not_found;
use crate::responses::{DataBody, store_failed};

/// Longer waits would outlast the time-outs of proxies and clients.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// How often a waiting request looks.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What became of a request.
#[derive(Serialize, ToSchema)]
#[schema(as = AnnotationReceipt)]
pub struct ReceiptBody {
    id: String,
    /// `queued` while some annotation waits, else `applied`, or `failed` if some could not be
    status: &'static str,
    applied: usize,
    failed: usize,
    queued: usize,
    /// By place in the request; those of which nothing is known yet are queued and not listed
    items: Vec<ItemBody>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = AnnotationReceiptItem)]
struct ItemBody {
    index: usize,
    /// `applied`, `failed` or `queued`
    status: &'static str,
    /// GlobalId of the annotation
    #[serde(skip_serializing_if = "Option::is_none")]
    annotation_id: Option<String>,
    /// Why it failed
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl ReceiptBody {
    fn new(id: &str, receipt: Receipt) -> Self {
        let type_name = receipt.kind.type_name();
        let item = |(index, outcome)| match outcome {
            ItemOutcome::Waiting => ItemBody { index, status: "queued", annotation_id: None, reason: None },
            ItemOutcome::Applied(row) => {
                let annotation_id = Some(global_id::write(type_name, row.0));
                ItemBody { index, status: "applied", annotation_id, reason: None }
            }
            ItemOutcome::Failed(reason) => {
                ItemBody { index, status: "failed", annotation_id: None, reason: Some(reason) }
            }
        };
        let items: Vec<ItemBody> = receipt.items.into_iter().map(item).collect();
        let count = |status: &str| items.iter().filter(|item| item.status == status).count();
        let (applied, failed) = (count("applied"), count("failed"));
        let queued = receipt.total.saturating_sub(applied + failed);
        let status = match (queued, failed) {
            (0, 0) => "applied",
            (0, _) => "failed",
            _ => "queued",
        };
        Self { id: id.to_owned(), status, applied, failed, queued, items }
    }

    /// Nothing of it was looked at yet.
    fn untouched(id: &str, queued: usize) -> Self {
        Self { id: id.to_owned(), status: "queued", applied: 0, failed: 0, queued, items: Vec::new() }
    }
}

/// Tells what became of annotations that were sent without `sync`.
#[utoipa::path(
    get, path = "/v1/receipts/{receipt}", operation_id = "getAnnotationReceipt", tag = "annotations",
    params(
        ("receipt" = String, Path, description = "From the header `x-bennu-receipt`"),
        ("wait" = Option<String>, Query, description = "Answer when nothing is queued any more, or after this time: `5s`, at most 30"),
    ),
    responses(
        (status = 200, body = DataBody<ReceiptBody>),
        (status = 404, description = "No such receipt, or it is too old", body = String, content_type = "text/plain"),
        (status = 422, body = String, content_type = "text/plain"),
    )
)]
pub async fn get_receipt(
    caller: Caller,
    jobs: web::Data<dyn AnnotationJobs>,
    receipt: web::Path<String>,
    mut query: QueryString,
) -> Result<web::Json<DataBody<ReceiptBody>>, ApiError> {
    let wait = query.text("wait");
    query.finish()?;
    let deadline = Instant::now() + wait.map_or(Ok(Duration::ZERO), |wait| read_wait(&wait))?;
    loop {
        let data = look(&caller, &**jobs, &receipt).await?;
        if data.status != "queued" || Instant::now() >= deadline {
            return Ok(web::Json(DataBody { data }));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// The queue first: what has left it meanwhile has a receipt by then.
async fn look(caller: &Caller, jobs: &dyn AnnotationJobs, id: &str) -> Result<ReceiptBody, ApiError> {
    let queued = jobs.queued_items(caller.scope(), id).await.map_err(queue_failed)?;
    match caller.store().receipt(id).await.map_err(store_failed)? {
        Some(receipt) => Ok(ReceiptBody::new(id, receipt)),
        None if queued > 0 => Ok(ReceiptBody::untouched(id, queued)),
        None => Err(not_found("receipt", id)),
    }
}

fn read_wait(text: &str) -> Result<Duration, ApiError> {
    let seconds = text.strip_suffix('s').unwrap_or(text).parse::<f64>().ok();
    let wait = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let rule = "must be a time in seconds, such as 5s";
    let error = || ApiError::Validation(vec![FieldError::query("wait", "value_error", rule, text)]);
    Ok(wait.ok_or_else(error)?.min(LONGEST_WAIT))
}
