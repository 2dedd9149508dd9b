//! Reads request bodies: inflated as they arrive, or as a whole if they are short gzip, and never beyond the limit, so that a small
//! body that inflates to gigabytes costs no more than the limit.

use std::mem;
use std::time::{Duration, Instant};

use actix_web::web;
use bennu_access::Principal;
use bennu_kit::http::ApiError;
use bennu_queue::{inflate_first_member, lone_member_size};
use bytes::Bytes;
use futures::StreamExt as _;
use tokio::time::timeout;

use super::budget::Held;
use super::http::{api_error, unavailable};
use super::inflate::{BodyFault, Encoding, Inflater};
use super::receiver::Receiver;

/// A body, and how it came.
#[derive(Debug, PartialEq, Eq)]
pub struct Body {
    pub inflated: Bytes,
    /// As the sender compressed it, if it did so with gzip, the broker takes it so, and there is room for both.
    pub gzip: Option<Bytes>,
}

impl From<Bytes> for Body {
    fn from(inflated: Bytes) -> Self {
        Self { inflated, gzip: None }
    }
}

/// A body that is coming in holds its share of the budget, which others wait for: exporters send without pausing, and give
/// up after 10 s themselves.
const BODY_SILENCE: Duration = Duration::from_secs(5);

/// The largest body over a slow line (64 MiB at 10 Mbit/s).
const BODY_TIME: Duration = Duration::from_mins(1);

/// Bytes of a gzip body that is inflated once it is there as a whole, which takes half the time; and of what it holds. It takes the
/// thread a millisecond or two, and others wait meanwhile.
const WHOLE_GZIP: usize = 256 * 1024;
const WHOLE_INFLATED: usize = 2 * 1024 * 1024;

/// Bytes of what is not inflated as a whole after all that are inflated before its share of the budget grows.
const PIECE: usize = 16 * 1024;

/// Reads a caller's body within the receiver's limit, on the wire as well as inflated, and holds its share of the budget.
pub async fn read_body(
    payload: web::Payload,
    encoding: Encoding,
    receiver: &Receiver,
    caller: &Principal,
) -> Result<(Body, Held), ApiError> {
    let limit = receiver.max_body_bytes();
    if let Err(over) = receiver.check_quota(caller) {
        // Read to its end, or the sender would see a broken connection instead of the answer.
        read_chunks(payload, limit, |_| Ok(())).await?;
        return Err(api_error(over));
    }
    let held = receiver.budget().hold(caller.parts().tenant, 0).map_err(unavailable)?;
    let mut intake = Intake::new(encoding, limit, receiver.passes_gzip_on(), held)?;
    read_chunks(payload, limit, |chunk| intake.take(chunk)).await?;
    intake.end()
}

async fn read_chunks(
    mut payload: web::Payload,
    limit: usize,
    mut take: impl FnMut(&[u8]) -> Result<(), ApiError>,
) -> Result<(), ApiError> {
    let (started, mut received) = (Instant::now(), 0_usize);
    while let Some(chunk) = timeout(BODY_SILENCE, payload.next()).await.map_err(|_| stalled())? {
        if started.elapsed() > BODY_TIME {
            return Err(stalled());
        }
        let chunk =
            chunk.map_err(|error| ApiError::BadRequest(format!("The body could not be read: {error}")))?;
        received = received.saturating_add(chunk.len());
        if received > limit {
            return Err(BodyFault::TooLarge { limit }.into());
        }
        take(&chunk)?;
    }
    Ok(())
}

fn stalled() -> ApiError {
    ApiError::BadRequest("The body came too slowly.".to_owned())
}

impl From<BodyFault> for ApiError {
    fn from(fault: BodyFault) -> Self {
        match fault {
            BodyFault::TooLarge { .. } => Self::TooLarge(fault.to_string()),
            BodyFault::Corrupt(_) => Self::BadRequest(fault.to_string()),
        }
    }
}

