//! Objects in a bucket of S3, or of a server that speaks its protocol.

use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::prefix::PrefixStore;
use object_store::{BackoffConfig, ClientOptions, ObjectStore, RetryConfig};

use crate::ArchiveError;

/// A server that does not take a connection within this will not answer soon.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// For a look at whether the bucket is there, which health checks wait for.
const LOOK_TIMEOUT: Duration = Duration::from_secs(5);
/// Between attempts; it doubles each time.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Which bucket, and how to reach it.
#[derive(Clone)]
pub struct BucketOptions {
    pub bucket: String,
    /// Before every key; may be empty.
    pub prefix: String,
    /// Of a server other than Amazon's: `https://host:port`.
    pub endpoint: Option<String>,
    pub region: String,
    /// Without: whatever the machine is given, such as the role of a pod or an instance.
    pub credentials: Option<BucketCredentials>,
    /// Whether the endpoint may be one without TLS.
    pub allow_http: bool,
    /// The bucket is named in the path instead of in the host name.
    pub path_style: bool,
    /// For one attempt of one request.
    pub timeout: Duration,
    /// Attempts after the first, within `retry_for` since the first.
    pub retries: usize,
    pub retry_for: Duration,
}

/// What requests are signed with. Not `Debug`, so that it is not printed by accident.
#[derive(Clone)]
pub struct BucketCredentials {
    pub access_key: String,
    pub secret_key: String,
    /// Of credentials that end.
    pub session_token: Option<String>,
}

impl BucketOptions {
    /// Sends nothing yet.
    pub(crate) fn open(&self) -> Result<Arc<dyn ObjectStore>, ArchiveError> {
        let retry = RetryConfig {
            backoff: BackoffConfig { init_backoff: FIRST_PAUSE, max_backoff: LONGEST_PAUSE, base: 2.0 },
            max_retries: self.retries,
            retry_timeout: self.retry_for,
        };
        self.open_with(retry, self.timeout)
    }

    /// For a look: it is answered quickly, or not.
    pub(crate) fn open_for_looks(&self) -> Result<Arc<dyn ObjectStore>, ArchiveError> {
        self.open_with(
            RetryConfig { max_retries: 0, ..RetryConfig::default() },
            self.timeout.min(LOOK_TIMEOUT),
        )
    }

    fn open_with(&self, retry: RetryConfig, timeout: Duration) -> Result<Arc<dyn ObjectStore>, ArchiveError> {
        // The HTTP client takes the provider of the process. An error means that somebody has set one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let bucket = self
            .build(retry, timeout)
            .map_err(|source| ArchiveError::Bucket { bucket: self.bucket.clone(), source: source.into() })?;
        Ok(Arc::new(PrefixStore::new(bucket, self.prefix.as_str())))
    }

    fn build(&self, retry: RetryConfig, timeout: Duration) -> object_store::Result<AmazonS3> {
        let client = ClientOptions::new()
            .with_allow_http(self.allow_http)
            .with_timeout(timeout)
            .with_connect_timeout(timeout.min(CONNECT_TIMEOUT))
            // Without TLS the machine need not have any.
            .with_no_system_certificates(self.endpoint.as_deref().is_some_and(is_plain));
        // Roles of pods and instances are found through variables of their platform.
        let platform = AmazonS3Builder::from_env;
        let mut builder = self.credentials.as_ref().map_or_else(platform, |credentials| {
            let builder = AmazonS3Builder::new()
                .with_access_key_id(&credentials.access_key)
                .with_secret_access_key(&credentials.secret_key);
            match &credentials.session_token {
                Some(token) => builder.with_token(token),
                None => builder,
            }
        });
        if let Some(endpoint) = &self.endpoint {
            builder = builder.with_endpoint(match self.path_style {
                true => endpoint.clone(),
                false => of_bucket(endpoint, &self.bucket),
            });
        }
        builder
            .with_bucket_name(&self.bucket)
            .with_region(&self.region)
            .with_virtual_hosted_style_request(!self.path_style)
            .with_client_options(client)
            .with_retry(retry)
            .build()
    }
}

/// The endpoint with the bucket in its host name.
fn of_bucket(endpoint: &str, bucket: &str) -> String {
    match endpoint.split_once("://") {
        Some((scheme, host)) => format!("{scheme}://{bucket}.{host}"),
        None => format!("{bucket}.{endpoint}"),
    }
}

fn is_plain(endpoint: &str) -> bool {
    endpoint.starts_with("http://")
}
