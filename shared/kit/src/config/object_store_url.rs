//! Where objects are kept.

use std::path::PathBuf;

const EXPECTED: &str = "file:///absolute/directory, s3://bucket or s3://bucket/prefix";

/// The object store a URL names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ObjectStoreUrl {
    /// A local directory, absolute.
    Directory(PathBuf),
    /// A bucket, and what the keys in it begin with, which may be empty; how to reach it is in [`S3Settings`](super::S3Settings).
    Bucket { bucket: String, prefix: String },
}

impl ObjectStoreUrl {
    /// Takes `file:///absolute/directory` and `s3://bucket/prefix`; the error says what is expected.
    pub fn parse(value: &str) -> Result<Self, String> {
        match value.split_once("://") {
            Some(("file", path)) if path.starts_with('/') => Ok(Self::Directory(PathBuf::from(path))),
            Some(("s3", rest)) => bucket(rest).ok_or_else(|| EXPECTED.to_owned()),
            _ => Err(EXPECTED.to_owned()),
        }
    }
}

/// Names as S3 allows them; a prefix is words of the same letters and a few more, between slashes.
fn bucket(rest: &str) -> Option<ObjectStoreUrl> {
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
    let of_bucket = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.');
    let of_prefix = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    let is_word = |word: &str| !word.is_empty() && !matches!(word, "." | "..") && word.chars().all(of_prefix);
    let known = (3..=63).contains(&bucket.len()) && bucket.chars().all(of_bucket);
    (known && (prefix.is_empty() || prefix.split('/').all(is_word)))
        .then(|| ObjectStoreUrl::Bucket { bucket: bucket.to_owned(), prefix: prefix.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absolute_directories_and_buckets_are_taken() {
        let directory = ObjectStoreUrl::Directory(PathBuf::from("/var/lib/bennu/objects"));
        assert_eq!(ObjectStoreUrl::parse("file:///var/lib/bennu/objects"), Ok(directory));
        let bucket = |prefix: &str| {
            Ok(ObjectStoreUrl::Bucket { bucket: "traces.example".to_owned(), prefix: prefix.to_owned() })
        };
        assert_eq!(ObjectStoreUrl::parse("s3://traces.example"), bucket(""));
        assert_eq!(ObjectStoreUrl::parse("s3://traces.example/"), bucket(""));
        assert_eq!(ObjectStoreUrl::parse("s3://traces.example/one/Two_2/"), bucket("one/Two_2"));
    }

    #[test]
    fn other_urls_are_refused() {
        for refused in [
            "file://relative",
            "/var/lib",
            "memory:",
            "s3:bucket",
            "s3://",
            "s3://ab",
            "s3://Bucket",
            "s3://key:secret@bucket",
            "s3://bucket//prefix",
            "s3://bucket/../other",
            "s3://bucket/prefix?region=x",
        ] {
            assert!(ObjectStoreUrl::parse(refused).is_err(), "{refused}");
        }
    }
}
