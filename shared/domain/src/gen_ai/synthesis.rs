//! The attributes a translation reads, and those it adds.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::attributes::{json_text, plain_text};

pub(super) struct Synthesis<'a> {
    sent: BTreeMap<&'a str, &'a Value>,
    added: Vec<(String, Value)>,
}

impl<'a> Synthesis<'a> {
    pub fn new<K: AsRef<str>>(keys: &'a [K], values: &'a [Value]) -> Self {
        Self { sent: keys.iter().map(AsRef::as_ref).zip(values).collect(), added: Vec::new() }
    }

    /// The value sent under a key, if it is set.
    pub fn value(&self, key: &str) -> Option<&'a Value> {
        self.sent.get(key).copied().filter(|value| !value.is_null())
    }

    /// The value sent under a key, as text that is not empty.
    pub fn text(&self, key: &str) -> Option<String> {
        self.value(key).map(plain_text).filter(|text| !text.is_empty())
    }

    /// The list sent under a key as JSON text, the only form these conventions know for structured values.
    pub fn json_list(&self, key: &str) -> Option<Vec<Value>> {
        serde_json::from_str(self.value(key)?.as_str()?).ok()
    }

    /// Whether any key with this beginning was sent.
    pub fn has_any(&self, prefix: &str) -> bool {
        self.sent.range(prefix..).next().is_some_and(|(key, _)| key.starts_with(prefix))
    }

    /// Adds an attribute, unless its key was sent. Of equal added keys the last counts.
    pub fn add(&mut self, key: impl Into<String>, value: impl Into<Value>) {
        let key = key.into();
        if !self.sent.contains_key(key.as_str()) {
            self.added.push((key, value.into()));
        }
    }

    /// Adds a text that was sent under another key, if there is one.
    pub fn copy_text(&mut self, from: &str, to: &str) {
        if let Some(text) = self.text(from) {
            self.add(to, text);
        }
    }

    pub fn into_added(self) -> Vec<(String, Value)> {
        self.added
    }
}

/// Text as it is, anything else as its JSON; `None` for `null`.
pub(super) fn text_or_json(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(json_text(other)),
    }
}
