//! The OpenAPI document of everything this process serves, generated from the handlers.

use actix_web::{HttpResponse, web};
use bennu_ingest::receive;
use utoipa::OpenApi;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Bennu REST API",
        description = "A trace store for LLM applications; the paths and bodies are those of Phoenix.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    tags(
        (name = "ingest", description = "Spans in, over OTLP"),
        (name = "projects", description = "Groups of traces"),
        (name = "spans", description = "Spans out"),
        (name = "traces", description = "Traces out"),
        (name = "sessions", description = "Conversations of several traces"),
        (name = "models", description = "What language models cost"),
        (name = "annotations", description = "Judgements about spans, traces, sessions and documents"),
        (name = "auth", description = "Logging in"),
        (name = "oauth2", description = "Programs that act for people"),
        (name = "users", description = "Who is calling, and the members of the tenant"),
        (name = "api_keys", description = "What programs call with"),
        (name = "tenants", description = "The tenants of a person, and invitations"),
        (name = "platform", description = "The customers of the deployment, for those who run it"),
        (name = "annotation_configs", description = "How people are asked for annotations"),
        (name = "audit", description = "Who did what, when, from where"),
    )
)]
struct Base;

/// The document as indented JSON.
pub fn text() -> String {
    let mut document = Base::openapi();
    document.merge(receive::api_doc());
    document.merge(bennu_query::api_doc());
    document.merge(bennu_auth::api_doc());
    document.to_pretty_json().unwrap_or_default()
}

pub(crate) fn routes(config: &mut web::ServiceConfig) {
    let document = web::Data::new(text());
    config.service(web::resource("/openapi.json").app_data(document).get(serve_document));
}

async fn serve_document(document: web::Data<String>) -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(document.get_ref().clone())
}
