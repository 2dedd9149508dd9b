//! A caller who may do what a handler does: the type of the argument is the rule.

use std::future::{Ready, ready};
use std::marker::PhantomData;
use std::net::IpAddr;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpMessage as _, HttpRequest};
use bennu_access::{Actor, Permission, Principal, Refusal, Rule, TenantScope};

use super::ApiError;

/// The path parameter that names a project.
const PROJECT: &str = "project_identifier";

/// The verified caller of a handler, who has the permission that the rule names.
#[derive(Debug, Clone)]
pub struct Authorized<R> {
    principal: Principal,
    address: Option<IpAddr>,
    rule: PhantomData<R>,
}

impl<R> Authorized<R> {
    pub fn principal(&self) -> &Principal {
        &self.principal
    }

    /// Who goes on record for what the handler changes.
    pub fn actor(&self) -> Actor {
        Actor::of(&self.principal, self.address)
    }

    /// The data that the caller may reach.
    pub fn scope(&self) -> TenantScope {
        TenantScope::from(&self.principal)
    }
}

impl<R: Rule> FromRequest for Authorized<R> {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let address = request.peer_addr().map(|peer| peer.ip());
        let authorized = authorized(request, R::PERMISSION);
        ready(authorized.map(|principal| Self { principal, address, rule: PhantomData }))
    }
}

fn authorized(request: &HttpRequest, permission: Permission) -> Result<Principal, ApiError> {
    let extensions = request.extensions();
    let missing = || ApiError::internal("a route outside of what is authenticated asks for a caller");
    let principal = extensions.get::<Principal>().ok_or_else(missing)?;
    principal.allow(permission)?;
    // Spans of a restricted key go to its project whatever they name, and an account is in no project.
    if !matches!(permission, Permission::Ingest | Permission::Own | Permission::ManagePlatform) {
        principal.allow_project(request.match_info().get(PROJECT))?;
    }
    Ok(principal.clone())
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        Self::Forbidden(refusal.to_string())
    }
}
