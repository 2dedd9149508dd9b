//! The archive over a directory and over S3: `make test`, or `with-servers --only s3 cargo test -p bennu-archive`.
#![allow(clippy::unwrap_used, clippy::expect_used)] // clippy knows only functions marked as tests, not their helpers

mod conformance;
mod outage;
mod refusals;

use std::time::Duration;

use bennu_archive::{BucketCredentials, BucketOptions};
use bennu_testkit::servers::{Server, s3};

/// The bucket of the test run, under a prefix that no other test has.
fn options() -> BucketOptions {
    let url = std::env::var(s3::URL_VARIABLE).unwrap_or_else(|_| {
        panic!(
            "{} is not set: this test needs an S3 server. Run `make test`, or \
             `cargo run -p bennu-testkit --bin with-servers -- cargo test …`.",
            s3::URL_VARIABLE
        )
    });
    options_at(url)
}

/// On a server of one's own, to be treated badly.
fn options_on(server: &Server) -> BucketOptions {
    options_at(server.variables[0].1.clone())
}

fn options_at(url: String) -> BucketOptions {
    BucketOptions {
        bucket: s3::BUCKET.to_owned(),
        prefix: format!("test/{:016x}", fastrand::u64(..)),
        endpoint: Some(url),
        region: "us-east-1".to_owned(),
        credentials: Some(BucketCredentials {
            access_key: s3::ACCESS_KEY.to_owned(),
            secret_key: s3::SECRET_KEY.to_owned(),
            session_token: None,
        }),
        allow_http: true,
        path_style: true,
        timeout: Duration::from_secs(10),
        retries: 5,
        retry_for: Duration::from_secs(10),
    }
}
