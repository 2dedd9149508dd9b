//! Small filters that tell of many spans at once that a text is in none of them.

use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, MatchKind};
use opentelemetry_proto::tonic::trace::v1 as proto;
use prost::Message as _;
use serde_json::Value;

use super::demanded_text::MAKES_LETTERS;
use super::grams::{GramPlace, Grams, places};
use crate::gen_ai;
use crate::otlp::{KEY_VALUE_KEY, SPAN_ATTRIBUTES, SPAN_NAME, any_field, has_bytes_attribute};
use crate::span::Span;

/// A filter that lets everything pass.
const OPEN: [u8; 1] = [u8::MAX];

/// Finds in bytes what stands for letters that are not there.
static LETTERS_MADE: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| {
    // Hexadecimal digits have two cases. Searched for as they are, and the first match alone, a vector of bytes is a step.
    let upper = MAKES_LETTERS.iter().map(|made| made.replace('a', "A"));
    let patterns = MAKES_LETTERS.iter().map(|made| (*made).to_owned()).chain(upper);
    AhoCorasick::builder().match_kind(MatchKind::LeftmostFirst).build(patterns).ok()
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
        let letters_made = LETTERS_MADE.as_ref().is_none_or(|made| made.is_match(span));
        self.open |= match letters_made || has_bytes_attribute(span) || has_other_conventions(span) {
            true => self.add_shown(span),
            false => self.add_bytes(span),
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
        let span = proto::Span::decode(span).ok().and_then(|span| Span::from_otlp(span).ok());
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

/// Whether attributes of other conventions get more of them, under the names of OpenInference.
fn has_other_conventions(span: &[u8]) -> bool {
    any_field(span, |number, pair| {
        let is_of_them =
            |number, key: &[u8]| number == KEY_VALUE_KEY && key.starts_with(gen_ai::PREFIX.as_bytes());
        number == SPAN_ATTRIBUTES && any_field(pair, is_of_them)
    })
}
