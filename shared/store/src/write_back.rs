//! Writes what of a file is in memory only to the disk, little by little: a disk that is given megabytes at once has everybody else
//! wait for them, whose few kilobytes come later.

use std::fs::File;
use std::io;

/// Bytes that the disk is given at once: a millisecond's work or less.
const PIECE: u64 = 256 << 10;
/// A file grows at its end, where everything is to be written; what is changed further in front lies the thinner the longer the file
/// is. So pieces grow towards its beginning, to this part of what is left behind them, and there are hundreds in any file.
const SHARE: u64 = 64;

/// Returns when it is written. A crash of the machine may still lose it, as long as the file is not synced.
pub(crate) fn write_back(file: &File) -> io::Result<()> {
    let length = file.metadata()?.len();
    pieces(length).try_for_each(|(offset, bytes)| write_range(file, offset, bytes))
}

/// Offset and length of each, the last one first.
fn pieces(length: u64) -> impl Iterator<Item = (u64, u64)> {
    let mut end = length;
    std::iter::from_fn(move || {
        let bytes = PIECE.max((length - end) / SHARE).min(end);
        end -= bytes;
        (bytes > 0).then_some((end, bytes))
    })
}

#[cfg(target_os = "linux")]
fn write_range(file: &File, offset: u64, bytes: u64) -> io::Result<()> {
    use std::os::fd::AsRawFd as _;

    let wrong = |_| io::Error::from(io::ErrorKind::InvalidInput);
    let (offset, bytes) = (i64::try_from(offset).map_err(wrong)?, i64::try_from(bytes).map_err(wrong)?);
    let flags =
        libc::SYNC_FILE_RANGE_WAIT_BEFORE | libc::SYNC_FILE_RANGE_WRITE | libc::SYNC_FILE_RANGE_WAIT_AFTER;
    #[expect(
        unsafe_code,
        reason = "a system call on numbers, with a file that is open for as long as it takes"
    )]
    let done = unsafe { libc::sync_file_range(file.as_raw_fd(), offset, bytes, flags) };
    if done == 0 {
        return Ok(());
    }
    match io::Error::last_os_error() {
        // A sandbox without this call: the sync that follows writes everything at once.
        error if matches!(error.raw_os_error(), Some(libc::ENOSYS | libc::EPERM)) => Ok(()),
        error => Err(error),
    }
}

/// Elsewhere systems only write whole files.
#[cfg(not(target_os = "linux"))]
fn write_range(_: &File, _: u64, _: u64) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt as _;

    use super::*;

    #[test]
    fn pieces_cover_the_file_and_are_few() {
        for length in [0, 1, PIECE, PIECE + 1, 1 << 30, 1 << 40] {
            let pieces: Vec<_> = pieces(length).collect();
            let mut end = length;
            for (offset, bytes) in &pieces {
                assert_eq!(offset + bytes, end);
                end = *offset;
            }
            assert_eq!(end, 0);
            assert!(pieces.len() < 1_000, "{} for {length}", pieces.len());
        }
        let near_the_end = pieces(1 << 40).take(64);
        assert!(near_the_end.into_iter().all(|(_, bytes)| bytes == PIECE));
    }

    #[test]
    fn what_was_changed_anywhere_is_written() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(64 * PIECE).unwrap();
        for offset in [0, 30 * PIECE, 64 * PIECE - 1] {
            file.write_all_at(b"!", offset).unwrap();
        }
        write_back(&file).unwrap();
        write_back(&tempfile::tempfile().unwrap()).unwrap();
    }
}
