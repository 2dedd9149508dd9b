//! Logging in with outside identity providers: OpenID Connect Core 1.0, with the authorization code flow.

mod claims;
mod exchange;
mod failure;
mod flow;
mod http_client;
mod id_token;
mod in_flight;
mod provider;

use std::collections::BTreeMap;
use std::sync::Arc;

use bennu_domain::time::Clock;
use bennu_kit::config::IdentityProvider;

use provider::Provider;

pub use flow::{ApiDoc, routes};
pub use in_flight::is_safe_return_url;

/// Those that the settings name, by their names.
pub struct Providers {
    by_name: BTreeMap<String, Provider>,
}

impl Providers {
    /// Asks none of them anything yet: one that is away must not keep the server from starting.
    pub fn new(settings: &[IdentityProvider], clock: &Arc<dyn Clock>) -> anyhow::Result<Self> {
        let provider = |settings: &IdentityProvider| {
            Ok((settings.name.clone(), Provider::new(settings.clone(), Arc::clone(clock))?))
        };
        let by_name = settings.iter().map(provider).collect::<anyhow::Result<_>>()?;
        Ok(Self { by_name })
    }
}
