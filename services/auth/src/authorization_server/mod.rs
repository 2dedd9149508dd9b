//! Programs that act for people: an authorization server (OAuth 2.0, RFC 6749) for programs that can keep no secret, which prove
//! themselves by PKCE (RFC 7636).
//!
//! A person lets a program act in a browser where they are logged in; the program gets a code, and changes it for a log-in of its
//! own, whose tokens rotate as those of browsers do.

mod authorize;
mod client;
mod consent;
mod decision;
mod error;
mod metadata;
mod place;
mod redirect_uri;
mod registration;
mod request;
mod revocation;
mod token;

use actix_web::web;
use utoipa::OpenApi as _;

/// A code travels through a browser, at once. RFC 6749 allows ten minutes.
const CODE_LIFE: std::time::Duration = std::time::Duration::from_mins(5);

/// Adds the routes; where it is switched off there are none, which tells programs to ask for an API key.
pub fn routes(config: &mut web::ServiceConfig) {
    metadata::routes(config);
    registration::routes(config);
    authorize::routes(config);
    decision::routes(config);
    token::routes(config);
    revocation::routes(config);
}

pub fn api_doc() -> utoipa::openapi::OpenApi {
    let mut document = metadata::ApiDoc::openapi();
    document.merge(registration::ApiDoc::openapi());
    document.merge(authorize::ApiDoc::openapi());
    document.merge(decision::ApiDoc::openapi());
    document.merge(token::ApiDoc::openapi());
    document.merge(revocation::ApiDoc::openapi());
    document
}
