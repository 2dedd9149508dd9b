//! `/v1/projects/{project}/spans` and `/v1/spans/{span}`

mod export;
mod listing;
mod otlp_listing;
mod parameters;

use actix_web::{HttpResponse, web};
use bennu_access::Write;
use bennu_kit::http::ApiError;

use crate::caller::Caller;
use crate::identifiers::{find_span, not_found};
use crate::responses::{no_content, store_failed};

#[derive(utoipa::OpenApi)]
#[openapi(paths(
    listing::list_spans,
    otlp_listing::list_otlp_spans,
    export::export_parquet,
    export::export_json_lines,
    delete_span
))]
pub struct ApiDoc;

pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/v1/projects/{project_identifier}/spans").get(listing::list_spans))
        .service(
            web::resource("/v1/projects/{project_identifier}/spans/otlpv1")
                .get(otlp_listing::list_otlp_spans),
        )
        .service(web::resource("/v1/projects/{project_identifier}/spans.parquet").get(export::export_parquet))
        .service(
            web::resource("/v1/projects/{project_identifier}/spans.jsonl").get(export::export_json_lines),
        )
        .service(web::resource("/v1/spans/{span_identifier}").delete(delete_span));
}

/// Deletes one span. Its children stay, as orphans; the last span of a trace takes the trace with it.
#[utoipa::path(
    delete, path = "/v1/spans/{span_identifier}", operation_id = "deleteSpan", tag = "spans",
    params(("span_identifier" = String, Path, description = "GlobalId or OpenTelemetry span id")),
    responses(
        (status = 204),
        (status = 404, body = String, content_type = "text/plain"),
        (status = 409, description = "Several traces have a span with this id", body = String, content_type = "text/plain"),
    )
)]
async fn delete_span(caller: Caller<Write>, identifier: web::Path<String>) -> Result<HttpResponse, ApiError> {
    let row = find_span(caller.store(), &identifier).await?;
    let deleted = caller.store().delete_span(row).await.map_err(store_failed)?;
    if deleted { Ok(no_content()) } else { Err(not_found("span", &identifier)) }
}
