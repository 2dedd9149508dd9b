//! `POST /v1/projects/{project}/spans`: spans as JSON. They become OTLP spans and go the way of those.

use actix_web::{HttpRequest, HttpResponse, guard, web};
use bennu_access::Ingest;
use bennu_domain::global_id::Node as _;
use bennu_domain::ids::{ProjectId, SpanId, TraceId};
use bennu_domain::project::ProjectName;
use bennu_kit::http::{ApiError, Authorized, JsonList, has_json_type};
use bennu_store::{ScopedStore, Store, StoreError};
use bytes::Bytes;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1 as proto;
use prost::Message as _;
use serde::Serialize;
use utoipa::ToSchema;

use super::body::read_body;
use super::http::{api_error, content_encoding, unavailable};
use super::json_span_body::{SpanName, read_span};
use super::receiver::{Receiver, RequestFormat};

/// The part of the API document that this route is.
#[derive(utoipa::OpenApi)]
#[openapi(paths(create_spans))]
pub(super) struct ApiDoc;

/// Only the method is taken here: lists of spans have the same path.
pub(super) fn routes(config: &mut web::ServiceConfig) {
    let resource = web::resource("/v1/projects/{project_identifier}/spans").guard(guard::Post());
    config.service(resource.route(web::post().to(create_spans)));
}

#[derive(Serialize, ToSchema)]
struct CreateSpansResponseBody {
    total_received: usize,
    total_queued: usize,
}

/// Why nothing of a request was stored; clients read it from the text of the answer.
#[derive(Serialize)]
struct Refusal {
    error: &'static str,
    total_received: usize,
    total_queued: usize,
    total_duplicates: usize,
    total_invalid: usize,
    duplicate_spans: Vec<SpanName>,
    invalid_spans: Vec<InvalidSpan>,
}

#[derive(Serialize)]
struct InvalidSpan {
    #[serde(flatten)]
    span: SpanName,
    error: String,
}

/// Stores spans given as JSON. All of them or none: one that is stored already, or that cannot be stored, refuses the request.
///
/// Answers when the spans are durable. An unknown project name makes the project; ids may be any text. A span that is
/// stored as unfinished (attribute `bennu.partial`) may come again.
#[utoipa::path(
    post,
    path = "/v1/projects/{project_identifier}/spans",
    operation_id = "createSpans",
    tag = "spans",
    params(("project_identifier" = String, Path, description = "GlobalId, or the name of a project that need not exist")),
    request_body(description = "Spans; gzip, deflate and zstd are accepted", content = super::json_span_body::CreateSpansRequestBody),
    responses(
        (status = 202, description = "Durable", body = CreateSpansResponseBody),
        (status = 400, description = "Some spans are stored already or cannot be stored; the text is a JSON object that names them", body = String, content_type = "text/plain"),
        (status = 404, description = "No project has this GlobalId", body = String, content_type = "text/plain"),
        (status = 413, description = "The body is too large", body = String, content_type = "text/plain"),
        (status = 422, description = "The body is not of this form"),
        (status = 429, description = "The tenant or the key is over its quota; see Retry-After", body = String, content_type = "text/plain"),
        (status = 503, description = "Too much is waiting to be stored; see Retry-After", body = String, content_type = "text/plain"),
    )
)]
async fn create_spans(
    caller: Authorized<Ingest>,
    request: HttpRequest,
    project: web::Path<String>,
    payload: web::Payload,
    receiver: web::Data<Receiver>,
    store: web::Data<Store>,
) -> Result<HttpResponse, ApiError> {
    caller.principal().allow_project(Some(&project))?;
    let scope = caller.scope();
    let data = store.scoped(&scope);
    let encoding = content_encoding(request.headers())?;
    let is_json = has_json_type(&request);
    let (body, _held) = read_body(payload, encoding, &receiver, caller.principal()).await?;
    let reading = tokio::task::spawn_blocking(move || ReadSpans::read(&body.inflated, is_json));
    let read = reading.await.map_err(ApiError::internal)??;
    let project = find_project(data, &project).await?;
    let total_received = read.total;
    let duplicate_spans = read.stored_already(data).await.map_err(store_failed)?;
    if !duplicate_spans.is_empty() || !read.invalid.is_empty() {
        return Err(refusal(total_received, duplicate_spans, read.invalid));
    }
    if total_received > 0 {
        let body = Bytes::from(read.into_request().encode_to_vec());
        receiver
            .receive(caller.principal(), Some(project), RequestFormat::Protobuf, body)
            .await
            .map_err(api_error)?;
    }
    let answer = CreateSpansResponseBody { total_received, total_queued: total_received };
    Ok(HttpResponse::Accepted().json(answer))
}

