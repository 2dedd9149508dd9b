//! `POST /v1/traces`: OTLP over HTTP in protobuf and JSON.

use actix_web::http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName};
use actix_web::{HttpRequest, HttpResponse, web};
use bennu_domain::project::ProjectName;
use bennu_kit::http::{ApiError, Authorized};
use bennu_queue::PublishError;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message as _;
use std::time::Duration;
use utoipa::OpenApi as _;

use super::body::read_body;
use super::inflate::Encoding;
use super::json_spans;
use super::receiver::{ReceiveError, Receiver, RequestFormat};

const PROJECT_HEADER: HeaderName = HeaderName::from_static("x-project-name");
const PROTOBUF: &str = "application/x-protobuf";
const JSON: &str = "application/json";

/// A full buffer empties within a few commits; exporters wait at least this long before they try again.
const RETRY_AFTER: Duration = Duration::from_secs(1);

#[derive(utoipa::OpenApi)]
#[openapi(paths(export_traces))]
struct ApiDoc;

/// The part of the API document that this service serves.
pub fn api_doc() -> utoipa::openapi::OpenApi {
    let mut document = ApiDoc::openapi();
    document.merge(json_spans::ApiDoc::openapi());
    document
}

/// Adds the routes; the application data holds a [`Receiver`] and a [`bennu_store::Store`].
pub fn routes(config: &mut web::ServiceConfig) {
    config.service(web::resource("/v1/traces").post(export_traces)).configure(json_spans::routes);
}

/// Receives spans over OTLP/HTTP.
///
/// Answers when the spans are durable. Spans that cannot be stored are named in `partial_success`; the others are kept.
#[utoipa::path(
    post,
    path = "/v1/traces",
    operation_id = "exportTraces",
    tag = "ingest",
    params(("x-project-name" = Option<String>, Header, description = "Project for all spans of the request")),
    request_body(
        description = "An OTLP ExportTraceServiceRequest; gzip, deflate and zstd are accepted",
        content((Vec<u8> = "application/x-protobuf"), (Object = "application/json"))
    ),
    responses(
        (status = 200, description = "Durable; the body is an ExportTraceServiceResponse in the format of the request"),
        (status = 400, description = "The body cannot be decompressed", body = String, content_type = "text/plain"),
        (status = 413, description = "The body is too large", body = String, content_type = "text/plain"),
        (status = 415, description = "Unknown content type or encoding", body = String, content_type = "text/plain"),
        (status = 422, description = "The body is no OTLP request", body = String, content_type = "text/plain"),
        (status = 429, description = "The tenant or the key is over its quota; see Retry-After", body = String, content_type = "text/plain"),
        (status = 503, description = "Too much is waiting to be stored; see Retry-After", body = String, content_type = "text/plain"),
    )
)]
async fn export_traces(
    caller: Authorized<bennu_access::Ingest>,
    request: HttpRequest,
    payload: web::Payload,
    receiver: web::Data<Receiver>,
) -> Result<HttpResponse, ApiError> {
    let headers = request.headers();
    let format = request_format(headers)?;
    let encoding = content_encoding(headers)?;
    let project = project_header(headers)?;
    let (body, _held) = read_body(payload, encoding, &receiver, caller.principal()).await?;
    let received = receiver.receive(caller.principal(), project, format, body).await.map_err(api_error)?;
    Ok(respond(format, &received.into_response()))
}

fn request_format(headers: &HeaderMap) -> Result<RequestFormat, ApiError> {
    let content_type = text(headers, &CONTENT_TYPE);
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    if media_type.eq_ignore_ascii_case(PROTOBUF) {
        Ok(RequestFormat::Protobuf)
    } else if media_type.eq_ignore_ascii_case(JSON) {
        Ok(RequestFormat::Json)
    } else {
        let expected = format!("Content-Type {content_type:?} is not supported; send {PROTOBUF} or {JSON}.");
        Err(ApiError::UnsupportedMediaType(expected))
    }
}

pub(super) fn content_encoding(headers: &HeaderMap) -> Result<Encoding, ApiError> {
    let encoding = text(headers, &CONTENT_ENCODING);
    Encoding::parse(encoding).ok_or_else(|| {
        let expected =
            format!("Content-Encoding {encoding:?} is not supported; send gzip, deflate, zstd or none.");
        ApiError::UnsupportedMediaType(expected)
    })
}

/// An empty header counts as absent. Names may be any UTF-8.
fn project_header(headers: &HeaderMap) -> Result<Option<ProjectName>, ApiError> {
    let Some(value) = headers.get(PROJECT_HEADER) else { return Ok(None) };
    let name = std::str::from_utf8(value.as_bytes())
        .map_err(|_| ApiError::Unprocessable("Header x-project-name is not UTF-8.".to_owned()))?;
    Ok(ProjectName::new(name.trim()))
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// 503: nothing was taken, but may be later.
pub(super) fn unavailable(reason: impl std::fmt::Display) -> ApiError {
    ApiError::Unavailable { message: reason.to_string(), retry_after: RETRY_AFTER }
}

pub(super) fn api_error(error: ReceiveError) -> ApiError {
    match error {
        ReceiveError::Malformed(error) => ApiError::Unprocessable(error.to_string()),
        ReceiveError::OverQuota(over) => {
            ApiError::TooMany { message: over.to_string(), retry_after: Some(over.retry_after) }
        }
        ReceiveError::Publish(PublishError::Rejected(reason)) => ApiError::Unprocessable(reason),
        ReceiveError::Publish(error @ (PublishError::Full | PublishError::Unavailable(_))) => {
            unavailable(error)
        }
    }
}

fn respond(format: RequestFormat, response: &ExportTraceServiceResponse) -> HttpResponse {
    match format {
        RequestFormat::Protobuf => HttpResponse::Ok().content_type(PROTOBUF).body(response.encode_to_vec()),
        RequestFormat::Json => HttpResponse::Ok().content_type(JSON).body(json_response(response)),
    }
}

/// OTLP/JSON writes 64-bit integers as text.
fn json_response(response: &ExportTraceServiceResponse) -> String {
    let Some(partial) = &response.partial_success else { return "{}".to_owned() };
    let body = serde_json::json!({
        "partialSuccess": {
            "rejectedSpans": partial.rejected_spans.to_string(),
            "errorMessage": partial.error_message,
        }
    });
    body.to_string()
}
