//! The REST API: projects, spans, traces and sessions, read and deleted; annotations, in and out; the audit log.

mod annotations;
mod audit;
mod caller;
mod conditions;
mod evaluations;
mod frames;
pub mod home;
mod identifiers;
mod models;
mod projects;
mod responses;
mod sessions;
mod spans;
mod traces;

use actix_web::web::ServiceConfig;
use utoipa::OpenApi as _;

/// Adds the routes; the application data holds a [`bennu_store::Store`], and the queue of annotations as a
/// `dyn` [`bennu_queue::AnnotationJobs`].
pub fn routes(config: &mut ServiceConfig) {
    projects::routes(config);
    spans::routes(config);
    config.service(frames::resource());
    traces::routes(config);
    sessions::routes(config);
    models::routes(config);
    annotations::routes(config);
    evaluations::routes(config);
    audit::routes(config);
}

/// The part of the API document that this service serves.
pub fn api_doc() -> utoipa::openapi::OpenApi {
    let mut document = projects::ApiDoc::openapi();
    document.merge(spans::ApiDoc::openapi());
    document.merge(frames::ApiDoc::openapi());
    document.merge(traces::ApiDoc::openapi());
    document.merge(sessions::ApiDoc::openapi());
    document.merge(models::ApiDoc::openapi());
    document.merge(annotations::api_doc());
    document.merge(evaluations::ApiDoc::openapi());
    document.merge(audit::ApiDoc::openapi());
    document
}
