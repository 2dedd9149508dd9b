//! `POST /v1/spans`: spans as data frames, which notebooks ask for.

mod arrow;
mod arrow_shape;
mod body;
mod frame;
mod query;
mod rows;
mod table_schema;

use actix_web::http::header::{ACCEPT, HeaderMap};
use actix_web::{HttpRequest, HttpResponse, web};
use bennu_access::Query;
use bennu_domain::filter::SpanFacts;
use bennu_domain::project::ProjectName;
use bennu_kit::http::{ApiError, JsonBody, QueryString};
use bennu_store::{Roots, ScopedStore, SpanSelection};

use self::body::QuerySpansRequestBody;
use self::frame::Frame;
use self::query::{FrameQuery, QueryError};
use crate::caller::Caller;
use crate::responses::store_failed;

/// Most text and numbers of the spans of one answer, in bytes. Types of columns are known only when all rows are, so that
/// an answer is held whole, several times over while it is written.
const LARGEST_ANSWER: usize = 128 << 20;
/// Queries of one request; clients send a handful.
const MOST_QUERIES: usize = 100;

#[derive(utoipa::OpenApi)]
#[openapi(paths(query_spans))]
pub struct ApiDoc;

/// The resource `/v1/spans`.
pub fn resource() -> actix_web::Resource {
    web::resource("/v1/spans").post(query_spans)
}

/// Gives spans as data frames, one for each query: newest spans first, as pandas table-schema JSON in a multipart answer
/// if the client accepts `application/json`, else as Arrow IPC streams one behind the other.
#[utoipa::path(
    post, path = "/v1/spans", operation_id = "querySpans", tag = "spans",
    params(("project_name" = Option<String>, Query, description = "Name of the project, `default` if not given")),
    request_body = QuerySpansRequestBody,
    responses(
        (status = 200, content((Vec<u8> = "multipart/mixed"), (Vec<u8> = "application/x-pandas-arrow"))),
        (status = 404, description = "No query", body = String, content_type = "text/plain"),
        (status = 422, description = "A query that cannot be run", body = String, content_type = "text/plain"),
    )
)]
async fn query_spans(
    caller: Caller<Query>,
    request: HttpRequest,
    mut parameters: QueryString,
    body: JsonBody<QuerySpansRequestBody>,
) -> Result<HttpResponse, ApiError> {
    let body = body.0;
    let project = project_name(&mut parameters, request.headers(), body.project_name.as_deref());
    parameters.finish()?;
    let (start, end) = body.time_range()?;
    let roots = body.root_spans_only.unwrap_or(false).then_some(match body.orphan_span_as_root_span {
        true => Roots::WithOrphans,
        false => Roots::Strict,
    });
    let limit = usize::try_from(body.limit).unwrap_or(usize::MAX);
    if body.queries.is_empty() {
        return Err(ApiError::NotFound("Not Found".to_owned()));
    }
    if body.queries.len() > MOST_QUERIES {
        return Err(invalid(&QueryError::Shape(format!("a request may have {MOST_QUERIES} queries"))));
    }
    let queries = body.queries.into_iter().map(FrameQuery::read).collect::<Result<Vec<_>, _>>();
    let queries = queries.map_err(|error| invalid(&error))?;
    let project = caller.store().project_named(&project).await.map_err(store_failed)?;
    let mut room = LARGEST_ANSWER;
    let mut answers = Vec::with_capacity(queries.len());
    for query in queries {
        let spans = match &project {
            None => Vec::new(),
            Some(project) => {
                let selection = SpanSelection {
                    project: project.id,
                    condition: query.condition.clone(),
                    roots,
                    start,
                    end,
                    needs: query.needs(),
                };
                collect(caller.store(), &selection, &query, limit, &mut room).await?
            }
        };
        answers.push((query, spans));
    }
    respond(answers, wants_json(request.headers())).await
}

/// The project that a client names in one of several places.
fn project_name(parameters: &mut QueryString, headers: &HeaderMap, in_body: Option<&str>) -> String {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let named = parameters
        .text("project_name")
        .or_else(|| parameters.text("project-name"))
        .or_else(|| header("project-name"))
        .or_else(|| in_body.map(str::to_owned));
    named.filter(|name| !name.is_empty()).unwrap_or_else(|| ProjectName::DEFAULT.to_owned())
}

fn invalid(error: &QueryError) -> ApiError {
    ApiError::Unprocessable(error.to_string())
}

/// The spans of one query, at most `limit` and no more than there is room for.
async fn collect(
    store: ScopedStore<'_>,
    selection: &SpanSelection,
    query: &FrameQuery,
    limit: usize,
    room: &mut usize,
) -> Result<Vec<SpanFacts>, ApiError> {
    let mut spans = Vec::new();
    let mut scan = store.scan_spans(selection, limit);
    while spans.len() < limit
        && let Some(found) = scan.next().await.map_err(store_failed)?
    {
        for (_, facts) in found.into_iter().filter(|(_, facts)| query.takes(facts)).take(limit - spans.len())
        {
            let left = room.checked_sub(facts.span.weight());
            *room = left.ok_or_else(|| {
                let most = LARGEST_ANSWER >> 20;
                let message =
                    format!("its spans hold more than {most} MiB; ask for fewer with limit or times");
                invalid(&QueryError::Shape(message))
            })?;
            spans.push(facts);
        }
    }
    Ok(spans)
}

/// Only this exact value asks for JSON: older clients send others and read Arrow.
fn wants_json(headers: &HeaderMap) -> bool {
    headers.get(ACCEPT).is_some_and(|accepted| accepted == "application/json")
}

/// Builds and writes the frames away from the thread that serves requests.
async fn respond(
    answers: Vec<(FrameQuery, Vec<SpanFacts>)>,
    as_json: bool,
) -> Result<HttpResponse, ApiError> {
    let written = web::block(move || {
        let frames = answers.into_iter().map(|(query, spans)| query.frame(spans));
        if as_json { Ok(multipart(frames)) } else { streams(frames) }
    });
    let (media_type, bytes) = written.await.map_err(ApiError::internal)?.map_err(ApiError::internal)?;
    Ok(HttpResponse::Ok().content_type(media_type).body(bytes))
}

/// Parts between lines that no part can hold: JSON text has no line breaks.
fn multipart(frames: impl Iterator<Item = Frame>) -> (String, Vec<u8>) {
    const BOUNDARY: &str = "bennu-frame-8a0f4d1c6e2b";
    let mut bytes = Vec::new();
    for frame in frames {
        bytes.extend_from_slice(format!("--{BOUNDARY}\r\nContent-Type: application/json\r\n\r\n").as_bytes());
        table_schema::write(&frame, &mut bytes);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
    (format!("multipart/mixed; boundary={BOUNDARY}"), bytes)
}

fn streams(frames: impl Iterator<Item = Frame>) -> Result<(String, Vec<u8>), ::arrow_schema::ArrowError> {
    let mut bytes = Vec::new();
    for frame in frames {
        arrow::write(&frame, &mut bytes)?;
    }
    Ok(("application/x-pandas-arrow".to_owned(), bytes))
}
