//! `/v1/annotations/failed`: annotations that were queued and could not be applied.

use actix_web::{HttpResponse, web};
use bennu_access::Write;
use bennu_domain::annotation::{Annotation, Target, Verdict};
use bennu_kit::http::{ApiError, JsonBody, QueryString};
use bennu_queue::{AnnotationJobs, ReplayError, replay};
use bennu_store::{AnnotationFailure, FailureSelection};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::bodies::AnnotationResult;
use super::queued::{RECEIPT_HEADER, new_receipt, queue_failed};
use crate::caller::Caller;
use crate::responses::{DataBody, PageBody, invalid_cursor, no_content, store_failed};

/// Failures named in one request; `all` takes any number.
const MOST_IDS: usize = 1_000;

#[derive(Serialize, ToSchema)]
#[schema(as = FailedAnnotation)]
pub struct FailureBody {
    id: String,
    /// Of the request
    receipt: String,
    /// Place in the request
    index: usize,
    reason: String,
    #[schema(format = DateTime)]
    received_at: String,
    #[schema(format = DateTime)]
    failed_at: String,
    /// As it was sent
    #[schema(value_type = Object)]
    annotation: Map<String, Value>,
}

impl From<AnnotationFailure> for FailureBody {
    fn from(failure: AnnotationFailure) -> Self {
        Self {
            id: failure.id.to_string(),
            receipt: failure.receipt,
            index: failure.index,
            reason: failure.reason,
            received_at: failure.received.to_string(),
            failed_at: failure.failed.to_string(),
            annotation: as_sent(failure.annotation),
        }
    }
}

fn as_sent(annotation: Annotation) -> Map<String, Value> {
    let mut sent = Map::new();
    match annotation.target {
        Target::Span(id) => sent.insert("span_id".to_owned(), id.into()),
        Target::Trace(id) => sent.insert("trace_id".to_owned(), id.into()),
        Target::Session(id) => sent.insert("session_id".to_owned(), id.into()),
        Target::Document(id, position) => {
            sent.insert("span_id".to_owned(), id.into());
            sent.insert("document_position".to_owned(), position.into())
        }
    };
    let Verdict { label, score, explanation } = annotation.verdict;
    let result = serde_json::to_value(AnnotationResult { label, score, explanation });
    let fields = [
        ("name", annotation.name.into()),
        ("annotator_kind", annotation.annotator.as_str().into()),
        ("result", result.unwrap_or_default()),
        ("metadata", serde_json::from_str(&annotation.metadata).unwrap_or_default()),
        ("identifier", annotation.identifier.into()),
    ];
    sent.extend(fields.map(|(name, value)| (name.to_owned(), value)));
    sent
}

/// Which failures: some by id, or all.
#[derive(Deserialize, ToSchema)]
pub struct FailureSelectionBody {
    #[serde(default)]
    ids: Vec<String>,
    #[serde(default)]
    all: bool,
}

impl FailureSelectionBody {
    fn read(self) -> Result<FailureSelection, ApiError> {
        let refuse = |rule: &str| Err(ApiError::Unprocessable(rule.to_owned()));
        match (self.all, self.ids.len()) {
            (true, 0) => Ok(FailureSelection::All),
            (false, 1..=MOST_IDS) => {
                let id = |text: &String| {
                    let rule = || {
                        ApiError::Unprocessable(format!("ids: {text:?} is the id of no failed annotation."))
                    };
                    text.parse().map_err(|_| rule())
                };
                Ok(FailureSelection::Ids(self.ids.iter().map(id).collect::<Result<_, _>>()?))
            }
            (false, 0) | (true, _) => refuse("Give either ids, or all=true."),
            (false, _) => refuse("ids: at most 1000 are taken; all=true takes any number."),
        }
    }
}

/// Lists annotations that could not be applied, newest first.
#[utoipa::path(
    get, path = "/v1/annotations/failed", operation_id = "listFailedAnnotations", tag = "annotations",
    params(
        ("cursor" = Option<String>, Query, description = "Where the page begins, from `next_cursor`"),
        ("limit" = Option<u32>, Query, description = "Items a page, 100 if not given, at most 1000"),
    ),
    responses(
        (status = 200, body = PageBody<FailureBody>),
        (status = 422, body = String, content_type = "text/plain"),
    )
)]
pub async fn list_failed(
    caller: Caller,
    mut query: QueryString,
) -> Result<web::Json<PageBody<FailureBody>>, ApiError> {
    let limit = query.limit(100, 1_000);
    let cursor = query.cursor();
    query.finish()?;
    let from = cursor.map(|cursor| cursor.parse().map_err(|_| invalid_cursor(&cursor))).transpose()?;
    let failures = caller.store().annotation_failures(&FailureSelection::All, from, limit);
    let page = failures.await.map_err(store_failed)?;
    let data = page.items.into_iter().map(FailureBody::from).collect();
    Ok(web::Json(PageBody { data, next_cursor: page.next.map(|next| next.to_string()) }))
}

#[derive(Serialize, ToSchema)]
struct Replayed {
    replayed: usize,
}

/// Queues failed annotations again, under a new receipt. They keep the time of their request.
#[utoipa::path(
    post, path = "/v1/annotations/failed/replay", operation_id = "replayFailedAnnotations", tag = "annotations",
    request_body = FailureSelectionBody,
    responses(
        (
            status = 200, body = DataBody<Replayed>,
            headers(("x-bennu-receipt" = String, description = "For `GET /v1/receipts/{receipt}`")),
        ),
        (status = 422, body = String, content_type = "text/plain"),
        (status = 503, body = String, content_type = "text/plain"),
    )
)]
pub async fn replay_failed(
    caller: Caller<Write>,
    jobs: web::Data<dyn AnnotationJobs>,
    body: JsonBody<FailureSelectionBody>,
) -> Result<HttpResponse, ApiError> {
    let selection = body.0.read()?;
    let receipt = new_receipt();
    let replayed = replay(caller.store(), caller.scope(), &**jobs, &selection, &receipt).await;
    let replayed = replayed.map_err(|error| match error {
        ReplayError::Store(error) => store_failed(error),
        ReplayError::Queue(error) => queue_failed(error),
    })?;
    let mut response = HttpResponse::Ok();
    if replayed > 0 {
        response.insert_header((RECEIPT_HEADER, receipt));
    }
    Ok(response.json(DataBody { data: Replayed { replayed } }))
}

/// Drops failed annotations for good; members their own alone, and administrators those of everybody.
#[utoipa::path(
    delete, path = "/v1/annotations/failed", operation_id = "dropFailedAnnotations", tag = "annotations",
    request_body = FailureSelectionBody,
    responses((status = 204), (status = 422, body = String, content_type = "text/plain"))
)]
pub async fn drop_failed(
    caller: Caller<Write>,
    body: JsonBody<FailureSelectionBody>,
) -> Result<HttpResponse, ApiError> {
    let selection = body.0.read()?;
    let Some(whose) = caller.may_delete() else { return Ok(no_content()) };
    caller.store().drop_annotation_failures(&selection, whose.account()).await.map_err(store_failed)?;
    Ok(no_content())
}
