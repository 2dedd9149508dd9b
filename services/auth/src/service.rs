//! What the routes share, and its life.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use bennu_access::{
    CachedCredentials, CredentialLookup, CredentialName, OpenDeployment, PasswordHasher, SigningKeys,
};
use bennu_domain::ids::TenantId;
use bennu_domain::time::{Clock, SystemClock, Timestamp};
use bennu_kit::config::{AuthMode, AuthorizationServerSettings, Credentials, RootPath};
use bennu_kit::http::ApiError;
use bennu_process::{Process, keep_revoking, open_log_in_counts};
use bennu_queue::{Event, Events, What};
use bennu_store::{Directory, Store};
use tokio::task::JoinHandle;

use crate::bootstrap::bootstrap;
use crate::housekeeping::keep_house;
use crate::key_use::KeyUse;
use crate::ldap::LdapDirectory;
use crate::mail::{MailRoute, Outbox, Postman};
use crate::openid::Providers;
use crate::site::Site;
use crate::throttle::Throttle;
use crate::usage::{Counted, counted};
use crate::verify::StoreCredentials;

/// What the routes share. Cheap to clone.
#[derive(Clone)]
pub struct AuthState {
    pub(crate) store: Store,
    pub(crate) events: Arc<dyn Events>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) counted: Counted,
    /// None where authentication is off.
    pub(crate) verifying: Option<Arc<Verifying>>,
}

/// What only a process has that verifies credentials.
pub(crate) struct Verifying {
    pub settings: Credentials,
    pub keys: SigningKeys,
    pub passwords: PasswordHasher,
    pub throttle: Throttle,
    pub root_path: RootPath,
    pub site: Site,
    /// None where no mail is sent.
    pub outbox: Option<Outbox>,
    pub cache: CachedCredentials,
    pub providers: Providers,
    pub directory: Option<LdapDirectory>,
    /// None where no program gets tokens.
    pub authorization_server: Option<AuthorizationServerSettings>,
}

/// The running parts.
pub struct Auth {
    pub state: AuthState,
    pub lookup: Arc<dyn CredentialLookup>,
    background: Vec<JoinHandle<()>>,
}

impl Auth {
    /// Makes the first accounts, and starts to verify credentials if authentication is on.
    pub async fn start(process: &Process, store: &Store, events: Arc<dyn Events>) -> anyhow::Result<Self> {
        let (config, shutdown) = (&process.config, &process.shutdown);
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let AuthMode::Verify(settings) = &config.auth.mode else {
            let state =
                AuthState { store: store.clone(), events, clock, counted: counted(), verifying: None };
            let background = vec![keep_house(state.clone(), config.limits_check, shutdown.clone())];
            return Ok(Self { state, lookup: Arc::new(OpenDeployment), background });
        };
        let settings = Credentials::clone(settings);
        let keys = signing_keys(&settings)?;
        let passwords = PasswordHasher::new(settings.passwords.cost).context("BENNU_PASSWORD_MEMORY_KIB")?;
        bootstrap(store, &settings, &passwords).await?;
        let key_use = KeyUse::default();
        let verifier = StoreCredentials {
            store: store.clone(),
            secrets: [&settings.secret].into_iter().chain(&settings.previous_secrets).cloned().collect(),
            admin_secret: settings.admin_secret.clone(),
            keys: keys.clone(),
            clock: Arc::clone(&clock),
            key_use: key_use.clone(),
        };
        let cache = CachedCredentials::new(Arc::new(verifier));
        let (counts, proxies) = (open_log_in_counts(config).await?, config.auth.trusted_proxies);
        let throttle = Throttle::new(counts, settings.rate_limit, settings.login_attempts, proxies);
        let mut background = vec![
            key_use.keep_storing(store.clone(), shutdown.clone()),
            keep_revoking(cache.clone(), &events, shutdown.clone()).await,
        ];
        let (root_path, site) = (config.root_path.clone(), Site::new(config));
        let outbox = match &settings.smtp {
            None => None,
            Some(smtp) => {
                let postman = Postman {
                    store: store.clone(),
                    keys: keys.clone(),
                    clock: Arc::clone(&clock),
                    reset_life: settings.reset_token_life,
                    route: MailRoute::new(smtp)?,
                    metrics: process.metrics.mail.clone(),
                };
                let (outbox, working) = Outbox::open(postman, shutdown.clone());
                background.push(working);
                Some(outbox)
            }
        };
        let providers = Providers::new(&settings.identity_providers, &clock)?;
        let directory = settings.ldap.clone().map(LdapDirectory::new).transpose()?;
        let verifying = Verifying {
            settings,
            keys,
            passwords,
            throttle,
            root_path,
            site,
            outbox,
            cache: cache.clone(),
            providers,
            directory,
            authorization_server: config.auth.authorization_server.clone(),
        };
        let state = AuthState {
            store: store.clone(),
            events,
            clock,
            counted: counted(),
            verifying: Some(Arc::new(verifying)),
        };
        background.push(keep_house(state.clone(), config.limits_check, shutdown.clone()));
        Ok(Self { state, lookup: Arc::new(cache), background })
    }

    /// Waits for what ends with the process.
    pub async fn end(self) -> anyhow::Result<()> {
        for task in self.background {
            task.await?;
        }
        Ok(())
    }
}

impl AuthState {
    pub fn is_enabled(&self) -> bool {
        self.verifying.is_some()
    }

    /// Whether programs may ask people to let them act.
    pub fn authorizes_clients(&self) -> bool {
        self.verifying.as_ref().is_some_and(|verifying| verifying.authorization_server.is_some())
    }

    /// Much about accounts means nothing where everybody may do everything.
    pub(crate) fn verifying(&self) -> Result<&Verifying, ApiError> {
        let off = || ApiError::Forbidden("Authentication is switched off.".to_owned());
        self.verifying.as_deref().ok_or_else(off)
    }

    pub(crate) fn directory(&self) -> Directory<'_> {
        self.store.directory("accounts are managed")
    }

    pub(crate) fn after(&self, life: Duration) -> Timestamp {
        self.clock.now().after(life)
    }

    /// Makes every service forget what depends on a credential. This process does at once.
    pub(crate) async fn revoke(&self, tenant: TenantId, name: CredentialName) {
        if let Some(verifying) = &self.verifying {
            verifying.cache.revoke(tenant, name.clone());
        }
        self.events.publish(Event { tenant, what: What::CredentialRevoked(name.to_string()) }).await;
    }

    /// The same for what is in no tenant: a log-in or an account.
    pub(crate) async fn revoke_everywhere(&self, name: CredentialName) {
        self.revoke(TenantId::DEFAULT, name).await;
    }
}

const PUBLIC: &str = "BENNU_TOKEN_PUBLIC_KEY_FILES";

fn signing_keys(settings: &Credentials) -> anyhow::Result<SigningKeys> {
    let mut keys = SigningKeys::symmetric(&settings.secret, &settings.previous_secrets);
    let read = |path: &std::path::Path, variable: &'static str| {
        std::fs::read_to_string(path).with_context(|| format!("{variable}: cannot read {}", path.display()))
    };
    for (position, path) in settings.token_public_keys.iter().enumerate() {
        let public = read(path, PUBLIC)?;
        keys = match &settings.token_private_key {
            Some(private) if position == 0 => {
                let private = read(private, "BENNU_TOKEN_PRIVATE_KEY_FILE")?;
                keys.signing_with(&private, &public).context("BENNU_TOKEN_PRIVATE_KEY_FILE")?
            }
            _ => keys.accepting(&public).context(PUBLIC)?,
        };
    }
    Ok(keys)
}
