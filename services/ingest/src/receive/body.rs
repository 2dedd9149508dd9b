//! Reads request bodies: inflated as they arrive and never beyond the limit, so that a small body that
//! inflates to gigabytes costs no more than the limit.

use std::io::{self, Write};

use actix_web::web;
use bennu_kit::http::ApiError;
use bytes::Bytes;
use flate2::write::{MultiGzDecoder, ZlibDecoder};
use futures::StreamExt as _;

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

/// The window that RFC 8878 (section 3.1.1.1.2) asks decoders to support: 8 MiB. A frame that asks for more is refused
/// before the memory is taken.
const ZSTD_WINDOW_LOG: u32 = 23;

/// Reads a body of at most `limit` bytes, on the wire as well as inflated.
pub async fn read_body(mut payload: web::Payload, encoding: Encoding, limit: usize) -> Result<Bytes, ApiError> {
    let too_large = || ApiError::TooLarge(format!("The body is larger than {limit} bytes."));
    let mut inflater = Inflater::new(encoding, limit).map_err(ApiError::internal)?;
    let mut received = 0_usize;
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|error| ApiError::BadRequest(format!("The body could not be read: {error}")))?;
        received = received.saturating_add(chunk.len());
        if received > limit {
            return Err(too_large());
        }
        inflater.write(&chunk).map_err(|error| fault(&error, &too_large))?;
    }
    inflater.finish().map_err(|error| fault(&error, &too_large))
}

fn fault(error: &io::Error, too_large: &impl Fn() -> ApiError) -> ApiError {
    match error.kind() {
        io::ErrorKind::StorageFull => too_large(),
        _ => ApiError::BadRequest(format!("The body cannot be decompressed: {error}")),
    }
}

enum Inflater {
    Identity(Limited),
    Gzip(MultiGzDecoder<Limited>),
    Deflate(ZlibDecoder<Limited>),
    Zstd { decoder: Box<zstd::stream::write::Decoder<'static, Limited>>, started: bool },
}

impl Inflater {
    fn new(encoding: Encoding, limit: usize) -> io::Result<Self> {
        let output = Limited { bytes: Vec::new(), limit };
        Ok(match encoding {
            Encoding::Identity => Self::Identity(output),
            Encoding::Gzip => Self::Gzip(MultiGzDecoder::new(output)),
            Encoding::Deflate => Self::Deflate(ZlibDecoder::new(output)),
            Encoding::Zstd => {
                let mut decoder = zstd::stream::write::Decoder::new(output)?;
                decoder.window_log_max(ZSTD_WINDOW_LOG)?;
                Self::Zstd { decoder: Box::new(decoder), started: false }
            }
        })
    }

    fn write(&mut self, chunk: &[u8]) -> io::Result<()> {
        match self {
            Self::Identity(output) => output.write_all(chunk),
            Self::Gzip(decoder) => decoder.write_all(chunk),
            Self::Deflate(decoder) => decoder.write_all(chunk),
            Self::Zstd { decoder, started } => {
                *started |= !chunk.is_empty();
                decoder.write_all(chunk)
            }
        }
    }

    fn finish(self) -> io::Result<Bytes> {
        let output = match self {
            Self::Identity(output) => output,
            Self::Gzip(decoder) => decoder.finish()?,
            Self::Deflate(decoder) => decoder.finish()?,
            Self::Zstd { mut decoder, .. } => {
                decoder.flush()?;
                decoder.into_inner()
            }
        };
        Ok(Bytes::from(output.bytes))
    }
}

/// A growing buffer that refuses to grow beyond its limit.
struct Limited {
    bytes: Vec<u8>,
    limit: usize,
}

impl Write for Limited {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + data.len() > self.limit {
            return Err(io::ErrorKind::StorageFull.into());
        }
        // Doubling, but never beyond the limit.
        if self.bytes.capacity() - self.bytes.len() < data.len() {
            let target = (self.bytes.capacity() * 2).max(self.bytes.len() + data.len()).min(self.limit);
            self.bytes.reserve_exact(target - self.bytes.len());
        }
        self.bytes.extend_from_slice(data);
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
