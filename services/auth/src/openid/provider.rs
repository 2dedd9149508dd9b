//! An identity provider: what it says about itself, and its keys.

use std::sync::Arc;
use std::time::Duration;

use bennu_domain::time::{Clock, Timestamp};
use bennu_kit::config::IdentityProvider;
use jsonwebtoken::jwk::JwkSet;
use moka::future::Cache;
use serde::Deserialize;

use super::claims::ClaimRules;
use super::failure::Failure;
use super::http_client::{HttpClient, HttpError};
use super::id_token::{Claims, Expected, IdTokenError, Trusted, verify};

/// Providers change their keys every few weeks, and publish new ones before they use them.
const DESCRIPTION_LIFE: Duration = Duration::from_hours(1);
/// Forged tokens must not make us ask all the time.
const RELOAD_PAUSE: Duration = Duration::from_mins(1);

pub struct Provider {
    pub settings: IdentityProvider,
    pub rules: ClaimRules,
    pub(super) http: HttpClient,
    pub(super) clock: Arc<dyn Clock>,
    /// One at most; log-ins at the same time wait for the same answer.
    described: Cache<(), Arc<Description>>,
}

/// OpenID Connect Discovery 1.0, section 3, and the keys that it refers to.
pub struct Description {
    pub metadata: Metadata,
    keys: JwkSet,
    read_at: Timestamp,
}

#[derive(Deserialize)]
pub struct Metadata {
    pub issuer: String,
    pub authorization_endpoint: String,
    pub token_endpoint: String,
    pub jwks_uri: String,
    pub userinfo_endpoint: Option<String>,
    #[serde(default)]
    pub id_token_signing_alg_values_supported: Vec<String>,
}

impl Provider {
    pub fn new(settings: IdentityProvider, clock: Arc<dyn Clock>) -> anyhow::Result<Self> {
        let plain = settings.config_url.starts_with("http://");
        let described = Cache::builder().max_capacity(1).time_to_live(DESCRIPTION_LIFE).build();
        let rules = ClaimRules::compile(&settings)?;
        Ok(Self { http: HttpClient::new(plain)?, rules, settings, clock, described })
    }

    pub async fn description(&self) -> Result<Arc<Description>, Failure> {
        let read = self.described.try_get_with((), async {
            let metadata: Metadata = self.http.get_json(&self.settings.config_url, None).await?;
            let keys = self.http.get_json(&metadata.jwks_uri, None).await?;
            Ok(Arc::new(Description { metadata, keys, read_at: self.clock.now() }))
        });
        read.await.map_err(|error: Arc<HttpError>| Failure::Exchange(format!("its description: {error}")))
    }

    /// The claims of a token, by keys that may have changed since they were read.
    pub async fn claims_of(&self, id_token: &str, nonce: &str) -> Result<Claims, Failure> {
        let description = self.description().await?;
        let verified = self.verify(id_token, nonce, &description);
        let may_be_new = self.clock.now() >= description.read_at.after(RELOAD_PAUSE);
        let verified = match verified {
            Err(IdTokenError::UnknownKey) if may_be_new => {
                self.described.invalidate(&()).await;
                self.verify(id_token, nonce, &*self.description().await?)
            }
            other => other,
        };
        verified.map_err(|error| Failure::NotAuthenticated(format!("ID token: {error}")))
    }

