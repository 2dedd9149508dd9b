//! Small filters that tell of many spans at once that a text is in none of them.

use std::sync::LazyLock;

use aho_corasick::AhoCorasick;
use opentelemetry_proto::tonic::trace::v1 as proto;
use prost::Message as _;
use serde_json::Value;

use super::demanded_text::MAKES_LETTERS;
use super::grams::{GramPlace, Grams, places};
use crate::otlp::{SPAN_ATTRIBUTES, SPAN_NAME, any_field, has_bytes_attribute};
use crate::span::Span;

/// A filter that lets everything pass.
const OPEN: [u8; 1] = [u8::MAX];

static LETTERS_MADE: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| {
    // In either case, as hexadecimal digits have both; without folding the search is several times faster.
    let upper = MAKES_LETTERS.iter().map(|made| made.replace("\\u212a", "\\u212A"));
    AhoCorasick::new(MAKES_LETTERS.iter().map(|made| (*made).to_owned()).chain(upper)).ok()
});

/// Makes the filters of spans for what conditions ask of their names and attributes.
#[derive(Default)]
pub struct TextFilterMaker {
    grams: Grams,
    open: bool,
}

impl TextFilterMaker {
    /// Adds a span by its OTLP bytes.
    pub fn add(&mut self, span: &[u8]) {
        let as_sent =
            LETTERS_MADE.as_ref().is_some_and(|made| !made.is_match(span)) && !has_bytes_attribute(span);
        self.open |= match as_sent {
            true => self.add_bytes(span),
            false => self.add_shown(span),
        };
    }

    /// Whether nothing can be told of the span; so of the following.
    fn add_bytes(&mut self, span: &[u8]) -> bool {
        any_field(span, |number, payload| {
            if number == SPAN_NAME || number == SPAN_ATTRIBUTES {
                self.grams.add(payload);
            }
            false
        })
    }

    /// Of a span whose attributes hold letters that its bytes do not.
    fn add_shown(&mut self, span: &[u8]) -> bool {
        let span = proto::Span::decode(span).ok().and_then(|span| Span::from_otlp(&span).ok());
        let Some(span) = span else { return true };
        self.add_text(&span.name);
        self.add_value(&Value::Object(span.attributes));
        false
    }

    fn add_value(&mut self, value: &Value) {
        match value {
            Value::String(text) => self.add_text(text),
            Value::Array(items) => items.iter().for_each(|item| self.add_value(item)),
            Value::Object(members) => members.iter().for_each(|(key, value)| {
                self.add_text(key);
                self.add_value(value);
            }),
            // No text that is demanded is a part of theirs.
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn add_text(&mut self, text: &str) {
        match text.is_ascii() {
            true => self.grams.add(text.as_bytes()),
            false => self.grams.add(text.to_lowercase().as_bytes()),
        }
    }

    /// The filter of the spans that were added since the last one.
    pub fn finish(&mut self) -> Vec<u8> {
        let filter = self.grams.finish();
        match std::mem::take(&mut self.open) {
            true => OPEN.to_vec(),
            false => filter,
        }
    }
}

/// More grams of a text let hardly fewer filters pass.
const MOST_GRAMS: usize = 12;

/// What a filter must have to let one of some texts pass: all grams of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DemandedGrams(Vec<Vec<GramPlace>>);

impl DemandedGrams {
    /// `None` if some text has no gram, so that every filter would let it pass.
    pub(super) fn of(texts: &[String]) -> Option<Self> {
        let grams = texts.iter().map(|text| {
            let mut places = places(text);
            places.truncate(MOST_GRAMS);
            (!places.is_empty()).then_some(places)
        });
        Some(Self(grams.collect::<Option<_>>()?))
    }

    /// The grams of each text.
    pub fn texts(&self) -> impl Iterator<Item = &[GramPlace]> {
        self.0.iter().map(Vec::as_slice)
    }

    pub fn may_be_in(&self, filter: &[u8]) -> bool {
        self.0.iter().any(|places| places.iter().all(|place| place.passes(filter)))
    }
}
