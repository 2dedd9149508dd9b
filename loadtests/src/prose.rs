//! English-like text that compresses about like real prompts: a made-up vocabulary drawn by Zipf's law.

use std::collections::HashSet;

use fastrand::Rng;

/// Distinct words. English support prose of this volume uses a few thousand.
const VOCABULARY_SIZE: usize = 4_000;
/// Zipf–Mandelbrot shift: flattens the very first ranks as in English, where "the" is about 6 % of all words.
const RANK_SHIFT: f64 = 2.7;
/// The vocabulary does not depend on the load's seed: all traces speak one language.
const VOCABULARY_SEED: u64 = 0x5EED_0F0A_1A26_0A6E;

const ONSETS: [&str; 24] = [
    "b", "c", "d", "f", "g", "h", "l", "m", "n", "p", "r", "s", "t", "v", "w", "st", "tr", "pr", "ch", "sh",
    "th", "cl", "gr", "pl",
];
const VOWELS: [&str; 10] = ["a", "e", "i", "o", "u", "e", "a", "ea", "ou", "io"];
const CODAS: [&str; 14] = ["", "", "", "n", "r", "s", "t", "l", "d", "m", "nd", "st", "ck", "ng"];
const ENDINGS: [&str; 10] = ["", "", "", "s", "ed", "ing", "ly", "tion", "ment", "able"];

/// A writer of prose. Cheap to share; the caller brings the randomness.
pub struct Prose {
    words: Vec<String>,
    /// Cumulative probability by rank; ends at 1.
    cumulative: Vec<f64>,
}

impl Default for Prose {
    fn default() -> Self {
        Self::new()
    }
}

impl Prose {
    pub fn new() -> Self {
        Self { words: vocabulary(), cumulative: zipf(VOCABULARY_SIZE) }
    }

    /// One word, frequent ones first.
    pub fn word(&self, rng: &mut Rng) -> &str {
        let draw = rng.f64();
        let rank = self.cumulative.partition_point(|&share| share < draw);
        &self.words[rank.min(self.words.len() - 1)]
    }

    /// One sentence of 6 to 20 words, now and then with a comma or a figure in it.
    pub fn sentence(&self, rng: &mut Rng, end: char) -> String {
        let mut sentence = String::with_capacity(128);
        self.push_sentence(rng, &mut sentence, end);
        sentence
    }

    /// Paragraphs of whole sentences, at least `bytes` long and less than one sentence longer.
    pub fn text(&self, rng: &mut Rng, bytes: usize) -> String {
        let mut text = String::with_capacity(bytes + 160);
        while text.len() < bytes {
            if !text.is_empty() {
                text.push_str(if rng.u8(..6) == 0 { "\n\n" } else { " " });
            }
            self.push_sentence(rng, &mut text, '.');
        }
        text
    }

    fn push_sentence(&self, rng: &mut Rng, text: &mut String, end: char) {
        let first = self.word(rng);
        text.push_str(&first[..1].to_ascii_uppercase());
        text.push_str(&first[1..]);
        for _ in 0..rng.usize(5..20) {
            match rng.u8(..40) {
                0..=2 => text.push(','),
                3 => {
                    text.push(' ');
                    text.push_str(&rng.u16(1..1_000).to_string());
                }
                _ => {}
            }
            text.push(' ');
            text.push_str(self.word(rng));
        }
        text.push(end);
    }
}

fn zipf(size: usize) -> Vec<f64> {
    let mut total = 0.0;
    let mut cumulative: Vec<f64> = (1..=size)
        .scan(0.0, |rank, _| {
            *rank += 1.0;
            total += 1.0 / (*rank + RANK_SHIFT);
            Some(total)
        })
        .collect();
    for share in &mut cumulative {
        *share /= total;
    }
    cumulative
}

/// Frequent words are short, rare ones are long and carry endings, as in English.
fn vocabulary() -> Vec<String> {
    let mut rng = Rng::with_seed(VOCABULARY_SEED);
    let mut known = HashSet::new();
    let mut words = Vec::with_capacity(VOCABULARY_SIZE);
    while words.len() < VOCABULARY_SIZE {
        let syllables = match words.len() {
            0..100 => 1,
            100..800 => rng.usize(1..=2),
            _ => rng.usize(2..=3),
        };
        let mut word: String = (0..syllables).map(|_| syllable(&mut rng)).collect();
        if syllables > 1 {
            word.push_str(pick(&mut rng, &ENDINGS));
        }
        if known.insert(word.clone()) {
            words.push(word);
        }
    }
    words
}

fn syllable(rng: &mut Rng) -> String {
    [pick(rng, &ONSETS), pick(rng, &VOWELS), pick(rng, &CODAS)].concat()
}

fn pick(rng: &mut Rng, parts: &[&'static str]) -> &'static str {
    parts[rng.usize(..parts.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vocabulary_has_thousands_of_distinct_words() {
        let words: HashSet<String> = vocabulary().into_iter().collect();
        assert_eq!(words.len(), VOCABULARY_SIZE);
    }

    #[test]
    fn frequent_words_are_frequent_and_rare_words_occur() {
        let prose = Prose::new();
        let mut rng = Rng::with_seed(1);
        let drawn: Vec<&str> = (0..50_000).map(|_| prose.word(&mut rng)).collect();
        let first = drawn.iter().filter(|word| **word == prose.words[0]).count();
        assert!((1_200..2_800).contains(&first), "rank 1 was drawn {first} times of 50,000");
        assert!(drawn.iter().collect::<HashSet<_>>().len() > 3_000);
    }

    #[test]
    fn a_text_has_the_length_asked_for() {
        let text = Prose::new().text(&mut Rng::with_seed(2), 2_000);
        assert!((2_000..2_250).contains(&text.len()), "{}", text.len());
        assert!(text.ends_with('.'));
    }
}
