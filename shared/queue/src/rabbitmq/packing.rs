//! Envelopes as messages: bodies are compressed; one that is too large for a message waits in the object store.

use std::sync::Arc;

use bennu_access::TenantScope;
use bennu_archive::{Archive, ArchiveError};
use bennu_domain::ids::TenantId;
use bennu_domain::otlp::ValidRequest;
use bennu_domain::project::ProjectName;
use bennu_domain::time::{Clock as _, SystemClock};
use bennu_proto::compressed_body::Encoding;
use bennu_proto::span_envelope::Content;
use bennu_proto::{CompressedBody, SpanEnvelope, StoredBody};
use bytes::Bytes;
use prost::Message as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::compression::{compress, inflate_gzip, inflate_zstd};
use crate::span_broker::Envelope;

/// Beyond the largest body that any setting allows: what claims to be larger is no body.
const MOST_INFLATED: u64 = 2 << 30;

/// Writes envelopes to messages and reads them back. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Packing {
    archive: Archive,
    /// Bodies of at least this size are stored beside the message.
    large_bytes: usize,
    /// KiB of stored bodies that may be in memory at a time: the prefetch bounds messages by their number only.
    room_kib: Arc<Semaphore>,
    most_kib: usize,
}

/// A message, and where its body is if it is not inside.
pub(super) struct Packed {
    pub message: Vec<u8>,
    pub stored: Option<String>,
}

/// An envelope, and the room that its body takes if it was stored.
pub(super) struct Unpacked {
    pub envelope: Envelope,
    pub room: Option<OwnedSemaphorePermit>,
}

/// Why a message cannot be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum UnpackError {
    #[error("{0}")]
    Malformed(String),
    #[error("its body is gone from the object store")]
    BodyGone,
    #[error("{0}")]
    Unavailable(String),
}

impl Packing {
    pub fn new(archive: Archive, large_bytes: usize, room_bytes: usize) -> Self {
        let most_kib = (room_bytes / 1024).clamp(1, Semaphore::MAX_PERMITS);
        Self { archive, large_bytes, room_kib: Arc::new(Semaphore::new(most_kib)), most_kib }
    }

    pub async fn pack(&self, envelope: Envelope) -> Result<Packed, ArchiveError> {
        let Envelope { scope, project, request, gzip } = envelope;
        let (tenant, body) = (scope.tenant().0, request.body().clone());
        let stored = (body.len() >= self.large_bytes).then(|| StoredBody {
            // Named at random: two receivers may take the same request.
            key: body_key(tenant),
            bytes: body.len() as u64,
        });
        let key = stored.as_ref().map(|stored| stored.key.clone());
        let content = match stored {
            Some(stored) => {
                self.archive.put(&stored.key, body).await?;
                Content::Stored(stored)
            }
            None => compressed(body, gzip).await,
        };
        let message = SpanEnvelope {
            tenant,
            project: project.map(|project| project.as_str().to_owned()),
            received_at: SystemClock.now().0,
            spans: u32::try_from(request.span_count()).unwrap_or(u32::MAX),
            content: Some(content),
        };
        Ok(Packed { message: message.encode_to_vec(), stored: key })
    }

    pub async fn unpack(&self, message: &SpanEnvelope) -> Result<Unpacked, UnpackError> {
        let (content, room) = match message.content.clone() {
            Some(Content::Stored(stored)) => {
                let (body, room) = self.fetch(&stored).await?;
                (Some(Content::Body(body)), Some(room))
            }
            content => (content, None),
        };
        let request = apart(move || {
            let request = ValidRequest::validated_before(inside(content)?);
            request.map_err(|error| UnpackError::Malformed(error.to_string()))
        });
        let request = request.await.map_err(UnpackError::Unavailable)??;
        let envelope = Envelope {
            scope: TenantScope::of_envelope(TenantId(message.tenant)),
            project: message.project.as_deref().and_then(ProjectName::new),
            request,
            gzip: None,
        };
        Ok(Unpacked { envelope, room })
    }

    /// The body of a message, wherever it is.
    pub async fn body(&self, message: &SpanEnvelope) -> Result<Bytes, UnpackError> {
        match &message.content {
            Some(Content::Stored(stored)) => Ok(self.fetch(stored).await?.0),
            content => inside(content.clone()),
        }
    }

    /// Has a body that is needed for long count as new, so that the sweep does not take it for one that was left behind.
    pub async fn renew(&self, stored: &StoredBody) -> Result<(), UnpackError> {
        let (body, _room) = self.fetch(stored).await?;
        let renewed = self.archive.put(&stored.key, body).await;
        renewed.map_err(|error| UnpackError::Unavailable(error.to_string()))
    }

    /// Removes what a message left in the object store; a failure leaves it to the sweep.
    pub async fn discard(&self, key: &str) {
        if let Err(error) = self.archive.delete(key).await {
            tracing::warn!(%error, "the body of a finished message stays in the object store for now");
        }
    }

    async fn fetch(&self, stored: &StoredBody) -> Result<(Bytes, OwnedSemaphorePermit), UnpackError> {
        let kib = usize::try_from(stored.bytes / 1024).unwrap_or(usize::MAX).clamp(1, self.most_kib);
        let kib = u32::try_from(kib).unwrap_or(u32::MAX);
        let room = Arc::clone(&self.room_kib).acquire_many_owned(kib).await;
        let room = room.map_err(|error| UnpackError::Unavailable(error.to_string()))?;
        match self.archive.get(&stored.key).await {
            Ok(body) => Ok((body, room)),
            Err(error) if error.is_missing() => Err(UnpackError::BodyGone),
            Err(error) => Err(UnpackError::Unavailable(error.to_string())),
        }
    }
}

