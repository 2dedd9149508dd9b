//! Large trace blocks as objects, behind one small API over `object_store`.

use std::path::Path as FilePath;
use std::sync::Arc;

use bytes::Bytes;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _, PutPayload};

/// Where objects live. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Archive {
    objects: Arc<dyn ObjectStore>,
}

/// What went wrong with an object.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    #[error("cannot use {directory} for large objects: {source}")]
    Directory { directory: String, source: Box<dyn std::error::Error + Send + Sync> },
    #[error("object {key}: {source}")]
    Object { key: String, source: object_store::Error },
}

impl ArchiveError {
    /// Whether there is no such object, which asking again does not change.
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Object { source: object_store::Error::NotFound { .. }, .. })
    }
}

impl Archive {
    /// Objects as files below `directory`, which is made if it is missing. Files are synchronised to the disk before
    /// a put returns, as rows that point at them are.
    pub fn in_directory(directory: &FilePath) -> Result<Self, ArchiveError> {
        let refused = |source| ArchiveError::Directory { directory: directory.display().to_string(), source };
        std::fs::create_dir_all(directory).map_err(|error| refused(error.into()))?;
        let files = LocalFileSystem::new_with_prefix(directory).map_err(|error| refused(error.into()))?;
        Ok(Self { objects: Arc::new(files.with_fsync(true).with_automatic_cleanup(true)) })
    }

    pub async fn put(&self, key: &str, object: Bytes) -> Result<(), ArchiveError> {
        let put = self.objects.put(&Path::from(key), PutPayload::from_bytes(object)).await;
        put.map(drop).map_err(failed(key))
    }

    pub async fn get(&self, key: &str) -> Result<Bytes, ArchiveError> {
        let found = self.objects.get(&Path::from(key)).await.map_err(failed(key))?;
        found.bytes().await.map_err(failed(key))
    }

    /// Deleting an object that is gone already is not an error.
    pub async fn delete(&self, key: &str) -> Result<(), ArchiveError> {
        match self.objects.delete(&Path::from(key)).await {
            Err(object_store::Error::NotFound { .. }) => Ok(()),
            outcome => outcome.map_err(failed(key)),
        }
    }
}

fn failed(key: &str) -> impl Fn(object_store::Error) -> ArchiveError + '_ {
    |source| ArchiveError::Object { key: key.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_object_can_be_read_until_it_is_deleted() {
        let directory = tempfile::tempdir().unwrap();
        let archive = Archive::in_directory(directory.path()).unwrap();
        archive.put("tenant-1/blocks/a", Bytes::from_static(b"body")).await.unwrap();
        assert_eq!(archive.get("tenant-1/blocks/a").await.unwrap(), "body");
        archive.delete("tenant-1/blocks/a").await.unwrap();
        archive.delete("tenant-1/blocks/a").await.unwrap();
        assert!(archive.get("tenant-1/blocks/a").await.is_err_and(|error| error.is_missing()));
    }

    #[test]
    fn a_directory_that_cannot_be_made_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = Archive::in_directory(&file.path().join("below")).unwrap_err();
        assert!(error.to_string().contains("below"), "{error}");
    }
}
