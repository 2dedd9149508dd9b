//! `POST /v1/evaluations`

use std::io::Read as _;

use actix_web::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use actix_web::{HttpRequest, HttpResponse, web};
use bennu_access::Write;
use bennu_domain::annotation::{Annotation, AnnotationSource, AnnotatorKind, MAX_KEY_BYTES, Target, Verdict};
use bennu_kit::http::ApiError;
use bennu_queue::AnnotationJobs;
use flate2::read::GzDecoder;

use super::{arrow_reader, protobuf};
use crate::annotations::{RECEIPT_HEADER, queue};
use crate::caller::Caller;

/// 32 MiB: a data frame of some 100,000 evaluations.
const LARGEST_BODY: usize = 32 << 20;

const PROTOBUF: &str = "application/x-protobuf";
pub const ARROW: &str = "application/x-pandas-arrow";

/// Why a body is no evaluation.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidEvaluation {
    #[error("Request body is invalid")]
    Body,
    #[error("Request body is not valid pyarrow")]
    Arrow,
    #[error("Evaluation name must not be blank/empty, nor have more than {MAX_KEY_BYTES} bytes")]
    Name,
    #[error("Invalid data in request body: {0}")]
    Data(&'static str),
}

/// An annotation as evaluations are: made by a model, without identifier.
pub fn annotation(target: Target, name: &str, verdict: Verdict) -> Result<Annotation, InvalidEvaluation> {
    let name = name.trim();
    if name.is_empty() || name.len() > MAX_KEY_BYTES {
        return Err(InvalidEvaluation::Name);
    }
    Ok(Annotation {
        target,
        name: name.to_owned(),
        identifier: String::new(),
        annotator: AnnotatorKind::Llm,
        source: AnnotationSource::Api,
        user: None,
        verdict,
        metadata: "{}".to_owned(),
    })
}

/// Adds evaluations of spans, traces or documents. They are queued, and wait for spans that are late.
#[utoipa::path(
    post, path = "/v1/evaluations", operation_id = "addEvaluations", tag = "annotations",
    request_body(
        content(("application/x-protobuf"), ("application/x-pandas-arrow")),
        description = "One evaluation as protobuf, or a pandas data frame as an Arrow stream",
    ),
    responses(
        (
            status = 204,
            headers(("x-bennu-receipt" = String, description = "For `GET /v1/receipts/{receipt}`")),
        ),
        (status = 413, body = String, content_type = "text/plain"),
        (status = 415, body = String, content_type = "text/plain"),
        (status = 422, body = String, content_type = "text/plain"),
        (status = 503, body = String, content_type = "text/plain"),
    )
)]
pub async fn add_evaluations(
    caller: Caller<Write>,
    jobs: web::Data<dyn AnnotationJobs>,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, ApiError> {
    let header = |name| request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = header(CONTENT_TYPE).split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let encoding = header(CONTENT_ENCODING).trim().to_ascii_lowercase();
    let read: fn(&[u8]) -> Result<Vec<Annotation>, InvalidEvaluation> = match media_type.as_str() {
        PROTOBUF => protobuf::read,
        ARROW => arrow_reader::read,
        _ => return Err(ApiError::UnsupportedMediaType(format!("Unsupported content type: {media_type}"))),
    };
    let body = body(payload).await?;
    let body = match (media_type.as_str(), encoding.as_str()) {
        (_, "") => body,
        (PROTOBUF, "gzip") => inflated(&body)?,
        _ => return Err(ApiError::UnsupportedMediaType(format!("Unsupported content encoding: {encoding}"))),
    };
    // A large frame takes a while, and a reader that a malformed one confuses must take nothing else with it.
    let reading = web::block(move || std::panic::catch_unwind(|| read(&body))).await;
    let annotations = match reading {
        Ok(Ok(annotations)) => annotations.map_err(|error| ApiError::Unprocessable(error.to_string()))?,
        Ok(Err(_)) => return Err(ApiError::Unprocessable(InvalidEvaluation::Arrow.to_string())),
        Err(error) => return Err(ApiError::internal(error)),
    };
    let signed = |annotation: Annotation| Annotation { user: caller.user(), ..annotation };
    let annotations: Vec<Annotation> = annotations.into_iter().map(signed).collect();
    let mut response = HttpResponse::NoContent();
    if !annotations.is_empty() {
        response.insert_header((RECEIPT_HEADER, queue(&caller, &**jobs, annotations).await?));
    }
    Ok(response.finish())
}

async fn body(payload: web::Payload) -> Result<web::Bytes, ApiError> {
    let read = payload.to_bytes_limited(LARGEST_BODY).await;
    read.map_err(|_| too_large())?
        .map_err(|_| ApiError::BadRequest("the body could not be read to its end".to_owned()))
}

fn inflated(body: &[u8]) -> Result<web::Bytes, ApiError> {
    let mut inflated = Vec::new();
    let limit = u64::try_from(LARGEST_BODY).unwrap_or(u64::MAX);
    GzDecoder::new(body)
        .take(limit + 1)
        .read_to_end(&mut inflated)
        .map_err(|_| ApiError::Unprocessable(InvalidEvaluation::Body.to_string()))?;
    if inflated.len() > LARGEST_BODY { Err(too_large()) } else { Ok(inflated.into()) }
}

fn too_large() -> ApiError {
    ApiError::TooLarge(format!("the body is larger than {} MiB", LARGEST_BODY >> 20))
}
