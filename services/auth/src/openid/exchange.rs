//! The two steps of the authorization code flow: to the provider with a request, and back with a code (RFC 6749, section 4.1).

use std::borrow::Cow;
use std::fmt;

use bennu_kit::config::ClientAuthentication;
use oauth2::basic::{
    BasicErrorResponse, BasicRevocationErrorResponse, BasicTokenIntrospectionResponse, BasicTokenType,
};
use oauth2::{
    AuthType, AuthUrl, AuthorizationCode, Client, ClientId, ClientSecret, CsrfToken, EndpointNotSet,
    EndpointSet, ExtraTokenFields, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, RequestTokenError,
    Scope, StandardRevocableToken, StandardTokenResponse, TokenResponse as _, TokenUrl,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::failure::Failure;
use super::id_token::Claims;
use super::provider::{Metadata, Provider};

/// What every log-in asks for; providers tell the address and the name by them.
const SCOPES: [&str; 3] = ["openid", "email", "profile"];

#[derive(Serialize, Deserialize)]
struct IdTokenField {
    id_token: Option<String>,
}

/// Tokens do not belong in logs.
impl fmt::Debug for IdTokenField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IdTokenField(…)")
    }
}

impl ExtraTokenFields for IdTokenField {}

type OpenIdClient = Client<
    BasicErrorResponse,
    StandardTokenResponse<IdTokenField, BasicTokenType>,
    BasicTokenIntrospectionResponse,
    StandardRevocableToken,
    BasicRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointSet,
>;

/// Where a browser is sent, and what it keeps until it comes back.
pub struct Departure {
    pub url: String,
    pub code_verifier: Option<String>,
}

/// What a browser came back with, and what it kept.
pub struct Arrival {
    pub code: String,
    pub nonce: String,
    pub code_verifier: Option<String>,
    pub redirect_uri: String,
}

impl Provider {
    pub async fn send_away(
        &self,
        redirect_uri: &str,
        state: String,
        nonce: String,
    ) -> Result<Departure, Failure> {
        let description = self.description().await?;
        let client = self.client(&description.metadata)?;
        let redirect = redirect_url(redirect_uri)?;
        let more = self.settings.scopes.iter().map(String::as_str).filter(|scope| !SCOPES.contains(scope));
        let mut request = client
            .authorize_url(|| CsrfToken::new(state))
            .set_redirect_uri(Cow::Owned(redirect))
            .add_extra_param("nonce", nonce)
            .add_scopes(SCOPES.into_iter().chain(more).map(|scope| Scope::new(scope.to_owned())));
        let mut code_verifier = None;
        if self.settings.use_pkce {
            let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
            request = request.set_pkce_challenge(challenge);
            code_verifier = Some(verifier.into_secret());
        }
        let (url, _) = request.url();
        Ok(Departure { url: url.into(), code_verifier })
    }

    /// Changes the code for what the provider says about the person.
    pub async fn receive(&self, arrival: Arrival) -> Result<Claims, Failure> {
        let description = self.description().await?;
        let client = self.client(&description.metadata)?;
        let mut request = client
            .exchange_code(AuthorizationCode::new(arrival.code))
            .set_redirect_uri(Cow::Owned(redirect_url(&arrival.redirect_uri)?));
        if self.settings.use_pkce {
            let verifier = arrival.code_verifier.ok_or(Failure::InvalidState)?;
            request = request.set_pkce_verifier(PkceCodeVerifier::new(verifier));
        }
        let send = |request| self.http.send(request);
        let tokens = request.request_async(&send).await.map_err(|error| Failure::Exchange(reason(&error)))?;
        let id_token = tokens.extra_fields().id_token.as_deref().ok_or(Failure::NoIdToken)?;
        let claims = self.claims_of(id_token, &arrival.nonce).await?;
        if self.rules.are_answered_by(&claims) {
            return Ok(claims);
        }
        let endpoint = description.metadata.userinfo_endpoint.as_deref();
        Ok(self.with_user_info(claims, endpoint, tokens.access_token().secret()).await)
    }

    /// Providers keep ID tokens short, and tell groups or the address when they are asked (OpenID Connect Core, section 5.3).
    async fn with_user_info(&self, claims: Claims, endpoint: Option<&str>, access_token: &str) -> Claims {
        let Some(endpoint) = endpoint else { return claims };
        let more: Claims = match self.http.get_json(endpoint, Some(access_token)).await {
            Ok(more) => more,
            Err(error) => {
                tracing::warn!(provider = self.settings.name, %error, "the claims of a person were not told");
                return claims;
            }
        };
        // It could be about somebody else: nothing else ties the answer to the token.
        if more.get("sub").map(Value::to_string) != claims.get("sub").map(Value::to_string) {
            tracing::warn!(provider = self.settings.name, "the claims told are about another person");
            return claims;
        }
        // What is signed counts more.
        more.into_iter().chain(claims).collect()
    }

    fn client(&self, metadata: &Metadata) -> Result<OpenIdClient, Failure> {
        let wrong = |error| Failure::Exchange(format!("its description has a URL that is none: {error}"));
        let auth_type = match self.settings.client_authentication {
            ClientAuthentication::Basic => AuthType::BasicAuth,
            ClientAuthentication::Post | ClientAuthentication::None => AuthType::RequestBody,
        };
        let client = Client::new(ClientId::new(self.settings.client_id.clone()))
            .set_auth_type(auth_type)
            .set_auth_uri(AuthUrl::new(metadata.authorization_endpoint.clone()).map_err(wrong)?)
            .set_token_uri(TokenUrl::new(metadata.token_endpoint.clone()).map_err(wrong)?);
        Ok(match &self.settings.client_secret {
            Some(secret) => client.set_client_secret(ClientSecret::new(secret.reveal().to_owned())),
            None => client,
        })
    }
}

fn redirect_url(url: &str) -> Result<RedirectUrl, Failure> {
    RedirectUrl::new(url.to_owned()).map_err(|_| Failure::InvalidState)
}

/// Without the answer itself, which may have tokens.
fn reason(error: &RequestTokenError<super::http_client::HttpError, BasicErrorResponse>) -> String {
    match error {
        RequestTokenError::Request(error) => error.to_string(),
        RequestTokenError::Parse(error, _) => format!("the answer is not as it should be: {error}"),
        other => other.to_string(),
    }
}
