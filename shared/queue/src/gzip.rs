//! gzip bodies that are there as a whole and whose size is known: inflated at once they take half the time of a stream.

use std::cell::RefCell;

use libdeflater::Decompressor;
use memchr::memmem;

/// What every member begins with (RFC 1952, section 2.3): two bytes of identification, and the one method there is.
const MEMBER: [u8; 3] = [0x1f, 0x8b, 8];
/// Header and trailer of a member, without the deflated bytes between them.
const SMALLEST_MEMBER: usize = 18;

thread_local! {
    static DECOMPRESSOR: RefCell<Option<Decompressor>> = const { RefCell::new(None) };
}

/// The size that a member gives at its end for what it holds. `None` if others may follow it, or it is none.
pub fn lone_member_size(gzip: &[u8]) -> Option<usize> {
    let rest = gzip.strip_prefix(&MEMBER).filter(|_| gzip.len() >= SMALLEST_MEMBER)?;
    if memmem::find(rest, &MEMBER).is_some() {
        return None; // rarely they are compressed data
    }
    usize::try_from(u32::from_le_bytes(*rest.last_chunk()?)).ok()
}

/// What the first member holds. `None` unless it is sound and holds just so many bytes.
pub fn inflate_first_member(gzip: &[u8], size: usize) -> Option<Vec<u8>> {
    let mut decompressor = DECOMPRESSOR.take().unwrap_or_default();
    let mut inflated = vec![0; size];
    let written = decompressor.gzip_decompress(gzip, &mut inflated);
    DECOMPRESSOR.set(Some(decompressor));
    (written == Ok(size)).then_some(inflated)
}

#[cfg(test)]
mod tests {
    use bennu_testkit::gzip;

    use super::*;

    #[test]
    fn a_lone_member_says_how_large_it_is() {
        let member = gzip(b"What is the capital of Iceland?");
        assert_eq!(lone_member_size(&member), Some(31));
        assert_eq!(inflate_first_member(&member, 31).unwrap(), b"What is the capital of Iceland?");
        assert_eq!(lone_member_size(&gzip(b"")), Some(0));
        assert_eq!(inflate_first_member(&gzip(b""), 0).unwrap(), b"");
    }

    #[test]
    fn of_members_that_follow_one_another_none_is_taken_for_all() {
        assert_eq!(lone_member_size(&[gzip(b"same"), gzip(b"same")].concat()), None);
    }

    #[test]
    fn what_is_broken_or_of_another_size_is_not_inflated() {
        let member = gzip(&[7; 5_000]);
        for size in [0, 4_999, 5_001] {
            assert_eq!(inflate_first_member(&member, size), None, "{size}");
        }
        let mut broken = member.clone();
        let checksum = broken.len() - 8;
        broken[checksum] ^= 1;
        assert_eq!(inflate_first_member(&broken, 5_000), None);
        assert_eq!(inflate_first_member(&member[..member.len() - 1], 5_000), None);
        for no_member in [&b""[..], b"no gzip", &member[..10], &[0x1f, 0x8b, 8]] {
            assert_eq!(lone_member_size(no_member), None, "{no_member:?}");
        }
        assert_eq!(inflate_first_member(&member, 5_000).unwrap(), [7; 5_000], "the decompressor still works");
    }
}
