//! Names of models, exact or with wildcards.

/// A name in which `*` stands for any characters and `?` for one. Letter case does not matter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamePattern {
    text: String,
}

impl NamePattern {
    pub fn new(text: &str) -> Self {
        Self { text: text.trim().to_lowercase() }
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }

    pub fn is_exact(&self) -> bool {
        !self.text.contains(['*', '?'])
    }

    /// Characters that are no wildcards: of two patterns that match, the one with more says more.
    pub fn weight(&self) -> usize {
        self.text.chars().filter(|character| !matches!(character, '*' | '?')).count()
    }

    /// `name` is in lower case.
    pub fn matches(&self, name: &str) -> bool {
        if self.is_exact() {
            return self.text == name;
        }
        let (pattern, name): (Vec<char>, Vec<char>) = (self.text.chars().collect(), name.chars().collect());
        let (mut at, mut read) = (0, 0);
        // Where to go on if what follows the last `*` does not fit: the star, and how far it reached.
        let mut star: Option<(usize, usize)> = None;
        while read < name.len() {
            match pattern.get(at) {
                Some('*') => {
                    star = Some((at, read));
                    at += 1;
                }
                Some(wanted) if *wanted == '?' || *wanted == name[read] => {
                    at += 1;
                    read += 1;
                }
                _ => {
                    let Some((star_at, reached)) = star else { return false };
                    star = Some((star_at, reached + 1));
                    (at, read) = (star_at + 1, reached + 1);
                }
            }
        }
        pattern[at..].iter().all(|character| *character == '*')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_stand_for_any_characters() {
        let cases = [
            ("gpt-4o", "gpt-4o", true),
            ("GPT-4o ", "gpt-4o", true),
            ("gpt-4o", "gpt-4o-mini", false),
            ("gpt-4o*", "gpt-4o-mini", true),
            ("*mini", "gpt-4o-mini", true),
            ("*4o*", "gpt-4o-mini", true),
            ("gpt-?o", "gpt-4o", true),
            ("gpt-?o", "gpt-o", false),
            ("*a*b", "xaabab", true),
            ("*a*b", "xaaba", false),
            ("*", "", true),
            ("?", "", false),
        ];
        for (pattern, name, expected) in cases {
            assert_eq!(NamePattern::new(pattern).matches(name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn a_hostile_pattern_takes_no_longer_than_both_lengths_multiplied() {
        assert!(!NamePattern::new(&"*a".repeat(500)).matches(&"a".repeat(499)));
    }
}
