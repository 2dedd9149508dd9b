//! Requests to identity providers, bounded in time and size.

use std::time::Duration;

use anyhow::Context as _;
use serde::de::DeserializeOwned;

/// Somebody waits in front of a browser.
const TIMEOUT: Duration = Duration::from_secs(10);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Key sets and claims have some kilobytes; groups of large companies some more.
const LARGEST_ANSWER: usize = 1 << 20;

#[derive(Clone)]
pub struct HttpClient(reqwest::Client);

/// The texts name no query and no body: both have secrets.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    #[error("{0}")]
    Transport(reqwest::Error),
    #[error("the answer is larger than {LARGEST_ANSWER} bytes")]
    TooLarge,
    #[error("status {0}")]
    Status(u16),
    #[error("the answer is not as it should be: {0}")]
    Unreadable(#[from] serde_json::Error),
    #[error("the request cannot be built: {0}")]
    Request(#[from] http::Error),
}

impl From<reqwest::Error> for HttpError {
    fn from(error: reqwest::Error) -> Self {
        Self::Transport(error.without_url())
    }
}

impl HttpClient {
    /// `plain`: the provider is on this machine, and has no TLS.
    pub fn new(plain: bool) -> anyhow::Result<Self> {
        // The client takes the provider of the process. An error means that somebody has set one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let builder = reqwest::Client::builder()
            .timeout(TIMEOUT)
            .connect_timeout(CONNECT_TIMEOUT)
            // Whoever follows a redirect presents the secret to somebody else.
            .redirect(reqwest::redirect::Policy::none());
        // Without TLS the machine need not have certificates.
        let builder = if plain { builder.no_proxy().tls_certs_only([]) } else { builder.https_only(true) };
        Ok(Self(builder.build().context("the HTTP client for identity providers")?))
    }

    /// Sends a request; any status is an answer.
    pub async fn send(&self, request: http::Request<Vec<u8>>) -> Result<http::Response<Vec<u8>>, HttpError> {
        let mut answer = self.0.execute(request.try_into()?).await?;
        let mut response = http::Response::builder().status(answer.status());
        if let Some(headers) = response.headers_mut() {
            headers.clone_from(answer.headers());
        }
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await? {
            if body.len() + chunk.len() > LARGEST_ANSWER {
                return Err(HttpError::TooLarge);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(response.body(body)?)
    }

    pub async fn get_json<T: DeserializeOwned>(
        &self,
        url: &str,
        bearer: Option<&str>,
    ) -> Result<T, HttpError> {
        let mut request = http::Request::get(url).header(http::header::ACCEPT, "application/json");
        if let Some(token) = bearer {
            request = request.header(http::header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let response = self.send(request.body(Vec::new())?).await?;
        if !response.status().is_success() {
            return Err(HttpError::Status(response.status().as_u16()));
        }
        Ok(serde_json::from_slice(response.body())?)
    }
}
