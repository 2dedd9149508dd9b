//! Bitmaps of the grams of texts: four characters in a row, letters of ASCII whatever their case, and blanks.
//!
//! A text has all grams of its parts. Each gram sets the one bit that its hash says, and a bitmap is as large as lets about half of
//! its bits be set: more hashes would help where one gram is asked for, but a part has several.

/// Bytes of the largest bitmap, for 50,000 grams: with more it lets more pass.
const MOST_BYTES: usize = 1 << 13;
const LEAST_BYTES: usize = 8;
/// Eighths of a bit for each gram: 73 bytes a span of the load of `make bench`. More make searches for short words faster, fewer all slower.
const EIGHTHS_A_GRAM: usize = 10;

/// Three tell too little: those of most words are in any long text. Five are too many different ones.
const LENGTH: usize = 4;
/// Above the letters.
const BLANK: u8 = 27;

/// What is worked on at once: it stays in registers and in the nearest cache.
const PART: usize = 256;

/// Where a gram has its bit, whatever the size of the bitmap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct GramPlace {
    /// Its byte is the remainder of this and the size of the bitmap in bytes.
    pub byte: u16,
    /// 0 is the lowest bit.
    pub bit: u8,
}

impl GramPlace {
    fn of(hash: u16) -> Self {
        Self { byte: hash >> 3, bit: (hash & 7) as u8 }
    }

    /// Whether there may be a text with this gram.
    pub fn passes(self, bitmap: &[u8]) -> bool {
        let byte = bitmap.get(usize::from(self.byte) % bitmap.len().max(1));
        byte.is_none_or(|byte| byte >> self.bit & 1 == 1)
    }
}

/// The places of the grams of a text.
pub(super) fn places(text: &str) -> Vec<GramPlace> {
    let mut places = Vec::new();
    for_each_hash(text.as_bytes(), |is_gram, hash| {
        if is_gram {
            places.push(GramPlace::of(hash));
        }
    });
    places
}

/// What ends with each byte: whether it is a gram, and its hash if so. The loops have no branches and do not wait for the byte
/// before, so that several bytes are worked on at once.
#[inline]
fn for_each_hash(text: &[u8], mut take: impl FnMut(bool, u16)) {
    let (mut codes, mut hashes, mut are_grams) = ([0; PART + LENGTH - 1], [0; PART], [false; PART]);
    let mut begin = 0;
    while begin + LENGTH <= text.len() {
        let part = &text[begin..text.len().min(begin + PART + LENGTH - 1)];
        codes.iter_mut().zip(part).for_each(|(code, byte)| *code = code_of(*byte));
        let ends = part.len() - (LENGTH - 1);
        let windows = codes[..part.len()].windows(LENGTH);
        for ((window, hash), is_gram) in windows.zip(&mut hashes).zip(&mut are_grams) {
            (*is_gram, *hash) = (is_gram_of(window), hash_of(window));
        }
        hashes[..ends].iter().zip(&are_grams).for_each(|(hash, is_gram)| take(*is_gram, *hash));
        begin += PART;
    }
}

/// 1 to 26 for letters, whatever their case, [`BLANK`], or 0.
#[inline]
fn code_of(byte: u8) -> u8 {
    let letter = (byte | 0x20).wrapping_sub(b'a');
    if letter < 26 {
        letter + 1
    } else if byte == b' ' {
        BLANK
    } else {
        0
    }
}

/// Grams of two words are left out unless the second one is begun: who asks for one word does not ask for them.
#[inline]
fn is_gram_of(window: &[u8]) -> bool {
    let &[first, second, third, fourth] = window else { return false };
    let is_letter = |code: u8| code.wrapping_sub(1) < 26;
    first != 0 && second != 0 && is_letter(third) && is_letter(fourth)
}

/// A sum of products with odd numbers without a pattern: the letters are few bits each, and reach all bits.
#[inline]
fn hash_of(window: &[u8]) -> u16 {
    const FACTORS: [u16; LENGTH] = [0x9E37, 0x79B1, 0x85EB, 0xC2B3];
    let products = window.iter().zip(FACTORS).map(|(code, factor)| u16::from(*code).wrapping_mul(factor));
    products.fold(0, u16::wrapping_add)
}

