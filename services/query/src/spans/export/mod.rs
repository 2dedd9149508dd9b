//! `GET /v1/projects/{project}/spans.parquet` and `…/spans.jsonl`: all spans that match, streamed.
//!
//! A few spans are read, encoded and sent at a time, so that memory does not grow with their number. Reading the next ones
//! goes on while the last ones are encoded.

mod frame;
mod json_lines;
mod parquet_file;
mod walk;

use std::future::Future;

use actix_web::http::header::{CONTENT_DISPOSITION, CONTENT_ENCODING, ContentEncoding};
use actix_web::{HttpResponse, web};
use bennu_domain::page::Order;
use bennu_kit::http::{ApiError, QueryString};
use bennu_store::StoredSpan;
use bytes::Bytes;
use futures::stream;

use self::json_lines::JsonLines;
use self::parquet_file::ParquetFile;
use self::walk::Walk;
use super::parameters::FilterParameters;
use crate::caller::Caller;
use crate::identifiers::find_project;

/// Makes the bytes of a file from spans that come some at a time.
trait SpanEncoder: Send + 'static {
    /// What there is to send once these are added, which may be nothing yet.
    fn add(&mut self, spans: Vec<StoredSpan>) -> Result<Bytes, ApiError>;
    /// The end of the file.
    fn finish(&mut self) -> Result<Bytes, ApiError>;
}

/// Exports spans of a project as a Parquet file, newest first, with the filters of the list of spans.
///
/// One row a span: ids, name, kind, times, status, session, user, model, tokens and cost in columns of their own; attributes (flat, under
/// dotted keys) and events as JSON text.
#[utoipa::path(
    get, path = "/v1/projects/{project_identifier}/spans.parquet", operation_id = "exportSpansParquet", tag = "spans",
    params(
        ("project_identifier" = String, Path, description = "GlobalId or name"),
        ("limit" = Option<u64>, Query, description = "Most spans; all if not given"),
        ("order" = Option<String>, Query, description = "`desc` (latest arrival first) or `asc`"),
        ("start_time" = Option<String>, Query, description = "Spans that start at or after it"),
        ("end_time" = Option<String>, Query, description = "Spans that start before it"),
        ("trace_id" = Option<Vec<String>>, Query),
        ("span_id" = Option<Vec<String>>, Query),
        ("parent_id" = Option<String>, Query, description = "A span id, or `null` for spans without a parent"),
        ("name" = Option<Vec<String>>, Query),
        ("span_kind" = Option<Vec<String>>, Query),
        ("status_code" = Option<Vec<String>>, Query),
        ("attribute" = Option<Vec<String>>, Query, description = "`key:value`; the value is read as JSON if it can be"),
    ),
    responses(
        (status = 200, body = Vec<u8>, content_type = "application/vnd.apache.parquet"),
        (status = 404, body = String, content_type = "text/plain"),
        (status = 422, body = String, content_type = "text/plain"),
    )
)]
pub async fn export_parquet(
    caller: Caller,
    project: web::Path<String>,
    query: QueryString,
) -> Result<HttpResponse, ApiError> {
    let walk = read_walk(caller, &project, query).await?;
    let mut response = HttpResponse::Ok();
    // The file is compressed inside.
    response.insert_header((CONTENT_ENCODING, ContentEncoding::Identity));
    response.insert_header((CONTENT_DISPOSITION, "attachment; filename=\"spans.parquet\""));
    response.content_type("application/vnd.apache.parquet");
    Ok(response.streaming(sent(walk, ParquetFile::new()?).await?))
}

