//! `GET /v1/projects/{project}/spans.parquet` and `…/spans.jsonl`: all spans that match, streamed.
//!
//! A few spans are read, encoded and sent at a time, so that memory does not grow with their number. Reading the next ones
//! goes on while the last ones are encoded.

mod frame;
mod json_lines;
mod parquet_file;
mod walk;

use std::future::Future;
use std::sync::Arc;

use actix_web::http::header::{CONTENT_DISPOSITION, CONTENT_ENCODING, ContentEncoding};
use actix_web::{HttpResponse, web};
use bennu_domain::audit::AuditAction;
use bennu_domain::cost::{CostDetail, PriceBook};
use bennu_domain::filter::Flavour;
use bennu_domain::global_id::Node as _;
use bennu_domain::page::Order;
use bennu_kit::http::{ApiError, QueryString};
use bennu_store::{AuditEntry, SpanPageRequest, SpanSort, StoredSpan};
use bytes::Bytes;
use futures::stream;

use self::json_lines::JsonLines;
use self::parquet_file::ParquetFile;
use self::walk::Walk;
use super::parameters::{FilterParameters, KindParameter};
use crate::caller::Caller;
use crate::conditions::read_condition;
use crate::identifiers::find_project;
use crate::responses::store_failed;

/// Makes the bytes of a file from spans that come some at a time.
trait SpanEncoder: Send + 'static {
    /// What there is to send once these are added, which may be nothing yet.
    fn add(&mut self, spans: Vec<Exported>) -> Result<Bytes, ApiError>;
    /// The end of the file.
    fn finish(&mut self) -> Result<Bytes, ApiError>;
}

/// A span with what its tokens cost by kind.
struct Exported {
    stored: StoredSpan,
    cost_details: Vec<CostDetail>,
}

impl Exported {
    fn new(stored: StoredSpan, prices: &PriceBook) -> Self {
        let cost_details = stored.cost.map(|cost| prices.details(&stored.span, Some(cost)));
        Self { cost_details: cost_details.unwrap_or_default(), stored }
    }
}

/// Which spans, beside the filters of the list.
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct ExportParameters {
    /// Most spans; all if not given
    #[param(value_type = Option<u64>)]
    limit: Option<usize>,
    /// `desc` (latest arrival first) or `asc`
    #[param(value_type = Option<String>)]
    order: Order,
    /// Condition on spans, as data frames have it: `llm.token_count.total > 1000 and 'refund' in input.value`
    filter: Option<String>,
}

impl ExportParameters {
    fn read(query: &mut QueryString) -> Self {
        let limit = query.integer("limit", 1..=i64::MAX).and_then(|limit| usize::try_from(limit).ok());
        let order = query.choice("order", &[("asc", Order::Ascending), ("desc", Order::Descending)]);
        Self { limit, order: order.unwrap_or_default(), filter: query.text("filter") }
    }
}

/// Exports spans of a project as a Parquet file, newest first, with the filters of the list of spans and a condition.
///
/// One row a span: ids, name, kind, times, status, session, user, model, tokens and cost in columns of their own; attributes (flat, under
/// dotted keys) and events as JSON text.
#[utoipa::path(
    get, path = "/v1/projects/{project_identifier}/spans.parquet", operation_id = "exportSpansParquet", tag = "spans",
    params(
        ("project_identifier" = String, Path, description = "GlobalId or name"),
        ExportParameters, FilterParameters, KindParameter,
    ),
    responses(
        (status = 200, body = Vec<u8>, content_type = "application/vnd.apache.parquet"),
        (status = 400, description = "The condition cannot be read", body = String, content_type = "text/plain"),
        (status = 404, body = String, content_type = "text/plain"),
        (status = 422, body = String, content_type = "text/plain"),
    )
)]
pub async fn export_parquet(
    caller: Caller,
    project: web::Path<String>,
    query: QueryString,
) -> Result<HttpResponse, ApiError> {
    let walk = read_walk(caller, &project, query, "parquet").await?;
    let mut response = HttpResponse::Ok();
    // The file is compressed inside.
    response.insert_header((CONTENT_ENCODING, ContentEncoding::Identity));
    response.insert_header((CONTENT_DISPOSITION, "attachment; filename=\"spans.parquet\""));
    response.content_type("application/vnd.apache.parquet");
    Ok(response.streaming(sent(walk, ParquetFile::new()?).await?))
}

