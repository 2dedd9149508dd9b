//! Reads request bodies: inflated as they arrive and never beyond the limit, so that a small body that
//! inflates to gigabytes costs no more than the limit.

use std::time::{Duration, Instant};

use actix_web::web;
use bennu_access::Principal;
use bennu_kit::http::ApiError;
use bytes::Bytes;
use flate2::{Decompress, FlushDecompress, Status};
use futures::StreamExt as _;
use tokio::time::timeout;
use zstd::stream::raw::{DParameter, InBuffer, Operation as _, OutBuffer};

use super::budget::Held;
use super::http::{api_error, unavailable};
use super::receiver::Receiver;

/// Content encodings of request bodies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    Identity,
    Gzip,
    /// zlib-wrapped, as HTTP defines it (RFC 9110, section 8.4.1.2).
    Deflate,
    Zstd,
}

impl Encoding {
    /// Reads a `Content-Encoding` header; codings are case-insensitive (RFC 9110, section 8.4.1).
    pub fn parse(header: &str) -> Option<Self> {
        match header.trim().to_ascii_lowercase().as_str() {
            "" | "identity" => Some(Self::Identity),
            "gzip" | "x-gzip" => Some(Self::Gzip),
            "deflate" => Some(Self::Deflate),
            "zstd" => Some(Self::Zstd),
            _ => None,
        }
    }
}

/// A body, and how it came.
#[derive(Debug, PartialEq, Eq)]
pub struct Body {
    pub inflated: Bytes,
    /// As the sender compressed it, if it did so with gzip and there is room for both.
    pub gzip: Option<Bytes>,
}

impl From<Bytes> for Body {
    fn from(inflated: Bytes) -> Self {
        Self { inflated, gzip: None }
    }
}

/// The window that RFC 8878 (section 3.1.1.1.2) asks decoders to support: 8 MiB. A frame that asks for more is refused
/// before the memory is taken.
const ZSTD_WINDOW_LOG: u32 = 23;

/// The largest window that gzip has (RFC 1952).
const GZIP_WINDOW_BITS: u8 = 15;

/// A body that is coming in holds its share of the budget, which others wait for: exporters send without pausing, and give
/// up after 10 s themselves.
const BODY_SILENCE: Duration = Duration::from_secs(5);

/// The largest body over a slow line (64 MiB at 10 Mbit/s).
const BODY_TIME: Duration = Duration::from_mins(1);

/// Room that the output grows by at least.
const SMALLEST_GROWTH: usize = 16 * 1024;

/// Few bodies are larger.
const LARGE_OUTPUT: usize = 4 * 1024 * 1024;

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
    let mut inflater = Inflater::new(encoding, limit).map_err(ApiError::internal)?;
    let mut gzip = (encoding == Encoding::Gzip).then(Vec::new);
    let mut held = receiver.budget().hold(caller.parts().tenant, 0).map_err(unavailable)?;
    read_chunks(payload, limit, |chunk| {
        inflater.write(chunk)?;
        let inflated = inflater.output.len();
        if let Some(kept) = &mut gzip {
            kept.extend_from_slice(chunk);
            if held.grow_to(inflated + kept.len()).is_ok() {
                return Ok(());
            }
            gzip = None; // without it there may be room: the largest body fits alone
        }
        held.grow_to(inflated).map_err(unavailable)
    })
    .await?;
    let inflated = inflater.finish()?;
    let gzip = gzip.filter(|gzip| !gzip.is_empty() && gzip.len() < inflated.len()).map(Bytes::from);
    Ok((Body { inflated, gzip }, held))
}

