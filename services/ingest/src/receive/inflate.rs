//! Inflates request bodies as they come, and never beyond the limit.

use bytes::Bytes;
use flate2::{Decompress, FlushDecompress, Status};
use zstd::stream::raw::{DParameter, InBuffer, Operation as _, OutBuffer};

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

/// The largest window that gzip has (RFC 1952).
const GZIP_WINDOW_BITS: u8 = 15;

/// Room that the output grows by at least.
const SMALLEST_GROWTH: usize = 16 * 1024;

/// Few bodies are larger.
const LARGE_OUTPUT: usize = 4 * 1024 * 1024;

/// What is wrong with a body.
#[derive(Debug, thiserror::Error)]
pub enum BodyFault {
    #[error("The body is larger than {limit} bytes.")]
    TooLarge { limit: usize },
    #[error("The body cannot be decompressed: {0}")]
    Corrupt(String),
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

/// A body on its way in.
pub struct Inflater {
    stream: Stream,
    output: Vec<u8>,
    limit: usize,
    /// Whether what was read so far is complete.
    complete: bool,
}

impl Inflater {
    pub fn new(encoding: Encoding, limit: usize) -> std::io::Result<Self> {
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

    /// Takes the next piece.
    pub fn write(&mut self, mut input: &[u8]) -> Result<(), BodyFault> {
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

    /// What is inflated so far, in bytes.
    pub fn inflated(&self) -> usize {
        self.output.len()
    }

    /// An error if more should have come.
    pub fn finish(self) -> Result<Bytes, BodyFault> {
        match self.complete {
            true => Ok(Bytes::from(self.output)),
            false => Err(BodyFault::Corrupt("it ends too early".to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use bennu_testkit::gzip;
    use flate2::Compression;
    use flate2::write::ZlibEncoder;

    use super::*;

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

    #[test]
    fn gzip_members_and_zstd_frames_may_follow_one_another() {
        let members = [gzip(b"one "), gzip(b"two")].concat();
        assert_eq!(inflate(Encoding::Gzip, &members, 5, 100).unwrap(), "one two");
        let frames =
            [zstd::encode_all(&b"one "[..], 3).unwrap(), zstd::encode_all(&b"two"[..], 3).unwrap()].concat();
        assert_eq!(inflate(Encoding::Zstd, &frames, 5, 100).unwrap(), "one two");
    }
}
