//! The tokens of a log-in: of a browser, or of a program that a person lets act.

use std::time::Duration;

use bennu_access::{AccessClaims, RefreshClaims};
use bennu_kit::http::ApiError;
use bennu_store::LogIn;

use crate::service::{AuthState, Verifying};

/// The tokens of the present generation of a log-in.
pub struct Tokens {
    pub access: Token,
    pub refresh: Token,
}

pub struct Token {
    pub text: String,
    pub life: Duration,
}

pub fn tokens_of(state: &AuthState, verifying: &Verifying, log_in: &LogIn) -> Result<Tokens, ApiError> {
    let settings = &verifying.settings;
    let (session, generation, now) = (log_in.id.clone(), log_in.generation, state.clock.now());
    // The log-in of a program ends at a fixed time, and with it its last tokens.
    let left = match log_in.client {
        Some(_) => log_in.expires_at.since(now),
        None => Duration::MAX,
    };
    let (access_life, refresh_life) =
        (settings.access_token_life.min(left), settings.refresh_token_life.min(left));
    let access = AccessClaims { session: session.clone(), generation };
    let access = verifying.keys.sign(access, now, now.after(access_life)).map_err(ApiError::internal)?;
    let refresh = RefreshClaims { session, generation };
    let refresh = verifying.keys.sign(refresh, now, now.after(refresh_life)).map_err(ApiError::internal)?;
    Ok(Tokens {
        access: Token { text: access, life: access_life },
        refresh: Token { text: refresh, life: refresh_life },
    })
}