/// A body as it comes in, with its share of the budget.
struct Intake {
    inflater: Inflater,
    limit: usize,
    held: Held,
    /// What came of a gzip body that waits for its end, or is kept.
    gzip: Vec<u8>,
    waits: bool,
    keeps: bool,
}

impl Intake {
    fn new(encoding: Encoding, limit: usize, keeps_gzip: bool, held: Held) -> Result<Self, ApiError> {
        let inflater = Inflater::new(encoding, limit).map_err(ApiError::internal)?;
        let waits = encoding == Encoding::Gzip;
        Ok(Self { inflater, limit, held, gzip: Vec::new(), waits, keeps: waits && keeps_gzip })
    }

    fn take(&mut self, chunk: &[u8]) -> Result<(), ApiError> {
        if !self.waits {
            return self.inflate(chunk);
        }
        self.gzip.extend_from_slice(chunk);
        match self.gzip.len() {
            ..=WHOLE_GZIP => self.held.grow_to(self.gzip.len()).map_err(unavailable),
            _ => self.inflate_what_waits(),
        }
    }

    fn inflate(&mut self, chunk: &[u8]) -> Result<(), ApiError> {
        self.inflater.write(chunk)?;
        let inflated = self.inflater.inflated();
        if self.keeps {
            self.gzip.extend_from_slice(chunk);
            if self.held.grow_to(inflated + self.gzip.len()).is_ok() {
                return Ok(());
            }
            // Without it there may be room: the largest body fits alone.
            (self.keeps, self.gzip) = (false, Vec::new());
        }
        self.held.grow_to(inflated).map_err(unavailable)
    }

    fn inflate_what_waits(&mut self) -> Result<(), ApiError> {
        self.waits = false;
        let waiting = mem::take(&mut self.gzip);
        waiting.chunks(PIECE).try_for_each(|piece| self.inflate(piece))
    }

    /// `None` if it has to be done piece by piece, which may tell why.
    fn inflate_whole(&mut self) -> Option<Bytes> {
        let most = self.limit.min(WHOLE_INFLATED);
        let size = lone_member_size(&self.gzip).filter(|size| *size <= most)?;
        self.held.grow_to(size + self.gzip.len()).ok()?;
        inflate_first_member(&self.gzip, size).map(Bytes::from)
    }

