//! Dotted keys as paths.

/// A key with more segments stays one flat key. Semantic conventions stay below 12 segments; the bound keeps
/// the recursion over nested attributes, and the JSON made of them, shallow whatever is sent.
pub const MAX_SEGMENTS: usize = 64;

/// One segment of a path. Numbers sort before names and by value, whatever their length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Segment<'k> {
    Number { digits: usize, text: &'k str },
    Name(&'k str),
}

impl<'k> Segment<'k> {
    fn new(text: &'k str) -> Self {
        if !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Self::Name(text);
        }
        let significant = text.trim_start_matches('0');
        let text = if significant.is_empty() { "0" } else { significant };
        Self::Number { digits: text.len(), text }
    }

    pub fn text(self) -> &'k str {
        match self {
            Self::Number { text, .. } | Self::Name(text) => text,
        }
    }

    pub fn is_number(self) -> bool {
        matches!(self, Self::Number { .. })
    }
}

/// Appends the segments of a key: blanks around a segment are trimmed, empty segments vanish, leading zeros of
/// numbers too. A key of which nothing is left is the empty name.
pub(super) fn push_segments<'k>(key: &'k str, segments: &mut Vec<Segment<'k>>) {
    let start = segments.len();
    for text in key.split('.').map(str::trim).filter(|text| !text.is_empty()) {
        if segments.len() - start == MAX_SEGMENTS {
            segments.truncate(start);
            segments.push(Segment::Name(key));
            return;
        }
        segments.push(Segment::new(text));
    }
    if segments.len() == start {
        segments.push(Segment::Name(""));
    }
}