/// Exports spans of a project as JSON, one object a line, newest first, with the filters of the list of spans and a condition.
///
/// The objects are those of the list of spans, with `cost` in US dollars (null where no price is known), also by kind of token.
#[utoipa::path(
    get, path = "/v1/projects/{project_identifier}/spans.jsonl", operation_id = "exportSpansJsonLines", tag = "spans",
    params(
        ("project_identifier" = String, Path, description = "GlobalId or name"),
        ExportParameters, FilterParameters, KindParameter,
    ),
    responses(
        (status = 200, body = String, content_type = "application/jsonl"),
        (status = 400, description = "The condition cannot be read", body = String, content_type = "text/plain"),
        (status = 404, body = String, content_type = "text/plain"),
        (status = 422, body = String, content_type = "text/plain"),
    )
)]
pub async fn export_json_lines(
    caller: Caller,
    project: web::Path<String>,
    query: QueryString,
) -> Result<HttpResponse, ApiError> {
    let walk = read_walk(caller, &project, query, "jsonl").await?;
    let mut response = HttpResponse::Ok();
    response.insert_header((CONTENT_DISPOSITION, "attachment; filename=\"spans.jsonl\""));
    response.content_type("application/jsonl");
    Ok(response.streaming(sent(walk, JsonLines).await?))
}

/// The export goes on record before its first span is read.
async fn read_walk(
    caller: Caller,
    project: &str,
    mut query: QueryString,
    format: &str,
) -> Result<Walk, ApiError> {
    let ExportParameters { limit, order, filter: condition } = ExportParameters::read(&mut query);
    let (filter, kind) = (FilterParameters::read(&mut query), KindParameter::read(&mut query));
    query.finish()?;
    let condition = read_condition(Flavour::Span, condition)?;
    let project = find_project(caller.store(), project).await?.id;
    let filter = filter.filter(&kind)?;
    let entry = AuditEntry::new(AuditAction::ExportSpans, project.global_id()).with("format", format);
    caller.store().record(entry.with("limit", limit)).await.map_err(store_failed)?;
    let request =
        SpanPageRequest { project, filter, condition, sort: SpanSort::Id { from: None }, order, limit: 1 };
    Walk::new(caller, request, limit.unwrap_or(usize::MAX)).await
}

/// The first spans are read before the answer begins, so that a failure to read still has a status of its own; one that
/// comes later breaks the connection off.
async fn sent<E: SpanEncoder>(
    mut walk: Walk,
    encoder: E,
) -> Result<impl futures::Stream<Item = Result<Bytes, ApiError>>, ApiError> {
    let (first, prices) = (walk.next().await?, walk.prices().await?);
    let start = Some(Sending { walk, encoder, prices, ready: first });
    Ok(stream::try_unfold(start, |sending| async {
        let Some(sending) = sending else { return Ok(None) };
        sending.next().await.map(Some)
    }))
}

struct Sending<E> {
    walk: Walk,
    encoder: E,
    prices: Arc<PriceBook>,
    /// Read and not yet encoded; empty at the end.
    ready: Vec<StoredSpan>,
}

impl<E: SpanEncoder> Sending<E> {
    async fn next(self) -> Result<(Bytes, Option<Self>), ApiError> {
        let Self { mut walk, encoder, prices, ready } = self;
        if ready.is_empty() {
            let (bytes, _) = encoded(encoder, E::finish).await?;
            return Ok((bytes, None));
        }
        let of_spans = Arc::clone(&prices);
        let encoding = encoded(encoder, move |encoder| {
            encoder.add(ready.into_iter().map(|stored| Exported::new(stored, &of_spans)).collect())
        });
        let (encoded, next) = futures::join!(encoding, walk.next());
        let ((bytes, encoder), ready) = (encoded?, next?);
        Ok((bytes, Some(Self { walk, encoder, prices, ready })))
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