/// Exports spans of a project as JSON, one object a line, newest first, with the filters of the list of spans.
///
/// The objects are those of the list of spans, with `cost` in US dollars (null where no price is known).
#[utoipa::path(
    get, path = "/v1/projects/{project_identifier}/spans.jsonl", operation_id = "exportSpansJsonLines", tag = "spans",
    params(
        ("project_identifier" = String, Path, description = "GlobalId or name"),
        ("limit" = Option<u64>, Query, description = "Most spans; all if not given"),
        ("order" = Option<String>, Query, description = "`desc` (latest arrival first) or `asc`"),
        ("start_time" = Option<String>, Query, description = "Spans that start at or after it"),
        ("end_time" = Option<String>, Query, description = "Spans that start before it"),
        ("trace_id" = Option<Vec<String>>, Query),
        ("span_id" = Option<Vec<String>>, Query),
        ("parent_id" = Option<String>, Query, description = "A span id, or `null` for spans without a parent"),
        ("name" = Option<Vec<String>>, Query),
        ("span_kind" = Option<Vec<String>>, Query),
        ("status_code" = Option<Vec<String>>, Query),
        ("attribute" = Option<Vec<String>>, Query, description = "`key:value`; the value is read as JSON if it can be"),
    ),
    responses(
        (status = 200, body = String, content_type = "application/jsonl"),
        (status = 404, body = String, content_type = "text/plain"),
        (status = 422, body = String, content_type = "text/plain"),
    )
)]
pub async fn export_json_lines(
    caller: Caller,
    project: web::Path<String>,
    query: QueryString,
) -> Result<HttpResponse, ApiError> {
    let walk = read_walk(caller, &project, query).await?;
    let mut response = HttpResponse::Ok();
    response.insert_header((CONTENT_DISPOSITION, "attachment; filename=\"spans.jsonl\""));
    response.content_type("application/jsonl");
    Ok(response.streaming(sent(walk, JsonLines).await?))
}

async fn read_walk(caller: Caller, project: &str, mut query: QueryString) -> Result<Walk, ApiError> {
    let limit = query.integer("limit", 1..=i64::MAX).and_then(|limit| usize::try_from(limit).ok());
    let order =
        query.choice("order", &[("asc", Order::Ascending), ("desc", Order::Descending)]).unwrap_or_default();
    let filter = FilterParameters::read_with_kinds(&mut query);
    query.finish()?;
    let project = find_project(caller.store(), project).await?.id;
    Walk::new(caller, project, filter.filter()?, order, limit.unwrap_or(usize::MAX)).await
}

/// The first spans are read before the answer begins, so that a failure to read still has a status of its own; one that
/// comes later breaks the connection off.
async fn sent<E: SpanEncoder>(
    mut walk: Walk,
    encoder: E,
) -> Result<impl futures::Stream<Item = Result<Bytes, ApiError>>, ApiError> {
    let first = walk.next().await?;
    let start = Some(Sending { walk, encoder, ready: first });
    Ok(stream::try_unfold(start, |sending| async {
        let Some(sending) = sending else { return Ok(None) };
        sending.next().await.map(Some)
    }))
}

struct Sending<E> {
    walk: Walk,
    encoder: E,
    /// Read and not yet encoded; empty at the end.
    ready: Vec<StoredSpan>,
}

impl<E: SpanEncoder> Sending<E> {
    async fn next(self) -> Result<(Bytes, Option<Self>), ApiError> {
        let Self { mut walk, encoder, ready } = self;
        if ready.is_empty() {
            let (bytes, _) = encoded(encoder, E::finish).await?;
            return Ok((bytes, None));
        }
        let encoding = encoded(encoder, |encoder| encoder.add(ready));
        let (encoded, next) = futures::join!(encoding, walk.next());
        let ((bytes, encoder), ready) = (encoded?, next?);
        Ok((bytes, Some(Self { walk, encoder, ready })))
    }
}

/// Encoding takes longer than a thread that serves others may stand still.
fn encoded<E: SpanEncoder>(
    mut encoder: E,
    work: impl FnOnce(&mut E) -> Result<Bytes, ApiError> + Send + 'static,
) -> impl Future<Output = Result<(Bytes, E), ApiError>> {
    let encoding = web::block(move || work(&mut encoder).map(|bytes| (bytes, encoder)));
    async { encoding.await.map_err(ApiError::internal)? }
}
