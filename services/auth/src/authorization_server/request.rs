//! What a program asks a person for, by way of their browser (RFC 6749, section 4.1.1, and RFC 7636, section 4.3).

use bennu_kit::http::ApiError;
use oauth2::url::form_urlencoded;
use serde::Deserialize;

use super::client::Client;
use super::place::Place;
use super::redirect_uri::RedirectUri;
use crate::service::AuthState;

/// A hash in Base64 (RFC 7636, section 4.2).
const CHALLENGE_LENGTH: usize = 43;
/// Comes back as it was sent.
const LONGEST_STATE: usize = 1_024;

/// The parameters as they came. Scopes are taken and mean nothing yet: a program may what the person may.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Parameters {
    pub client_id: Option<String>,
    pub redirect_uri: Option<String>,
    pub response_type: Option<String>,
    pub state: Option<String>,
    pub code_challenge: Option<String>,
    pub code_challenge_method: Option<String>,
    pub scope: Option<String>,
    pub resource: Option<String>,
}

impl Parameters {
    /// Those that are there, by their names.
    pub fn fields(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let all = [
            ("client_id", &self.client_id),
            ("redirect_uri", &self.redirect_uri),
            ("response_type", &self.response_type),
            ("state", &self.state),
            ("code_challenge", &self.code_challenge),
            ("code_challenge_method", &self.code_challenge_method),
            ("scope", &self.scope),
            ("resource", &self.resource),
        ];
        all.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?)))
    }

    /// As the query of a URL, whatever they came as, with more behind them.
    pub fn as_query(&self, more: &[(&str, &str)]) -> String {
        form_urlencoded::Serializer::new(String::new())
            .extend_pairs(self.fields())
            .extend_pairs(more)
            .finish()
    }
}

/// A request that can be put before the person.
pub struct AuthorizationRequest {
    pub client: Client,
    pub reply: Reply,
    pub code_challenge: String,
}

/// Where the program waits for an answer.
pub struct Reply {
    pub to: RedirectUri,
    state: Option<String>,
}

/// Why a request is not put before anybody.
pub enum Refusal {
    /// It may not come from the program: nothing is sent to where it says.
    Shown(&'static str),
    /// The program is told.
    Sent(Reply, &'static str, &'static str),
    Internal(ApiError),
}

impl From<ApiError> for Refusal {
    fn from(error: ApiError) -> Self {
        Self::Internal(error)
    }
}

impl Reply {
    pub fn code(&self, code: &str) -> String {
        self.to.with(&self.parameters(&[("code", code)]))
    }

    pub fn error(&self, error: &str, description: &str) -> String {
        self.to.with(&self.parameters(&[("error", error), ("error_description", description)]))
    }

    fn parameters<'a>(&'a self, own: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
        own.iter().copied().chain(self.state.as_deref().map(|state| ("state", state))).collect()
    }
}

impl AuthorizationRequest {
    pub async fn read(state: &AuthState, place: &Place<'_>, parameters: Parameters) -> Result<Self, Refusal> {
        let id = parameters.client_id.as_deref().unwrap_or_default();
        let client = Client::find(state, place, id).await?;
        let client = client.ok_or(Refusal::Shown("The program that sent you here is not known."))?;
        let to = parameters.redirect_uri.as_deref().and_then(RedirectUri::parse).filter(|uri| {
            uri.is_among(&client.redirect_uris)
                && (client.is_first_party || uri.is_allowed(&place.settings.redirects))
        });
        let to = to
            .ok_or(Refusal::Shown("The address that you would be sent back to is not one of the program."))?;
        let is_short = |state: &String| state.len() <= LONGEST_STATE;
        if !parameters.state.as_ref().is_none_or(is_short) {
            let reply = Reply { to, state: None };
            return Err(Refusal::Sent(reply, "invalid_request", "state: at most 1024 bytes are taken"));
        }
        let reply = Reply { to, state: parameters.state.clone() };
        if let Some((error, description)) = mistake(place, &parameters) {
            return Err(Refusal::Sent(reply, error, description));
        }
        let code_challenge = parameters.code_challenge.unwrap_or_default();
        Ok(Self { client, reply, code_challenge })
    }
}

/// The first thing that is wrong.
fn mistake(place: &Place<'_>, parameters: &Parameters) -> Option<(&'static str, &'static str)> {
    match parameters.response_type.as_deref() {
        Some("code") => {}
        None => return Some(("invalid_request", "response_type is missing")),
        Some(_) => return Some(("unsupported_response_type", "response_type: expected code")),
    }
    // Without a method the challenge would be the secret itself (RFC 7636, section 4.3).
    if parameters.code_challenge_method.as_deref() != Some("S256") {
        return Some(("invalid_request", "code_challenge_method: expected S256"));
    }
    let is_challenge = |text: &str| {
        text.len() == CHALLENGE_LENGTH
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    if !parameters.code_challenge.as_deref().is_some_and(is_challenge) {
        return Some(("invalid_request", "code_challenge: expected a SHA-256 in Base64 for URLs"));
    }
    if !parameters.resource.as_deref().is_none_or(|resource| place.has(resource)) {
        return Some(("invalid_target", "resource: expected the address of this server"));
    }
    None
}
