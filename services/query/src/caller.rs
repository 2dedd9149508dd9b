//! Who calls a handler: an argument of this type opens the caller's tenant, and nothing else does.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, web};
use bennu_access::{Principal, TenantScope};
use bennu_kit::http::ApiError;
use bennu_store::{ScopedStore, Store};

/// The verified caller with the store.
pub struct Caller {
    scope: TenantScope,
    store: web::Data<Store>,
}

impl Caller {
    /// The data that the caller may see.
    pub fn store(&self) -> ScopedStore<'_> {
        self.store.scoped(&self.scope)
    }

    /// For what carries the caller's tenant elsewhere.
    pub fn scope(&self) -> &TenantScope {
        &self.scope
    }
}

impl FromRequest for Caller {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let missing = || ApiError::internal("the application data holds no store");
        let store = request.app_data::<web::Data<Store>>().cloned().ok_or_else(missing);
        let scope = TenantScope::from(&Principal::of_open_deployment());
        ready(store.map(|store| Self { scope, store }))
    }
}