    fn end(mut self) -> Result<(Body, Held), ApiError> {
        let whole = if self.waits { self.inflate_whole() } else { None };
        let inflated = if let Some(inflated) = whole {
            inflated
        } else {
            if self.waits {
                self.inflate_what_waits()?;
            }
            self.inflater.finish()?
        };
        let pays = self.keeps && !self.gzip.is_empty() && self.gzip.len() < inflated.len();
        let gzip = pays.then(|| Bytes::from(self.gzip));
        Ok((Body { inflated, gzip }, self.held))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use actix_web::FromRequest as _;
    use actix_web::test::TestRequest;
    use async_trait::async_trait;
    use bennu_domain::time::SystemClock;
    use bennu_kit::telemetry::Metrics;
    use bennu_queue::{Envelope, PublishError, SpanBroker, embedded_span_broker};
    use bennu_quota::{MemoryBuckets, Quota};
    use bennu_testkit::gzip;

    use super::*;
    use crate::decode_pool::DecodePool;
    use crate::receive::Budget;

    /// Takes nothing, but would take gzip.
    struct Passing;

    #[async_trait]
    impl SpanBroker for Passing {
        async fn publish(&self, _: Envelope) -> Result<(), PublishError> {
            Err(PublishError::Full)
        }

        fn passes_gzip_on(&self) -> bool {
            true
        }
    }

    const LARGEST: usize = 8 << 20;

    /// Reads a gzip body of so many inflated bytes at most, in a budget of `buffer` bytes.
    async fn read(
        sent: Vec<u8>,
        largest: usize,
        buffer: usize,
        broker: Arc<dyn SpanBroker>,
    ) -> Result<Body, ApiError> {
        let quota = Quota::new(Arc::new(MemoryBuckets::new(Arc::new(SystemClock))));
        let (metrics, budget) = (Metrics::new().unwrap(), Budget::new(buffer, largest));
        let decoding = DecodePool::of_this_machine().unwrap();
        let receiver = Receiver::new(broker, metrics, largest, budget, quota, decoding);
        let (request, mut payload) = TestRequest::default().set_payload(sent).to_http_parts();
        let payload = web::Payload::from_request(&request, &mut payload).await.unwrap();
        let caller = Principal::of_open_deployment();
        read_body(payload, Encoding::Gzip, &receiver, &caller).await.map(|(body, _held)| body)
    }

    async fn inflated(sent: Vec<u8>) -> Result<Bytes, ApiError> {
        read(sent, LARGEST, 3 * LARGEST, Arc::new(Passing)).await.map(|body| body.inflated)
    }

    /// Bytes that hardly shrink.
    fn noise(bytes: usize) -> Vec<u8> {
        let mut random = fastrand::Rng::with_seed(7);
        (0..bytes).map(|_| random.u8(..)).collect()
    }

    #[actix_web::test]
    async fn gzip_is_inflated_as_a_whole_and_piece_by_piece() {
        for data in
            [noise(5_000), noise(2 * WHOLE_GZIP), vec![7; WHOLE_INFLATED], vec![7; WHOLE_INFLATED + 1]]
        {
            assert!(inflated(gzip(&data)).await.unwrap() == data, "{} bytes", data.len());
        }
        assert_eq!(inflated([gzip(b"same"), gzip(b"same")].concat()).await.unwrap(), "samesame");
        assert_eq!(inflated(Vec::new()).await.unwrap(), "");
    }

    #[actix_web::test]
    async fn gzip_that_is_broken_or_too_large_is_refused() {
        let whole = gzip(&noise(5_000));
        for broken in [&whole[..whole.len() - 1], &whole[..12], &[&whole[..], b"end"].concat(), b"no gzip"] {
            assert!(matches!(inflated(broken.to_vec()).await, Err(ApiError::BadRequest(_))), "{broken:?}");
        }
        for data in [vec![7; LARGEST + 1], noise(LARGEST + 1)] {
            assert!(matches!(inflated(gzip(&data)).await, Err(ApiError::TooLarge(_))));
        }
        let mut modest = gzip(&vec![7; 2 * LARGEST]);
        let says = modest.len() - 4;
        modest[says..].copy_from_slice(&100_u32.to_le_bytes());
        assert!(matches!(inflated(modest).await, Err(ApiError::TooLarge(_))));
    }

    #[actix_web::test]
    async fn gzip_is_kept_beside_what_it_inflates_to_if_there_is_room() {
        for data in [vec![7; 100_000], [noise(WHOLE_GZIP), vec![7; 100_000]].concat()] {
            let (sent, largest) = (gzip(&data), data.len());
            let body = read(sent.clone(), largest, 3 * largest, Arc::new(Passing)).await.unwrap();
            assert!(body == Body { inflated: data.into(), gzip: Some(sent.into()) }, "{largest} bytes");
        }
    }

    #[actix_web::test]
    async fn gzip_is_not_kept_where_nobody_takes_it() {
        let (data, (broker, _deliveries)) = (vec![7; 100_000], embedded_span_broker(1));
        let body = read(gzip(&data), LARGEST, LARGEST, Arc::new(broker)).await.unwrap();
        assert!(body == Body { inflated: data.into(), gzip: None });
    }

    #[actix_web::test]
    async fn the_largest_body_fits_though_its_gzip_does_not_fit_beside_it() {
        // Random bytes take a little more as gzip.
        for (data, more) in [(vec![7; 100_000], 0), (noise(2 * WHOLE_GZIP), 1_000)] {
            let room = data.len() + more;
            let body = read(gzip(&data), room, room, Arc::new(Passing)).await.unwrap();
            assert!(body == Body { inflated: data.into(), gzip: None }, "{room} bytes");
        }
    }
}
