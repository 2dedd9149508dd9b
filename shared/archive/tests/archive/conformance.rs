//! What every kind of object store keeps to.

use bennu_archive::Archive;
use bytes::Bytes;
use futures::TryStreamExt as _;

use crate::options;

/// Runs each behaviour over a directory and over S3, so that a failure names the kind.
macro_rules! on_both_kinds {
    ($($behaviour:ident),+ $(,)?) => {
        mod directory {
            $(#[tokio::test]
            async fn $behaviour() {
                let directory = tempfile::tempdir().unwrap();
                super::$behaviour(bennu_archive::Archive::in_directory(directory.path()).unwrap()).await;
            })+
        }
        mod s3 {
            $(#[tokio::test]
            async fn $behaviour() {
                super::$behaviour(bennu_archive::Archive::in_bucket(&super::options()).unwrap()).await;
            })+
        }
    };
}

on_both_kinds!(
    an_object_can_be_read_until_it_is_deleted,
    a_missing_object_is_told_from_a_fault,
    an_object_can_be_put_again,
    objects_of_any_size_come_back_as_they_were,
    a_list_has_what_is_below_a_prefix_and_when_it_was_put,
    a_long_list_is_complete,
    it_can_be_tried_out_and_leaves_nothing,
);

async fn keys(archive: &Archive, prefix: &str) -> Vec<String> {
    let listed: Vec<_> = archive.list(prefix).try_collect().await.unwrap();
    let mut keys: Vec<String> = listed.into_iter().map(|object| object.key).collect();
    keys.sort();
    keys
}

async fn an_object_can_be_read_until_it_is_deleted(archive: Archive) {
    archive.put("tenants/1/blocks/a", Bytes::from_static(b"body")).await.unwrap();
    assert_eq!(archive.get("tenants/1/blocks/a").await.unwrap(), "body");
    archive.delete("tenants/1/blocks/a").await.unwrap();
    archive.delete("tenants/1/blocks/a").await.unwrap();
    assert!(archive.get("tenants/1/blocks/a").await.is_err_and(|error| error.is_missing()));
}

async fn a_missing_object_is_told_from_a_fault(archive: Archive) {
    let missing = archive.get("tenants/1/blocks/none").await.unwrap_err();
    assert!(missing.is_missing() && missing.to_string().contains("tenants/1/blocks/none"), "{missing}");
    archive.ping().await.unwrap();
}

async fn an_object_can_be_put_again(archive: Archive) {
    for body in ["one", "another"] {
        archive.put("tenants/1/envelopes/a", Bytes::from(body)).await.unwrap();
        assert_eq!(archive.get("tenants/1/envelopes/a").await.unwrap(), body);
    }
}

async fn objects_of_any_size_come_back_as_they_were(archive: Archive) {
    // Above 8 MiB they are sent in parts: two, exactly two, and a short third one.
    for size in [0, 1, 8 << 20, (8 << 20) + 1, 16 << 20, (16 << 20) + 77] {
        let mut random = fastrand::Rng::with_seed(size as u64);
        let object: Bytes = std::iter::repeat_with(|| random.u8(..)).take(size).collect();
        archive.put("tenants/1/blocks/large", object.clone()).await.unwrap();
        assert!(archive.get("tenants/1/blocks/large").await.unwrap() == object, "{size} bytes");
        let listed: Vec<_> = archive.list("tenants").try_collect().await.unwrap();
        assert_eq!(listed.iter().map(|object| object.bytes).collect::<Vec<_>>(), [size as u64]);
    }
}

async fn a_list_has_what_is_below_a_prefix_and_when_it_was_put(archive: Archive) {
    let micros = || {
        let now = std::time::UNIX_EPOCH.elapsed().unwrap();
        i64::try_from(now.as_micros()).unwrap()
    };
    let second = 1_000_000;
    let begin = micros() - second; // S3 tells whole seconds
    for key in ["tenants/1/blocks/a", "tenants/1/envelopes/b", "tenants/10/blocks/c", "probes/d"] {
        archive.put(key, Bytes::from_static(b"x")).await.unwrap();
    }
    let all = ["tenants/1/blocks/a", "tenants/1/envelopes/b", "tenants/10/blocks/c"];
    assert_eq!(keys(&archive, "tenants").await, all);
    assert_eq!(keys(&archive, "tenants/1").await, all[..2], "a prefix is a directory");
    assert_eq!(keys(&archive, "nothing").await, [] as [String; 0]);
    let listed: Vec<_> = archive.list("tenants").try_collect().await.unwrap();
    let end = micros() + second;
    assert!(listed.iter().all(|object| (begin..=end).contains(&object.put_at)), "{listed:?}");
}

/// S3 lists a thousand at a time.
async fn a_long_list_is_complete(archive: Archive) {
    let names: Vec<String> = (0..1_050).map(|number| format!("tenants/1/blocks/{number:04}")).collect();
    let putting = names.iter().map(|key| archive.put(key, Bytes::from_static(b"x")));
    for put in futures::future::join_all(putting).await {
        put.unwrap();
    }
    assert!(keys(&archive, "tenants").await == names);
}

async fn it_can_be_tried_out_and_leaves_nothing(archive: Archive) {
    archive.try_out().await.unwrap();
    assert_eq!(keys(&archive, "probes").await, [] as [String; 0]);
}