    fn verify(&self, token: &str, nonce: &str, description: &Description) -> Result<Claims, IdTokenError> {
        let expected = Expected {
            issuer: &description.metadata.issuer,
            client_id: &self.settings.client_id,
            nonce,
            now: self.clock.now(),
        };
        let secret = self.settings.client_secret.as_ref().map(|secret| secret.reveal().as_bytes());
        let algorithms = &description.metadata.id_token_signing_alg_values_supported;
        verify(token, &Trusted { keys: &description.keys, secret, algorithms }, &expected)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use actix_web::{App, HttpServer, web};
    use bennu_kit::config::{AuthMode, Config};
    use bennu_testkit::clock::ManualClock;
    use serde_json::{Value, json};

    use super::*;

    const NOW: Timestamp = Timestamp(1_800_000_000_000_000);

    /// A provider that may have new keys, and counts how often it is asked for them.
    #[derive(Default)]
    struct Keys {
        has_new: AtomicBool,
        asked: AtomicUsize,
    }

    async fn keys(keys: web::Data<Keys>) -> web::Json<Value> {
        keys.asked.fetch_add(1, Ordering::Relaxed);
        let id = if keys.has_new.load(Ordering::Relaxed) { "new" } else { "old" };
        let key = json!({ "kty": "OKP", "crv": "Ed25519", "x": "8vBiA04Pe-YxV_kBAXRFyFATh26H6IPI2ezgoEgc_-s", "kid": id });
        web::Json(json!({ "keys": [key] }))
    }

    async fn configuration(request: actix_web::HttpRequest) -> web::Json<Value> {
        let url = format!("http://{}", request.connection_info().host());
        web::Json(json!({
            "issuer": url,
            "authorization_endpoint": format!("{url}/authorize"),
            "token_endpoint": format!("{url}/token"),
            "jwks_uri": format!("{url}/keys"),
        }))
    }

    fn provider(url: &str, clock: &ManualClock) -> Provider {
        let given = [
            ("BENNU_WORKING_DIR", "/nowhere"),
            ("BENNU_ENABLE_AUTH", "true"),
            ("BENNU_SECRET", "a-secret-of-the-tests-0123456789-abcdefgh"),
            ("BENNU_OAUTH2_X_CLIENT_ID", "bennu"),
            ("BENNU_OAUTH2_X_CLIENT_SECRET", "hush"),
            ("BENNU_OAUTH2_X_OIDC_CONFIG_URL", url),
        ];
        let vars = given.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let AuthMode::Verify(settings) = Config::from_vars(vars).unwrap().auth.mode else { unreachable!() };
        Provider::new(settings.identity_providers[0].clone(), Arc::new(clock.clone())).unwrap()
    }

    fn unknown(result: Result<Claims, Failure>) -> bool {
        matches!(result, Err(Failure::NotAuthenticated(reason)) if reason.contains("does not publish"))
    }

    #[actix_web::test]
    async fn keys_are_kept_and_read_anew_for_a_token_by_an_unknown_one_once_a_minute() {
        let held = web::Data::new(Keys::default());
        let data = held.clone();
        let app = move || {
            App::new()
                .app_data(data.clone())
                .route("/keys", web::get().to(keys))
                .route("/configuration", web::get().to(configuration))
        };
        let server = HttpServer::new(app).workers(1).bind(("127.0.0.1", 0)).unwrap();
        let url = format!("http://{}", server.addrs()[0]);
        let running = server.run();
        let handle = running.handle();
        tokio::spawn(running);
        let clock = ManualClock::at(NOW);
        let provider = provider(&format!("{url}/configuration"), &clock);
        let token = |id: &str| {
            let header = jsonwebtoken::Header {
                kid: Some(id.to_owned()),
                ..jsonwebtoken::Header::new(jsonwebtoken::Algorithm::EdDSA)
            };
            let claims =
                json!({ "iss": url, "aud": "bennu", "sub": "7", "nonce": "n", "exp": 1_800_001_000 });
            let private = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIHLEp5BabpEsUEEGTOMfxPKyUm9Uu+QiecLzNblqO/K1\n-----END PRIVATE KEY-----\n";
            let key = jsonwebtoken::EncodingKey::from_ed_pem(private.as_bytes()).unwrap();
            jsonwebtoken::encode(&header, &claims, &key).unwrap()
        };
        for _ in 0..3 {
            assert!(provider.claims_of(&token("old"), "n").await.is_ok());
        }
        held.has_new.store(true, Ordering::Relaxed);
        assert!(unknown(provider.claims_of(&token("new"), "n").await), "they were read a moment ago");
        assert_eq!(held.asked.load(Ordering::Relaxed), 1);
        clock.advance(RELOAD_PAUSE);
        assert!(provider.claims_of(&token("new"), "n").await.is_ok());
        assert!(unknown(provider.claims_of(&token("old"), "n").await));
        assert_eq!(held.asked.load(Ordering::Relaxed), 2);
        handle.stop(false).await;
    }
}
