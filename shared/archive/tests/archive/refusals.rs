//! What cannot be used says so.

use bennu_archive::{Archive, ArchiveError, BucketCredentials, BucketOptions};
use bennu_testkit::servers::s3;
use bytes::Bytes;

use crate::options;

fn with_keys(access_key: &str, secret_key: &str) -> BucketOptions {
    let keys = BucketCredentials {
        access_key: access_key.to_owned(),
        secret_key: secret_key.to_owned(),
        session_token: None,
    };
    BucketOptions { credentials: Some(keys), ..options() }
}

async fn refusal(options: &BucketOptions) -> ArchiveError {
    Archive::in_bucket(options).unwrap().try_out().await.unwrap_err()
}

#[test]
fn a_directory_that_cannot_be_made_is_named() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let error = Archive::in_directory(&file.path().join("below")).unwrap_err();
    assert!(error.to_string().contains("below"), "{error}");
}

/// Also proves that the server of the tests looks at signatures.
#[tokio::test]
async fn a_wrong_secret_is_refused_at_every_door() {
    let wrong = with_keys(s3::ACCESS_KEY, "not-the-secret");
    let refused = refusal(&wrong).await;
    assert!(!refused.is_missing() && !refused.to_string().contains("not-the-secret"), "{refused}");
    assert!(refused.to_string().contains("SignatureDoesNotMatch"), "{refused}");
    let options = options();
    let (right, wrong) = (
        Archive::in_bucket(&options).unwrap(),
        Archive::in_bucket(&BucketOptions { prefix: options.prefix, ..wrong }).unwrap(),
    );
    right.put("tenants/1/blocks/a", Bytes::from_static(b"secret")).await.unwrap();
    assert!(!wrong.get("tenants/1/blocks/a").await.unwrap_err().is_missing());
    assert!(wrong.delete("tenants/1/blocks/a").await.is_err());
    assert!(wrong.ping().await.is_err());
    assert_eq!(right.get("tenants/1/blocks/a").await.unwrap(), "secret");
}

#[tokio::test]
async fn an_unknown_key_is_refused() {
    let unknown = refusal(&with_keys("somebody", s3::SECRET_KEY)).await;
    assert!(!unknown.is_missing(), "{unknown}");
}

#[tokio::test]
async fn plain_http_has_to_be_allowed() {
    refusal(&BucketOptions { allow_http: false, ..options() }).await;
}