fn refusal(total_received: usize, duplicates: Vec<SpanName>, invalid: Vec<InvalidSpan>) -> ApiError {
    let refusal = Refusal {
        error: "The request holds spans that are stored already or cannot be stored",
        total_received,
        total_queued: 0,
        total_duplicates: duplicates.len(),
        total_invalid: invalid.len(),
        duplicate_spans: duplicates,
        invalid_spans: invalid,
    };
    serde_json::to_string(&refusal).map_or_else(ApiError::internal, ApiError::BadRequest)
}

/// A GlobalId is tried first; all other text is the name of a project, which need not exist.
async fn find_project(data: ScopedStore<'_>, identifier: &str) -> Result<ProjectName, ApiError> {
    let not_found = || ApiError::NotFound(format!("There is no project {identifier:?}."));
    let Some(id) = ProjectId::from_global_id(identifier) else {
        return ProjectName::new(identifier).ok_or_else(not_found);
    };
    let project = data.project(id).await.map_err(store_failed)?;
    project.and_then(|project| ProjectName::new(&project.name)).ok_or_else(not_found)
}

fn store_failed(error: StoreError) -> ApiError {
    if error.is_transient() { unavailable(error) } else { ApiError::internal(error) }
}

/// What a body holds.
struct ReadSpans {
    total: usize,
    spans: Vec<(SpanName, proto::Span)>,
    invalid: Vec<InvalidSpan>,
}

impl ReadSpans {
    fn read(body: &[u8], is_json: bool) -> Result<Self, ApiError> {
        let list = JsonList::parse(body, is_json)?;
        let mut read = Self { total: list.len(), spans: Vec::with_capacity(list.len()), invalid: Vec::new() };
        for (index, item) in list.items().enumerate() {
            let (span, json) = read_span(&list, index, item?)?;
            match json.into_otlp() {
                Ok(otlp) => read.spans.push((span, otlp)),
                Err(error) => read.invalid.push(InvalidSpan { span, error: error.to_string() }),
            }
        }
        Ok(read)
    }

    /// The spans that can be read already, but for those that may be replaced.
    async fn stored_already(&self, data: ScopedStore<'_>) -> Result<Vec<SpanName>, StoreError> {
        let keys = self.spans.iter().map(|(name, _)| key(name));
        let stored = data.finished_spans_among(keys).await?;
        let found = self.spans.iter().map(|(name, _)| name).filter(|name| stored.contains(&key(name)));
        Ok(found.cloned().collect())
    }

    fn into_request(self) -> ExportTraceServiceRequest {
        let spans = self.spans.into_iter().map(|(_, span)| span).collect();
        let scope_spans = vec![proto::ScopeSpans { spans, ..proto::ScopeSpans::default() }];
        let resource_spans = vec![proto::ResourceSpans { scope_spans, ..proto::ResourceSpans::default() }];
        ExportTraceServiceRequest { resource_spans }
    }
}

fn key(name: &SpanName) -> (TraceId, SpanId) {
    (TraceId::from_text(&name.trace_id), SpanId::from_text(&name.span_id))
}
