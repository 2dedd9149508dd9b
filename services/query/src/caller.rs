//! Who calls a handler: an argument of this type opens the caller's tenant, and nothing else does.

use std::future::{Ready, ready};
use std::marker::PhantomData;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, web};
use bennu_access::{Actor, Permission, Read, Rule, TenantScope};
use bennu_domain::ids::UserId;
use bennu_kit::http::{ApiError, Authorized};
use bennu_store::{ScopedStore, Store};

/// The verified caller with the store, allowed what the rule names.
pub struct Caller<R = Read> {
    scope: TenantScope,
    actor: Actor,
    user: Option<UserId>,
    administers: bool,
    store: web::Data<Store>,
    rule: PhantomData<R>,
}

/// Whose annotations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    Everybodys,
    Own(UserId),
}

impl Whose {
    /// The one account; `None` if it does not matter.
    pub fn account(self) -> Option<UserId> {
        match self {
            Self::Everybodys => None,
            Self::Own(user) => Some(user),
        }
    }
}

impl<R: Rule> Caller<R> {
    /// The data that the caller may see; changes go on record in the caller's name. Who only reads is served by the replica, if
    /// there is one.
    pub fn store(&self) -> ScopedStore<'_> {
        let store = self.store.scoped(&self.scope).by(&self.actor);
        match R::PERMISSION {
            Permission::Read | Permission::Query => store.lagging(),
            _ => store,
        }
    }

    /// The account whose name stands on what the caller adds; nobody has one where authentication is off.
    pub fn user(&self) -> Option<UserId> {
        self.user
    }

    /// Whose annotations the caller may delete: administrators those of everybody, others their own; `None` if nobody's.
    pub fn may_delete(&self) -> Option<Whose> {
        if self.administers { Some(Whose::Everybodys) } else { self.user.map(Whose::Own) }
    }

    /// For what carries the caller's tenant elsewhere.
    pub fn scope(&self) -> &TenantScope {
        &self.scope
    }
}

impl<R: Rule> FromRequest for Caller<R> {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let authorized = Authorized::<R>::from_request(request, payload).into_inner();
        let missing = || ApiError::internal("the application data holds no store");
        let store = request.app_data::<web::Data<Store>>().cloned().ok_or_else(missing);
        ready(authorized.and_then(|caller| {
            let (scope, actor, principal) = (caller.scope(), caller.actor(), caller.principal());
            let (user, administers) =
                (principal.parts().user, principal.allow(Permission::Administer).is_ok());
            Ok(Self { scope, actor, user, administers, store: store?, rule: PhantomData })
        }))
    }
}
