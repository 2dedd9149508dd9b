//! Where a request came in: at the root, for the first tenant, or below `/s/{slug}`, for that one.

use actix_web::{HttpMessage as _, HttpRequest};
use bennu_domain::ids::TenantId;
use bennu_kit::config::AuthorizationServerSettings;
use bennu_kit::http::{ApiError, ChosenTenant};
use bennu_store::Tenant;

use crate::responses::store_failed;
use crate::service::{AuthState, Verifying};

/// Each tenant has an authorization server of its own, by its address.
pub struct Place<'a> {
    pub verifying: &'a Verifying,
    pub settings: &'a AuthorizationServerSettings,
    /// Whose programs are known here.
    pub tenant: Tenant,
    /// Of the path.
    slug: Option<String>,
    /// Without a slash at the end.
    site: String,
}

impl<'a> Place<'a> {
    pub async fn of(state: &'a AuthState, request: &HttpRequest) -> Result<Place<'a>, ApiError> {
        let slug = request.extensions().get::<ChosenTenant>().map(|chosen| chosen.0.clone());
        Self::named(state, request, slug).await
    }

    /// The same, of a tenant that is named elsewhere in the path.
    pub async fn named(
        state: &'a AuthState,
        request: &HttpRequest,
        slug: Option<String>,
    ) -> Result<Place<'a>, ApiError> {
        let missing = || ApiError::NotFound("Not Found".to_owned());
        let verifying = state.verifying()?;
        let settings = verifying.authorization_server.as_ref().ok_or_else(missing)?;
        let found = match &slug {
            None => state.directory().tenant(TenantId::DEFAULT).await,
            Some(slug) => state.directory().tenant_named(slug).await,
        };
        let tenant = found.map_err(store_failed)?.ok_or_else(missing)?;
        Ok(Self { verifying, settings, tenant, slug, site: verifying.site.for_browser(request) })
    }

    /// The address of this authorization server, by which it is known (RFC 8414, section 2); also that of what its tokens open.
    pub fn issuer(&self) -> String {
        format!("{}{}", self.site, self.below())
    }

    /// A path of this place, as browsers go to it.
    pub fn path(&self, path: &str) -> String {
        format!("{}{}{path}", self.verifying.root_path, self.below())
    }

    /// The tenant, if the path names one: what is of another is not known here.
    pub fn only_tenant(&self) -> Option<TenantId> {
        self.slug.as_ref().map(|_| self.tenant.id)
    }

    /// Whether an address is this server's or below it (RFC 8707).
    pub fn has(&self, resource: &str) -> bool {
        let rest = resource.strip_prefix(&self.issuer());
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// `/s/{slug}`, or nothing at the root.
    pub fn below(&self) -> String {
        self.slug.as_ref().map(|slug| format!("/s/{slug}")).unwrap_or_default()
    }
}
