//! The server goes away, and comes back.

use std::time::{Duration, Instant};

use bennu_archive::{Archive, BucketOptions};
use bennu_testkit::servers::s3;
use bytes::Bytes;

use crate::options_on;

#[tokio::test(flavor = "multi_thread")]
async fn what_was_put_is_there_after_a_kill_and_requests_outlast_it() {
    let mut server = s3::start().unwrap();
    let archive = Archive::in_bucket(&options_on(&server)).unwrap();
    archive.put("tenants/1/blocks/a", Bytes::from_static(b"before")).await.unwrap();
    server.kill();
    assert!(archive.ping().await.is_err());
    let waiting = {
        let archive = archive.clone();
        tokio::spawn(async move { archive.put("tenants/1/blocks/b", Bytes::from_static(b"meanwhile")).await })
    };
    let (server, started) = tokio::task::spawn_blocking(move || (server.start_again(), server))
        .await
        .map(|(s, o)| (o, s))
        .unwrap();
    started.unwrap();
    waiting.await.unwrap().unwrap();
    archive.ping().await.unwrap();
    assert_eq!(archive.get("tenants/1/blocks/a").await.unwrap(), "before");
    assert_eq!(archive.get("tenants/1/blocks/b").await.unwrap(), "meanwhile");
    drop(server);
}

#[tokio::test]
async fn patience_has_an_end() {
    let mut server = s3::start().unwrap();
    let retry_for = Duration::from_secs(1);
    let archive = Archive::in_bucket(&BucketOptions { retry_for, ..options_on(&server) }).unwrap();
    server.stop();
    let begin = Instant::now();
    let failed = archive.put("tenants/1/blocks/a", Bytes::from_static(b"x")).await.unwrap_err();
    assert!(!failed.is_missing(), "{failed}");
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
}
