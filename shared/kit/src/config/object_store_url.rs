//! Where objects are kept.

use std::path::PathBuf;

/// The object store a URL names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ObjectStoreUrl {
    /// A local directory, absolute.
    Directory(PathBuf),
}

impl ObjectStoreUrl {
    /// Takes `file:///absolute/directory`, the only kind there is so far; the error says what is expected.
    pub fn parse(value: &str) -> Result<Self, String> {
        match value.strip_prefix("file://") {
            Some(path) if path.starts_with('/') => Ok(Self::Directory(PathBuf::from(path))),
            _ => Err("file:///absolute/directory (no other kind of object store is supported)".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_absolute_directories_are_taken() {
        let directory = ObjectStoreUrl::Directory(PathBuf::from("/var/lib/bennu/objects"));
        assert_eq!(ObjectStoreUrl::parse("file:///var/lib/bennu/objects"), Ok(directory));
        for refused in ["s3://bucket", "file://relative", "/var/lib", "memory:"] {
            assert!(ObjectStoreUrl::parse(refused).is_err(), "{refused}");
        }
    }
}
