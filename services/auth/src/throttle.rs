//! How often an address may try to log in, and an account may fail to.

use std::sync::Arc;
use std::time::Duration;

use actix_web::HttpRequest;
use bennu_domain::account::Email;
use bennu_kit::http::ApiError;
use bennu_quota::{AccountLimit, AddressLimit, LogInCounts, LogInCountsAway};

use crate::address::client_address;

/// Twelve attempts at once, and then one every five seconds.
const ADDRESS: AddressLimit = AddressLimit { attempts: 12, every: Duration::from_secs(5) };
/// Links for a new password that go to one address, whoever asks.
const MAILS: AddressLimit = AddressLimit { attempts: 3, every: Duration::from_mins(5) };
const HOUR: Duration = Duration::from_hours(1);
/// How long an account stays locked, and how long failures are remembered.
const LOCKED_FOR: Duration = Duration::from_mins(5);

/// The text of `429` for an address.
const TOO_MANY_ATTEMPTS: &str = "Too Many Requests";
/// The text of `429` for an account.
const LOCKED: &str = "Too many failed login attempts. Please try again later.";
/// While attempts cannot be counted they are asked for again after this time.
const AWAY: Duration = Duration::from_secs(1);

/// Refuses attempts. While they cannot be counted nobody may guess passwords, so log-ins wait as well; what carries a token
/// that this deployment signed is no guess, and goes on.
#[derive(Clone)]
pub struct Throttle {
    counts: Arc<dyn LogInCounts>,
    addresses: Option<AddressLimit>,
    accounts: Option<AccountLimit>,
    trusted_proxies: usize,
}

impl Throttle {
    /// `rate_limit`: whether addresses are counted; `failures`: those after which an account is locked.
    pub fn new(
        counts: Arc<dyn LogInCounts>,
        rate_limit: bool,
        failures: Option<u32>,
        trusted_proxies: usize,
    ) -> Self {
        let addresses = rate_limit.then_some(ADDRESS);
        let accounts = failures.map(|failures| AccountLimit { failures, locked_for: LOCKED_FOR });
        Self { counts, addresses, accounts, trusted_proxies }
    }

    /// Counts an attempt of the caller's address.
    pub async fn count_attempt(&self, request: &HttpRequest) -> Result<(), ApiError> {
        self.take_attempt(request).await.unwrap_or_else(|away| Err(unavailable(&away)))
    }

    /// Counts one that carries a signed token, or something as hard to guess.
    pub async fn count_attempt_with_token(&self, request: &HttpRequest) -> Result<(), ApiError> {
        self.take_attempt(request).await.unwrap_or_else(|error| {
            tracing::warn!(%error, "it passes uncounted");
            Ok(())
        })
    }

    /// Whether a mail may go to an address that anybody can name. Nobody is told if it may not: that would tell of mails that
    /// others asked for.
    pub async fn may_mail(&self, email: &Email) -> bool {
        match self.counts.attempt(&format!("mail to {email}"), MAILS).await {
            Ok(wait) => wait.is_none(),
            Err(error) => {
                tracing::error!(%error, "a mail is not sent");
                false
            }
        }
    }

    /// Counts a program that the address registers, apart from attempts to log in. While they cannot be counted none is.
    pub async fn count_registration(&self, request: &HttpRequest, an_hour: u32) -> Result<(), ApiError> {
        if self.addresses.is_none() {
            return Ok(());
        }
        let limit = AddressLimit { attempts: an_hour, every: HOUR / an_hour.max(1) };
        let name = format!("registration by {}", client_address(request, self.trusted_proxies));
        match self.counts.attempt(&name, limit).await {
            Ok(wait) => wait.map_or(Ok(()), |wait| Err(refused(wait))),
            Err(away) => Err(unavailable(&away)),
        }
    }

    async fn take_attempt(&self, request: &HttpRequest) -> Result<Result<(), ApiError>, LogInCountsAway> {
        let Some(limit) = self.addresses else { return Ok(Ok(())) };
        let address = client_address(request, self.trusted_proxies);
        let wait = self.counts.attempt(&address, limit).await?;
        Ok(wait.map_or(Ok(()), |wait| Err(refused(wait))))
    }

    /// An error while nobody may log in to the account, known or not.
    pub async fn check_account(&self, email: &Email) -> Result<(), ApiError> {
        let Some(limit) = self.accounts else { return Ok(()) };
        match self.counts.is_locked(email.as_str(), limit).await {
            Ok(false) => Ok(()),
            Ok(true) => Err(ApiError::TooMany { message: LOCKED.to_owned(), retry_after: None }),
            Err(away) => Err(unavailable(&away)),
        }
    }

    /// A failure that is not counted must not tell whether the password was right.
    pub async fn count_failure(&self, email: &Email) -> Result<(), ApiError> {
        let Some(limit) = self.accounts else { return Ok(()) };
        self.counts.failed(email.as_str(), limit).await.map_err(|away| unavailable(&away))
    }

    /// After a log-in or with a new password. Failures that stay because of an error are forgotten by themselves.
    pub async fn forget_failures(&self, email: &Email) {
        if self.accounts.is_some()
            && let Err(error) = self.counts.clear(email.as_str()).await
        {
            tracing::warn!(%error, "failures of an account are not forgotten");
        }
    }
}

fn refused(retry_after: Duration) -> ApiError {
    ApiError::TooMany { message: TOO_MANY_ATTEMPTS.to_owned(), retry_after: Some(retry_after) }
}

fn unavailable(away: &LogInCountsAway) -> ApiError {
    tracing::error!(error = %away, "nobody can log in for now");
    ApiError::Unavailable { message: "logging in is not possible for now".to_owned(), retry_after: AWAY }
}
