//! Compressed bodies. Threads keep what zstd works with, as setting it up takes longer than small bodies themselves.

use std::cell::RefCell;
use std::io;

use zstd::bulk::{Compressor, Decompressor};

/// The broker writes every message to its disk twice, and to every node of a cluster; prompts shrink to a quarter. That takes about
/// 7 microseconds a span at both ends together. The broker's processor time stays what it is: it copies no bodies.
const LEVEL: i32 = 1;

thread_local! {
    static COMPRESSOR: RefCell<Option<Compressor<'static>>> = const { RefCell::new(None) };
    static DECOMPRESSOR: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
}

pub(super) fn compress(body: &[u8]) -> io::Result<Vec<u8>> {
    let mut compressor = COMPRESSOR.take().map_or_else(|| Compressor::new(LEVEL), Ok)?;
    let compressed = compressor.compress(body)?;
    COMPRESSOR.set(Some(compressor));
    Ok(compressed)
}

/// An error if it is not of so many bytes at most.
pub(super) fn inflate(compressed: &[u8], most: usize) -> io::Result<Vec<u8>> {
    let mut decompressor = DECOMPRESSOR.take().map_or_else(Decompressor::new, Ok)?;
    let body = decompressor.decompress(compressed, most)?;
    DECOMPRESSOR.set(Some(decompressor));
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_failed_does_not_spoil_what_comes_next() {
        let body = b"What is the capital of Iceland? ".repeat(50);
        let compressed = compress(&body).unwrap();
        assert!(compressed.len() < body.len() / 10);
        assert!(inflate(b"no", body.len()).is_err());
        assert!(inflate(&compressed, body.len() - 1).is_err());
        assert_eq!(inflate(&compressed, body.len()).unwrap(), body);
        assert_eq!(compress(&body).unwrap(), compressed);
    }
}
