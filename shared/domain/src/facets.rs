//! Facets: the part of a span's attributes that its narrow row carries, to narrow filters inside SQL.
//!
//! A facet is a scalar reached through objects only, under its dotted path. They never decide a filter: they
//! may let a span through that the full attributes refuse, but never hold one back that those would match.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde::Serialize;
use serde_json::Value;

use crate::attributes::Attributes;

/// Longer strings stand as a mark of 7 bytes, so that a row stays small beside its span. 40 bytes hold every usual id and
/// name whole.
pub const FACET_STRING_BYTES: usize = 40;
/// A span with more facets keeps the first ones and is marked incomplete; ordinary spans have about 20.
const MAX_FACETS: usize = 128;
/// Not worth their bytes in every row: nearly all spans have the same ones, or (the kind) a column of their own.
const LEFT_OUT: [&str; 3] = ["input.mime_type", "output.mime_type", "openinference.span.kind"];
/// Longer paths are left out; bounds the row together with [`MAX_FACETS`].
const MAX_PATH_BYTES: usize = 128;

/// Facets of one span.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facets {
    /// A flat JSON object, as text.
    pub json: String,
    /// Whether every scalar that a filter can reach is in it.
    pub complete: bool,
}

impl Facets {
    pub fn of(attributes: &Attributes) -> Self {
        let mut collector = Collector { json: vec![b'{'], facets: 0, complete: true };
        collector.collect(attributes, &mut String::new());
        collector.json.push(b'}');
        // JSON is UTF-8.
        let json = String::from_utf8(collector.json).unwrap_or_default();
        Self { json, complete: collector.complete }
    }
}

/// Writes the facets as it finds them: no two have the same path.
struct Collector {
    json: Vec<u8>,
    facets: usize,
    complete: bool,
}

impl Collector {
    fn collect(&mut self, node: &Attributes, path: &mut String) {
        for (key, value) in node {
            // A key with a dot inside is out of reach for a dotted path, and could be taken for another's; so
            // could the child of an empty key.
            if key.contains('.') || key.is_empty() {
                continue;
            }
            let parent = path.len();
            if parent > 0 {
                path.push('.');
            }
            path.push_str(key);
            match value {
                Value::Object(child) => self.collect(child, path),
                Value::Null | Value::Array(_) => {}
                scalar => self.add(path, scalar),
            }
            path.truncate(parent);
        }
    }

    fn add(&mut self, path: &str, scalar: &Value) {
        if LEFT_OUT.contains(&path) {
            return;
        }
        if self.facets == MAX_FACETS || !is_facet_path(path) {
            self.complete = false;
            return;
        }
        if self.facets > 0 {
            self.json.push(b',');
        }
        self.facets += 1;
        self.write(path);
        self.json.push(b':');
        match scalar {
            Value::String(text) => self.write(&facet_text(text)),
            other => self.write(other),
        }
    }

    fn write(&mut self, value: &(impl Serialize + ?Sized)) {
        // Writing JSON into memory has nothing to fail at.
        let _ = serde_json::to_writer(&mut self.json, value);
    }
}

/// Whether a scalar at this dotted path would stand among the facets of a complete span.
pub fn is_facet_path(path: &str) -> bool {
    let storable = |segment: &str| !segment.is_empty() && !segment.contains(['\0', '"', '\\']);
    path.len() <= MAX_PATH_BYTES && !LEFT_OUT.contains(&path) && path.split('.').all(storable)
}

/// The form in which a text stands among the facets.
fn facet_text(text: &str) -> Cow<'_, str> {
    match text {
        long if long.len() > FACET_STRING_BYTES => mark(long).into(),
        odd if odd.contains('\0') => storable_text(odd).into(),
        text => text.into(),
    }
}

/// The forms in which a text may stand among the facets: that of now, and the beginning that long ones once had.
pub fn facet_texts(text: &str) -> [String; 2] {
    [facet_text(text).into_owned(), storable_text(cut(text, FACET_STRING_BYTES))]
}

/// What tells a long text from others, but for one in four thousand million.
fn mark(text: &str) -> String {
    format!("#{}", STANDARD_NO_PAD.encode(crc32fast::hash(text.as_bytes()).to_be_bytes()))
}

/// The longest prefix of at most `bytes` bytes that ends at a character boundary.
pub fn cut(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

/// Postgres text cannot hold NUL; the span's own bytes keep it.
pub fn storable_text(text: &str) -> String {
    text.replace('\0', "\u{FFFD}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn facets(attributes: &Value) -> (Value, bool) {
        let facets = Facets::of(attributes.as_object().unwrap());
        (serde_json::from_str(&facets.json).unwrap(), facets.complete)
    }

    #[test]
    fn scalars_are_flat_and_lists_are_left_out() {
        let attributes = json!({"llm": {"model_name": "m", "token_count": {"prompt": 3}, "input_messages": [{"a": 1}]}, "ok": true});
        let expected = json!({"llm.model_name": "m", "llm.token_count.prompt": 3, "ok": true});
        assert_eq!(facets(&attributes), (expected, true));
    }

    #[test]
    fn a_dotted_key_cannot_pose_as_a_path() {
        assert_eq!(facets(&json!({"a": {"c": 1}, "a.c": 2})), (json!({"a.c": 1}), true));
    }

    #[test]
    fn long_strings_are_marked() {
        let text = "é".repeat(100);
        let (facets, complete) = facets(&json!({"t": text, "whole": "é".repeat(20)}));
        // Rows have these marks: they must stay what they are.
        assert_eq!((facets, complete), (json!({"t": "#4rAZ+w", "whole": "é".repeat(20)}), true));
        assert_eq!(facet_texts(&text), ["#4rAZ+w".to_owned(), "é".repeat(20)]);
        assert_eq!(facet_texts("short"), ["short", "short"]);
    }

    #[test]
    fn too_many_facets_mark_the_span_incomplete() {
        let many: Attributes = (0..1_000).map(|index| (format!("k{index}"), json!(index))).collect();
        let facets = Facets::of(&many);
        assert!(!facets.complete && facets.json.len() < 4_096);
    }
}
