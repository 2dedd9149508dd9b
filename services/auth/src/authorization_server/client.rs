//! The programs that are known.

use bennu_access::SystemScope;
use bennu_store::OAuthClient;

use super::place::Place;
use crate::responses::store_failed;
use crate::service::AuthState;
use bennu_kit::http::ApiError;

/// The command line of the reference server, which is known to every deployment and tenant.
const COMMAND_LINE: &str = "phoenix-cli";

/// Nobody registers longer ones.
const LONGEST_ID: usize = 128;

/// A program that asks people to let it act.
#[derive(Debug, Clone)]
pub struct Client {
    pub id: String,
    /// As it calls itself; anybody may call themselves anything.
    pub name: Option<String>,
    pub redirect_uris: Vec<String>,
    /// Whether it gets refresh tokens.
    pub refreshes: bool,
    /// It came with the server.
    pub is_first_party: bool,
}

impl Client {
    /// None if it is not known here.
    pub async fn find(state: &AuthState, place: &Place<'_>, id: &str) -> Result<Option<Self>, ApiError> {
        if id == COMMAND_LINE {
            return Ok(Some(Self::command_line()));
        }
        if id.is_empty() || id.len() > LONGEST_ID || !id.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Ok(None);
        }
        let scope = SystemScope::for_tenant(place.tenant.id, "a program is looked up");
        let found = state.store.scoped(&scope).oauth_client(id).await.map_err(store_failed)?;
        Ok(found.map(Self::from))
    }

    fn command_line() -> Self {
        Self {
            id: COMMAND_LINE.to_owned(),
            name: Some("Phoenix CLI".to_owned()),
            redirect_uris: vec!["http://127.0.0.1/callback".to_owned()],
            refreshes: true,
            is_first_party: true,
        }
    }

    /// From now on it is not forgotten.
    pub async fn keep(&self, state: &AuthState, place: &Place<'_>) -> Result<(), ApiError> {
        if self.is_first_party {
            return Ok(());
        }
        let scope = SystemScope::for_tenant(place.tenant.id, "a program is used");
        state.store.scoped(&scope).oauth_client_used(&self.id).await.map_err(store_failed)
    }
}

impl From<OAuthClient> for Client {
    fn from(client: OAuthClient) -> Self {
        let OAuthClient { client_id, name, redirect_uris, refreshes, .. } = client;
        Self { id: client_id, name, redirect_uris, refreshes, is_first_party: false }
    }
}