/// Gathers the grams of texts.
pub(super) struct Grams {
    /// The largest bitmap, which is made smaller at the end.
    bits: Box<[u8]>,
}

impl Default for Grams {
    fn default() -> Self {
        Self { bits: vec![0; MOST_BYTES].into() }
    }
}

impl Grams {
    pub fn add(&mut self, text: &[u8]) {
        let Some(bits) = self.bits.first_chunk_mut::<MOST_BYTES>() else { return };
        for_each_hash(text, |is_gram, hash| {
            let place = GramPlace::of(hash);
            bits[usize::from(place.byte) % MOST_BYTES] |= u8::from(is_gram) << place.bit;
        });
    }

    /// The bitmap of what was added since the last one.
    pub fn finish(&mut self) -> Vec<u8> {
        let (words, _) = self.bits.as_chunks::<8>();
        let set: usize = words.iter().map(|word| u64::from_ne_bytes(*word).count_ones() as usize).sum();
        let size = (set * EIGHTHS_A_GRAM).div_ceil(64).clamp(LEAST_BYTES, MOST_BYTES);
        let mut folded = vec![0; size];
        for part in self.bits.chunks(size) {
            folded.iter_mut().zip(part).for_each(|(all, byte)| *all |= byte);
        }
        self.bits.fill(0);
        folded
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bitmap(texts: &[&str]) -> Vec<u8> {
        let mut grams = Grams::default();
        texts.iter().for_each(|text| grams.add(text.as_bytes()));
        grams.finish()
    }

    fn passes(bitmap: &[u8], text: &str) -> bool {
        places(text).into_iter().all(|place| place.passes(bitmap))
    }

    #[test]
    fn grams_are_letters_and_blanks_that_end_with_two_letters() {
        for (text, grams) in [
            ("whale", 2),
            ("WHALE", 2),
            ("a whale", 4),
            ("no such text", 6),
            ("why", 0),
            ("or a b", 0),
            ("wh4le", 0),
            ("", 0),
        ] {
            assert_eq!(places(text).len(), grams, "{text}");
        }
        assert_eq!(places("wHALe"), places("Whale"));
        assert_ne!(places("whale"), places("shale"));
    }

    #[test]
    fn parts_of_the_texts_pass_and_almost_nothing_else() {
        let words: Vec<String> =
            (0..400_u32).map(|number| format!("word {}", letters(number * 7_919))).collect();
        let texts: Vec<&str> = words.iter().map(String::as_str).collect();
        let bitmap = bitmap(&texts);
        assert!(words.iter().all(|word| passes(&bitmap, &word[2..])));
        let others = (0..10_000)
            .filter(|number| passes(&bitmap, &format!("other{}", letters(number * 104_729))))
            .count();
        assert!(others < 100, "{others} of 10,000 others pass");
        let set: u32 = bitmap.iter().map(|byte| byte.count_ones()).sum();
        assert!(
            (4..=6).contains(&(u64::from(set) * 10 / (bitmap.len() as u64 * 8))),
            "{set} of {} bytes",
            bitmap.len()
        );
    }

    /// A word of seven letters.
    fn letters(number: u32) -> String {
        (0..7).map(|place| char::from(b'a' + (number / 26_u32.pow(place) % 26) as u8)).collect()
    }

    #[test]
    fn what_was_added_before_the_last_bitmap_is_not_in_the_next() {
        let mut grams = Grams::default();
        grams.add(b"whale");
        assert!(passes(&grams.finish(), "whale"));
        assert_eq!(grams.finish(), [0; LEAST_BYTES]);
    }

    #[test]
    fn bitmaps_of_any_size_are_read_the_same_way() {
        assert!(passes(&[u8::MAX], "whatever"));
        assert!(!passes(&[0], "whatever"));
        let everything: String =
            (0..60_000_u32).map(|number| letters(number.wrapping_mul(2_654_435_761))).collect();
        assert_eq!(bitmap(&[&everything]).len(), MOST_BYTES);
    }
}
