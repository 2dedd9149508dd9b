//! Large trace blocks as objects, behind one small API over `object_store`.

mod bucket;

use std::path::Path as FilePath;
use std::sync::Arc;

use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt as _, TryStreamExt as _};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt as _, PutPayload};

pub use bucket::{BucketCredentials, BucketOptions};

/// A larger object is sent in parts of this size: each is tried again on its own. S3 wants at least 5 MiB.
const PART_BYTES: usize = 8 << 20;
/// Parts of one object under way at a time.
const PARALLEL_PARTS: usize = 4;

/// Never written: a look for it tells whether the object store answers.
const LOOKED_FOR: &str = "probes/none";

/// Where objects live. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Archive {
    objects: Arc<dyn ObjectStore>,
    /// The same without patience.
    looks: Arc<dyn ObjectStore>,
    in_parts: bool,
}

/// An object as a list shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedObject {
    pub key: String,
    pub bytes: u64,
    /// When it was put, by the clock of the object store, in microseconds since 1970.
    pub put_at: i64,
}

/// What went wrong with an object.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    #[error("cannot use {directory} for large objects: {source}")]
    Directory { directory: String, source: Box<dyn std::error::Error + Send + Sync> },
    #[error("cannot use the bucket {bucket}: {source}")]
    Bucket { bucket: String, source: Box<dyn std::error::Error + Send + Sync> },
    #[error("object {key}: {source}")]
    Object { key: String, source: object_store::Error },
    #[error("object {key} is not as it was put")]
    Changed { key: String },
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
        let objects: Arc<dyn ObjectStore> = Arc::new(files.with_fsync(true).with_automatic_cleanup(true));
        Ok(Self { looks: Arc::clone(&objects), objects, in_parts: false })
    }

    /// Objects in a bucket; nothing is sent to it yet.
    pub fn in_bucket(options: &BucketOptions) -> Result<Self, ArchiveError> {
        Ok(Self { objects: options.open()?, looks: options.open_for_looks()?, in_parts: true })
    }

    /// Returns once the object survives a crash of whatever keeps it. It is there whole, or not at all.
    pub async fn put(&self, key: &str, object: Bytes) -> Result<(), ArchiveError> {
        let path = Path::from(key);
        let put = if self.in_parts && object.len() > PART_BYTES {
            self.put_in_parts(&path, &object).await
        } else {
            self.objects.put(&path, PutPayload::from_bytes(object)).await.map(drop)
        };
        put.map_err(failed(key))
    }

    async fn put_in_parts(&self, path: &Path, object: &Bytes) -> object_store::Result<()> {
        let mut upload = self.objects.put_multipart(path).await?;
        let sent = send_parts(&mut *upload, object).await;
        if sent.is_err() {
            // So that its parts take no room; what a killed process leaves is up to the bucket's rules.
            let _ = upload.abort().await;
        }
        sent
    }

    pub async fn get(&self, key: &str) -> Result<Bytes, ArchiveError> {
        let found = self.objects.get(&Path::from(key)).await.map_err(failed(key))?;
        found.bytes().await.map_err(failed(key))
    }

    /// Deleting an object that is gone already is not an error.
    pub async fn delete(&self, key: &str) -> Result<(), ArchiveError> {
        delete_from(&*self.objects, key).await
    }

    /// The objects whose keys begin with the directory `prefix`, in no order; read as the stream is, some at a time.
    pub fn list(&self, prefix: &str) -> BoxStream<'static, Result<ListedObject, ArchiveError>> {
        let prefix = prefix.to_owned();
        let listed = self.objects.list(Some(&Path::from(prefix.as_str())));
        listed.map(move |object| object.map(|object| read_listed(&object)).map_err(failed(&prefix))).boxed()
    }

    /// Whether the object store answers.
    pub async fn ping(&self) -> Result<(), ArchiveError> {
        match self.looks.head(&Path::from(LOOKED_FOR)).await {
            Ok(_) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(failed(LOOKED_FOR)(error)),
        }
    }

    /// Puts, reads and deletes an object, to find out at the start whether all of it is allowed.
    pub async fn try_out(&self) -> Result<(), ArchiveError> {
        let key = format!("probes/{:016x}", fastrand::u64(..));
        let (path, body) =
            (Path::from(key.as_str()), Bytes::from_static(b"Bennu tries out its object store."));
        self.looks.put(&path, PutPayload::from_bytes(body.clone())).await.map_err(failed(&key))?;
        let read = self.looks.get(&path).await.map_err(failed(&key))?.bytes().await.map_err(failed(&key))?;
        delete_from(&*self.looks, &key).await?;
        if read == body { Ok(()) } else { Err(ArchiveError::Changed { key }) }
    }
}

async fn delete_from(objects: &dyn ObjectStore, key: &str) -> Result<(), ArchiveError> {
    match objects.delete(&Path::from(key)).await {
        Err(object_store::Error::NotFound { .. }) => Ok(()),
        outcome => outcome.map_err(failed(key)),
    }
}

async fn send_parts(upload: &mut dyn MultipartUpload, object: &Bytes) -> object_store::Result<()> {
    let parts = (0..object.len()).step_by(PART_BYTES);
    let parts = parts.map(|start| object.slice(start..object.len().min(start + PART_BYTES)));
    let sending: Vec<_> = parts.map(|part| upload.put_part(PutPayload::from_bytes(part))).collect();
    stream::iter(sending).buffer_unordered(PARALLEL_PARTS).try_collect::<()>().await?;
    upload.complete().await.map(drop)
}

fn read_listed(object: &ObjectMeta) -> ListedObject {
    ListedObject {
        key: object.location.to_string(),
        bytes: object.size,
        put_at: object.last_modified.timestamp_micros(),
    }
}

fn failed(key: &str) -> impl Fn(object_store::Error) -> ArchiveError + '_ {
    |source| ArchiveError::Object { key: key.to_owned(), source }
}