/// As the sender compressed it, else with zstd, and as it is if it cannot be compressed.
async fn compressed(body: Bytes, gzip: Option<Bytes>) -> Content {
    let bytes = body.len() as u64;
    if let Some(data) = gzip {
        return Content::Compressed(CompressedBody { data, bytes, encoding: Encoding::Gzip.into() });
    }
    let whole = body.clone();
    match apart(move || compress(&whole)).await {
        Ok(Ok(data)) => {
            let encoding = Encoding::Zstd.into();
            Content::Compressed(CompressedBody { data: data.into(), bytes, encoding })
        }
        _ => Content::Body(body),
    }
}

/// The body that a message holds itself.
fn inside(content: Option<Content>) -> Result<Bytes, UnpackError> {
    let malformed = |reason: String| Err(UnpackError::Malformed(reason));
    match content {
        Some(Content::Body(body)) => Ok(body),
        Some(Content::Compressed(body)) if body.bytes <= MOST_INFLATED => {
            let most = usize::try_from(body.bytes).unwrap_or(usize::MAX);
            let inflated = match Encoding::try_from(body.encoding) {
                Ok(Encoding::Zstd) => inflate_zstd(&body.data, most),
                Ok(Encoding::Gzip) => inflate_gzip(&body.data, most),
                Err(error) => return malformed(error.to_string()),
            };
            inflated.map(Bytes::from).or_else(|error| malformed(format!("it cannot be inflated: {error}")))
        }
        Some(Content::Compressed(body)) => malformed(format!("it claims to hold {} bytes", body.bytes)),
        Some(Content::Stored(_)) | None => malformed("it has no content".to_owned()),
    }
}

/// On a thread for work that takes longer than one that serves others may stand still.
async fn apart<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, String> {
    tokio::task::spawn_blocking(work).await.map_err(|error| error.to_string())
}

fn body_key(tenant: i64) -> String {
    format!("tenants/{tenant}/envelopes/{:032x}", fastrand::u128(..))
}

/// Whether an object is the body of a message.
pub fn is_body(key: &str) -> bool {
    key.strip_prefix("tenants/")
        .and_then(|rest| rest.split_once('/'))
        .is_some_and(|(_, rest)| rest.starts_with("envelopes/"))
}

/// Reads the outer part of a message.
pub(super) fn read_message(bytes: Bytes) -> Result<SpanEnvelope, UnpackError> {
    SpanEnvelope::decode(bytes).map_err(|error| UnpackError::Malformed(error.to_string()))
}

/// The body of a message, if it is not inside.
pub(super) fn stored_body(message: &SpanEnvelope) -> Option<&StoredBody> {
    match &message.content {
        Some(Content::Stored(stored)) => Some(stored),
        _ => None,
    }
}

/// Where the body of a message is, if it is not inside.
pub(super) fn stored_key(message: &SpanEnvelope) -> Option<&str> {
    stored_body(message).map(|stored| stored.key.as_str())
}

#[cfg(test)]
mod tests {
    use bennu_testkit::gzip;

    use super::*;

    fn malformed(content: Option<Content>) -> String {
        match inside(content) {
            Err(UnpackError::Malformed(reason)) => reason,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn a_body_comes_out_as_it_went_in() {
        let body = Bytes::from("What is the capital of Iceland? ".repeat(200));
        let packed = compressed(body.clone(), None).await;
        assert!(matches!(&packed, Content::Compressed(small) if small.data.len() < body.len() / 10));
        assert_eq!(inside(Some(packed)).unwrap(), body);
        let gzip = Bytes::from(gzip(&body));
        let packed = compressed(body.clone(), Some(gzip.clone())).await;
        assert!(matches!(&packed, Content::Compressed(as_received) if as_received.data == gzip));
        assert_eq!(inside(Some(packed)).unwrap(), body);
        // As messages were before they were compressed.
        assert_eq!(inside(Some(Content::Body(body.clone()))).unwrap(), body);
    }

    #[test]
    fn a_message_cannot_ask_for_more_memory_than_a_body_may_have() {
        let body = |data: &[u8], bytes, encoding| {
            let data = Bytes::copy_from_slice(data);
            Some(Content::Compressed(CompressedBody { data, bytes, encoding }))
        };
        let claims = |bytes| body(b"no", bytes, 0);
        assert_eq!(malformed(claims(u64::MAX)), "it claims to hold 18446744073709551615 bytes");
        assert!(malformed(claims(10)).starts_with("it cannot be inflated"));
        assert_eq!(malformed(body(b"no", 10, 99)), "unknown enumeration value 99");
        let short = malformed(body(&compress(&[7; 5_000]).unwrap(), 100, 0));
        assert!(short.starts_with("it cannot be inflated"), "{short}");
        assert_eq!(malformed(None), "it has no content");
    }

    #[test]
    fn bodies_are_told_from_other_objects() {
        assert!(is_body(&body_key(7)));
        for other in ["tenants/7/blocks/1", "envelopes/1", "probes/none", "tenants/7"] {
            assert!(!is_body(other), "{other}");
        }
    }
}
