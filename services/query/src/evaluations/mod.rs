//! `/v1/evaluations`: annotations in and out for older clients, as protobuf messages and pandas data frames.

mod arrow_reader;
mod arrow_writer;
mod export;
mod frame;
mod intake;
mod protobuf;

use actix_web::web;

#[derive(utoipa::OpenApi)]
#[openapi(paths(export::get_evaluations, intake::add_evaluations))]
pub struct ApiDoc;

pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/v1/evaluations").get(export::get_evaluations).post(intake::add_evaluations));
}
