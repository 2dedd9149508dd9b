//! Accounts: logging in, users, API keys, tenants and invitations; and finding out who a credential belongs to.

mod address;
mod api_keys;
mod authorization_server;
mod bootstrap;
mod cookies;
mod housekeeping;
mod introspection;
mod invitations;
mod key_use;
mod ldap;
mod log_in;
mod log_in_methods;
mod log_in_page;
mod mail;
mod memberships;
mod openid;
mod outside_accounts;
mod page;
mod password_reset;
mod responses;
mod service;
mod site;
mod tenants;
mod throttle;
mod tokens;
mod usage;
mod users;
mod verify;

use actix_web::web::ServiceConfig;
use utoipa::OpenApi as _;

pub use introspection::{IntrospectionService, serve_grpc};
pub use service::{Auth, AuthState};
pub use verify::StoreCredentials;

/// Adds the routes; the application data holds an [`AuthState`] and a [`bennu_store::Store`].
pub fn routes(state: &AuthState) -> impl Fn(&mut ServiceConfig) + use<> {
    let mounts_log_in = state.is_enabled();
    let mounts_authorization = state.authorizes_clients();
    move |config| {
        // Before the users, of which it could be one by its path.
        api_keys::routes(config);
        users::routes(config);
        password_reset::member_routes(config);
        invitations::routes(config);
        memberships::routes(config);
        tenants::routes(config);
        usage::routes(config);
        if mounts_log_in {
            log_in::routes(config);
            ldap::routes(config);
            log_in_methods::routes(config);
            openid::routes(config);
            password_reset::routes(config);
            log_in_page::routes(config);
        }
        if mounts_authorization {
            authorization_server::routes(config);
        }
    }
}

/// The part of the API document that this service serves.
pub fn api_doc() -> utoipa::openapi::OpenApi {
    let mut document = users::ApiDoc::openapi();
    document.merge(api_keys::ApiDoc::openapi());
    document.merge(invitations::ApiDoc::openapi());
    document.merge(memberships::ApiDoc::openapi());
    document.merge(tenants::ApiDoc::openapi());
    document.merge(usage::ApiDoc::openapi());
    document.merge(log_in::ApiDoc::openapi());
    document.merge(ldap::ApiDoc::openapi());
    document.merge(log_in_methods::ApiDoc::openapi());
    document.merge(openid::ApiDoc::openapi());
    document.merge(password_reset::ApiDoc::openapi());
    document.merge(authorization_server::api_doc());
    document
}