async fn read_chunks(
    mut payload: web::Payload,
    limit: usize,
    mut take: impl FnMut(&[u8]) -> Result<(), ApiError>,
) -> Result<(), ApiError> {
    let (started, mut received) = (Instant::now(), 0_usize);
    while let Some(chunk) = timeout(BODY_SILENCE, payload.next()).await.map_err(|_| BodyFault::Stalled)? {
        if started.elapsed() > BODY_TIME {
            return Err(BodyFault::Stalled.into());
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

#[derive(Debug, thiserror::Error)]
enum BodyFault {
    #[error("The body is larger than {limit} bytes.")]
    TooLarge { limit: usize },
    #[error("The body cannot be decompressed: {0}")]
    Corrupt(String),
    #[error("The body came too slowly.")]
    Stalled,
}

impl From<BodyFault> for ApiError {
    fn from(fault: BodyFault) -> Self {
        match fault {
            BodyFault::TooLarge { .. } => Self::TooLarge(fault.to_string()),
            BodyFault::Corrupt(_) | BodyFault::Stalled => Self::BadRequest(fault.to_string()),
        }
    }
}

enum Stream {
    Identity,
    /// gzip, whose members may follow one another, or zlib, of which there is one.
    Flate {
        stream: Decompress,
        gzip: bool,
    },
    Zstd(zstd::stream::raw::Decoder<'static>),
}

struct Inflater {
    stream: Stream,
    output: Vec<u8>,
    limit: usize,
    /// Whether what was read so far is complete.
    complete: bool,
}

impl Inflater {
    fn new(encoding: Encoding, limit: usize) -> std::io::Result<Self> {
        let stream = match encoding {
            Encoding::Identity => Stream::Identity,
            Encoding::Gzip => Stream::Flate { stream: Decompress::new_gzip(GZIP_WINDOW_BITS), gzip: true },
            Encoding::Deflate => Stream::Flate { stream: Decompress::new(true), gzip: false },
            Encoding::Zstd => {
                let mut decoder = zstd::stream::raw::Decoder::new()?;
                decoder.set_parameter(DParameter::WindowLogMax(ZSTD_WINDOW_LOG))?;
                Stream::Zstd(decoder)
            }
        };
        // An empty body is an empty request, whatever its encoding claims.
        Ok(Self { stream, output: Vec::new(), limit, complete: true })
    }

    fn write(&mut self, mut input: &[u8]) -> Result<(), BodyFault> {
        while !input.is_empty() || self.output.len() == self.output.capacity() && !self.complete {
            self.make_room()?;
            let before = self.output.len();
            let read = self.step(input)?;
            input = &input[read..];
            if self.output.len() > self.limit {
                return Err(BodyFault::TooLarge { limit: self.limit });
            }
            let idle = read == 0 && self.output.len() == before;
            match idle {
                true if input.is_empty() => break, // the rest is still to come
                true => return Err(BodyFault::Corrupt("something follows its end".to_owned())),
                false => {}
            }
        }
        Ok(())
    }

    /// Doubles the output, and reserves all there may be once it is large: memory that is never written to costs nothing,
    /// while moving a large output to a larger place holds it twice.
    fn make_room(&mut self) -> Result<(), BodyFault> {
        if self.output.len() < self.output.capacity() {
            return Ok(());
        }
        if self.output.len() > self.limit {
            return Err(BodyFault::TooLarge { limit: self.limit });
        }
        // One byte more than the limit shows that it is passed.
        let largest = self.limit + 1;
        let capacity = match self.output.capacity() {
            LARGE_OUTPUT.. => largest,
            small => (small * 2).max(SMALLEST_GROWTH).min(largest),
        };
        self.output.reserve_exact(capacity - self.output.len());
        Ok(())
    }

    /// Inflates some of `input` into the room there is; answers how much was read.
    fn step(&mut self, input: &[u8]) -> Result<usize, BodyFault> {
        let corrupt = |error: &dyn std::error::Error| BodyFault::Corrupt(error.to_string());
        match &mut self.stream {
            Stream::Identity => {
                let taken = input.len().min(self.output.capacity() - self.output.len());
                self.output.extend_from_slice(&input[..taken]);
                Ok(taken)
            }
            Stream::Flate { stream, gzip } => {
                if self.complete && *gzip && stream.total_in() > 0 {
                    *stream = Decompress::new_gzip(GZIP_WINDOW_BITS);
                }
                let read_before = stream.total_in();
                let status = stream.decompress_vec(input, &mut self.output, FlushDecompress::None);
                self.complete = status.map_err(|error| corrupt(&error))? == Status::StreamEnd;
                usize::try_from(stream.total_in() - read_before).map_err(|error| corrupt(&error))
            }
            Stream::Zstd(decoder) => {
                let mut source = InBuffer::around(input);
                let written = self.output.len();
                let mut target = OutBuffer::around_pos(&mut self.output, written);
                self.complete = decoder.run(&mut source, &mut target).map_err(|error| corrupt(&error))? == 0;
                Ok(source.pos())
            }
        }
    }

    fn finish(self) -> Result<Bytes, BodyFault> {
        match self.complete {
            true => Ok(Bytes::from(self.output)),
            false => Err(BodyFault::Corrupt("it ends too early".to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::sync::Arc;

    use actix_web::FromRequest as _;
    use actix_web::test::TestRequest;
    use bennu_domain::time::SystemClock;
    use bennu_kit::telemetry::Metrics;
    use bennu_queue::embedded_span_broker;
    use bennu_quota::{MemoryBuckets, Quota};
    use flate2::Compression;
    use flate2::write::{GzEncoder, ZlibEncoder};

    use super::*;
    use crate::decode_pool::DecodePool;
    use crate::receive::Budget;

    fn gzip(data: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap()
    }

    fn zlib(data: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap()
    }

    fn encoded(encoding: Encoding, data: &[u8]) -> Vec<u8> {
        match encoding {
            Encoding::Identity => data.to_vec(),
            Encoding::Gzip => gzip(data),
            Encoding::Deflate => zlib(data),
            Encoding::Zstd => zstd::encode_all(data, 3).unwrap(),
        }
    }

    /// Feeds a body in pieces, as it comes from a socket.
    fn inflate(encoding: Encoding, body: &[u8], piece: usize, limit: usize) -> Result<Bytes, BodyFault> {
        let mut inflater = Inflater::new(encoding, limit).unwrap();
        body.chunks(piece).try_for_each(|chunk| inflater.write(chunk))?;
        inflater.finish()
    }

    const ALL: [Encoding; 4] = [Encoding::Identity, Encoding::Gzip, Encoding::Deflate, Encoding::Zstd];

    #[test]
    fn every_encoding_inflates_whatever_the_pieces() {
        let data: Vec<u8> = (0..100_000_u32).flat_map(|number| (number / 7).to_le_bytes()).collect();
        for encoding in ALL {
            for piece in [1_000, 65_536, usize::MAX] {
                let inflated = inflate(encoding, &encoded(encoding, &data), piece, data.len()).unwrap();
                assert!(inflated == data, "{encoding:?} in pieces of {piece}");
            }
            assert_eq!(inflate(encoding, &encoded(encoding, b"x"), 1, 10).unwrap(), "x");
            assert_eq!(inflate(encoding, b"", 1, 10).unwrap(), "");
        }
    }

    #[test]
    fn one_byte_over_the_limit_is_too_large() {
        for encoding in ALL {
            let body = encoded(encoding, &vec![7; 50_000]);
            let fault = inflate(encoding, &body, 4_096, 49_999).unwrap_err();
            assert!(matches!(fault, BodyFault::TooLarge { .. }), "{encoding:?}: {fault}");
        }
    }

    #[test]
    fn cut_and_broken_bodies_are_corrupt() {
        for encoding in [Encoding::Gzip, Encoding::Deflate, Encoding::Zstd] {
            let body = encoded(encoding, &[b"some text ".repeat(500), b"and an end".to_vec()].concat());
            for cut in [1, body.len() / 2, body.len() - 1] {
                let fault = inflate(encoding, &body[..cut], 7, 100_000).unwrap_err();
                assert!(matches!(fault, BodyFault::Corrupt(_)), "{encoding:?} cut at {cut}");
            }
            let fault = inflate(encoding, b"this is not compressed", 7, 100_000).unwrap_err();
            assert!(matches!(fault, BodyFault::Corrupt(_)), "{encoding:?}");
        }
        let trailing = [zlib(b"a"), b"b".to_vec()].concat();
        assert!(matches!(inflate(Encoding::Deflate, &trailing, 100, 100), Err(BodyFault::Corrupt(_))));
    }

    /// Reads a gzip body into a buffer of so many bytes.
    async fn read(inflated: &[u8], buffer: usize) -> Result<Body, ApiError> {
        let (broker, _deliveries) = embedded_span_broker(1);
        let quota = Quota::new(Arc::new(MemoryBuckets::new(Arc::new(SystemClock))));
        let (metrics, budget) = (Metrics::new().unwrap(), Budget::new(buffer, inflated.len()));
        let decoding = DecodePool::of_this_machine().unwrap();
        let receiver = Receiver::new(Arc::new(broker), metrics, inflated.len(), budget, quota, decoding);
        let (request, mut payload) = TestRequest::default().set_payload(gzip(inflated)).to_http_parts();
        let payload = web::Payload::from_request(&request, &mut payload).await.unwrap();
        let caller = Principal::of_open_deployment();
        read_body(payload, Encoding::Gzip, &receiver, &caller).await.map(|(body, _held)| body)
    }

    #[actix_web::test]
    async fn gzip_is_kept_beside_what_it_inflates_to_if_there_is_room() {
        let data = vec![7; 100_000];
        let body = read(&data, 200_000).await.unwrap();
        assert_eq!((&body.inflated[..], body.gzip.unwrap()), (&data[..], Bytes::from(gzip(&data))));
    }

    #[actix_web::test]
    async fn the_largest_body_fits_though_its_gzip_does_not_fit_beside_it() {
        let data = vec![7; 100_000];
        let body = read(&data, data.len()).await.unwrap();
        assert_eq!((&body.inflated[..], body.gzip), (&data[..], None));
    }

    #[test]
    fn gzip_members_and_zstd_frames_may_follow_one_another() {
        let members = [gzip(b"one "), gzip(b"two")].concat();
        assert_eq!(inflate(Encoding::Gzip, &members, 5, 100).unwrap(), "one two");
        let frames =
            [zstd::encode_all(&b"one "[..], 3).unwrap(), zstd::encode_all(&b"two"[..], 3).unwrap()].concat();
        assert_eq!(inflate(Encoding::Zstd, &frames, 5, 100).unwrap(), "one two");
    }
}
