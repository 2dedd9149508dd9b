//! Annotations and notes of spans, traces, sessions and documents.
//!
//! The four kinds differ in their ids only: a handler names its kind, and one function does the work for all.

mod annotate;
mod bodies;
mod configs;
mod deletion;
mod failed;
mod listing;
mod notes;
mod project_configs;
mod queued;
mod receipts;
mod summaries;

use actix_web::web::{self, ServiceConfig};
pub use queued::{RECEIPT_HEADER, queue};
use utoipa::OpenApi as _;

#[derive(utoipa::OpenApi)]
#[openapi(paths(
    annotate::annotate_spans,
    annotate::annotate_traces,
    annotate::annotate_sessions,
    annotate::annotate_documents,
    notes::create_span_note,
    notes::create_trace_note,
    notes::create_session_note,
    listing::list_span_annotations,
    listing::list_trace_annotations,
    listing::list_session_annotations,
    deletion::delete_span_annotations,
    deletion::delete_trace_annotations,
    deletion::delete_session_annotations,
    summaries::summarize_annotations,
    receipts::get_receipt,
    failed::list_failed,
    failed::replay_failed,
    failed::drop_failed,
))]
struct OwnDoc;

pub fn routes(config: &mut ServiceConfig) {
    config
        .service(web::resource("/v1/span_annotations").post(annotate::annotate_spans))
        .service(web::resource("/v1/trace_annotations").post(annotate::annotate_traces))
        .service(web::resource("/v1/session_annotations").post(annotate::annotate_sessions))
        .service(web::resource("/v1/document_annotations").post(annotate::annotate_documents))
        .service(web::resource("/v1/span_notes").post(notes::create_span_note))
        .service(web::resource("/v1/trace_notes").post(notes::create_trace_note))
        .service(web::resource("/v1/session_notes").post(notes::create_session_note))
        .service(
            web::resource("/v1/projects/{project_identifier}/span_annotations")
                .get(listing::list_span_annotations)
                .delete(deletion::delete_span_annotations),
        )
        .service(
            web::resource("/v1/projects/{project_identifier}/trace_annotations")
                .get(listing::list_trace_annotations)
                .delete(deletion::delete_trace_annotations),
        )
        .service(
            web::resource("/v1/projects/{project_identifier}/session_annotations")
                .get(listing::list_session_annotations)
                .delete(deletion::delete_session_annotations),
        )
        .service(
            web::resource("/v1/projects/{project_identifier}/annotation_summaries")
                .get(summaries::summarize_annotations),
        );
    config
        .service(web::resource("/v1/receipts/{receipt}").get(receipts::get_receipt))
        .service(web::resource("/v1/annotations/failed").get(failed::list_failed).delete(failed::drop_failed))
        .service(web::resource("/v1/annotations/failed/replay").post(failed::replay_failed));
    configs::routes(config);
    project_configs::routes(config);
}

pub fn api_doc() -> utoipa::openapi::OpenApi {
    let mut document = OwnDoc::openapi();
    document.merge(configs::ApiDoc::openapi());
    document.merge(project_configs::ApiDoc::openapi());
    document
}
