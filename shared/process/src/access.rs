//! Who may call a process: by its own knowledge, or by that of the service that verifies credentials.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use bennu_access::{CachedCredentials, CredentialLookup, CredentialName};
use bennu_kit::config::{AuthMode, Config, ConfigError};
use bennu_kit::http::{Access, TokensFrom};
use bennu_kit::lifecycle::Shutdown;
use bennu_queue::{Events, What};
use tokio::task::JoinHandle;

use crate::introspection::RemoteCredentials;

/// Pause before events are listened to again.
const LISTEN_AGAIN: Duration = Duration::from_secs(1);

/// How callers are verified by a service that leaves that to another.
pub async fn remote_access(
    config: &Config,
    events: &Arc<dyn Events>,
    shutdown: &Shutdown,
) -> anyhow::Result<Access> {
    match &config.auth.mode {
        AuthMode::Off => Ok(Access::open()),
        AuthMode::Ask(url) => {
            let remote = RemoteCredentials::connect(url).context("BENNU_AUTH_URL")?;
            let cache = CachedCredentials::new(Arc::new(remote));
            // It ends with the process, by the same signal.
            drop(keep_revoking(cache.clone(), events, shutdown.clone()).await);
            Ok(access(config, Arc::new(cache)))
        }
        AuthMode::Verify(_) => {
            let expected =
                "with BENNU_ENABLE_AUTH, http://host:port of the gRPC port of bennu-auth".to_owned();
            Err(ConfigError::Missing { name: "BENNU_AUTH_URL", expected }.into())
        }
    }
}

/// The look-up with what the configuration says about browsers.
pub fn access(config: &Config, lookup: Arc<dyn CredentialLookup>) -> Access {
    let tokens_from = match (&config.auth.authorization_server, &config.auth.root_url) {
        (None, _) => TokensFrom::Nowhere,
        (Some(_), Some(url)) => TokensFrom::Url(url.clone()),
        (Some(_), None) => TokensFrom::AskedAddress,
    };
    Access::new(lookup, config.auth.trusted_origins.clone()).telling(tokens_from)
}

/// Makes a cache forget what other processes revoke, until the end.
pub async fn keep_revoking(
    cache: CachedCredentials,
    events: &Arc<dyn Events>,
    shutdown: Shutdown,
) -> JoinHandle<()> {
    let mut news = events.subscribe().await;
    let events = Arc::clone(events);
    tokio::spawn(async move {
        loop {
            let event = tokio::select! {
                _ = shutdown.fired() => return,
                event = news.next() => event,
            };
            let Some(event) = event else {
                // What was revoked meanwhile was not heard of.
                cache.forget();
                tokio::time::sleep(LISTEN_AGAIN).await;
                news = events.subscribe().await;
                continue;
            };
            if let What::CredentialRevoked(name) = event.what {
                match name.parse::<CredentialName>() {
                    Ok(name) => cache.revoke(event.tenant, name),
                    Err(_) => cache.forget(),
                }
            }
        }
    })
}
