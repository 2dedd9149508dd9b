//! Compressed bodies. Threads keep what zstd works with, as setting it up takes longer than small bodies themselves.

use std::cell::RefCell;
use std::io::{self, Read as _};

use flate2::bufread::MultiGzDecoder;
use zstd::bulk::{Compressor, Decompressor};

use crate::gzip::inflate_first_member;

/// The broker writes every message to its disk twice, and to every node of a cluster; prompts shrink to a quarter. That takes about
/// 7 microseconds a span at both ends together. The broker's processor time stays what it is: it copies no bodies.
const LEVEL: i32 = 1;

/// Larger bodies wait in the object store by default.
const USUAL_BYTES: usize = 1 << 20;

thread_local! {
    static COMPRESSOR: RefCell<Option<Compressor<'static>>> = const { RefCell::new(None) };
    static DECOMPRESSOR: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
}

pub(crate) fn compress(body: &[u8]) -> io::Result<Vec<u8>> {
    let mut compressor = COMPRESSOR.take().map_or_else(|| Compressor::new(LEVEL), Ok)?;
    let compressed = compressor.compress(body)?;
    COMPRESSOR.set(Some(compressor));
    Ok(compressed)
}

/// An error if it is not of so many bytes at most.
pub(crate) fn inflate_zstd(compressed: &[u8], most: usize) -> io::Result<Vec<u8>> {
    let mut decompressor = DECOMPRESSOR.take().map_or_else(Decompressor::new, Ok)?;
    let body = decompressor.decompress(compressed, most)?;
    DECOMPRESSOR.set(Some(decompressor));
    Ok(body)
}

/// An error if it is not of so many bytes at most; usually it is of just so many.
pub(crate) fn inflate_gzip(compressed: &[u8], most: usize) -> io::Result<Vec<u8>> {
    if most <= USUAL_BYTES
        && let Some(body) = inflate_first_member(compressed, most)
    {
        return Ok(body);
    }
    // Room that the end shows itself in; what claims to be large grows as it comes.
    let mut body = Vec::with_capacity(most.saturating_add(1).min(USUAL_BYTES));
    MultiGzDecoder::new(compressed).take((most as u64).saturating_add(1)).read_to_end(&mut body)?;
    if body.len() > most {
        return Err(io::Error::other(format!("there are more than {most} bytes of it")));
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use bennu_testkit::gzip;

    use super::*;

    #[test]
    fn what_failed_does_not_spoil_what_comes_next() {
        let body = b"What is the capital of Iceland? ".repeat(50);
        let compressed = compress(&body).unwrap();
        assert!(compressed.len() < body.len() / 10);
        assert!(inflate_zstd(b"no", body.len()).is_err());
        assert!(inflate_zstd(&compressed, body.len() - 1).is_err());
        assert_eq!(inflate_zstd(&compressed, body.len()).unwrap(), body);
        assert_eq!(compress(&body).unwrap(), compressed);
    }

    #[test]
    fn gzip_is_inflated_to_its_last_member_and_not_beyond_its_bound() {
        let members = [gzip(b"one "), gzip(b"two")].concat();
        assert_eq!(inflate_gzip(&members, 7).unwrap(), b"one two");
        assert!(inflate_gzip(&members, 6).is_err());
        assert!(inflate_gzip(&members[..members.len() - 9], 7).is_err(), "it was cut");
        assert!(inflate_gzip(b"no gzip", 100).is_err());
    }
}
