//! Attributes of Bennu's own, for what OTLP has no field for. They are part of the stored span, so that an exported
//! trace says everything; the API shows what they mean instead of them.

use opentelemetry_proto::tonic::common::v1::any_value::Value as Otlp;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};

/// How all of them begin.
const PREFIX: &str = "bennu.";
/// True on spans that came as JSON, whose attributes are taken as they are.
pub(crate) const JSON_SPAN: &str = "bennu.json";
/// Texts that stand in the place of ids; see [`crate::text_ids`].
pub(crate) const TRACE_ID_TEXT: &str = "bennu.trace_id";
pub(crate) const SPAN_ID_TEXT: &str = "bennu.span_id";
pub(crate) const PARENT_ID_TEXT: &str = "bennu.parent_id";

const HIDDEN: [&str; 4] = [JSON_SPAN, TRACE_ID_TEXT, SPAN_ID_TEXT, PARENT_ID_TEXT];

/// The attributes of a span, apart from those of Bennu's own.
pub(crate) struct Parted {
    pub shown: Vec<KeyValue>,
    hidden: Vec<KeyValue>,
}

impl Parted {
    pub fn new(mut shown: Vec<KeyValue>) -> Self {
        let is_hidden =
            |pair: &mut KeyValue| pair.key.starts_with(PREFIX) && HIDDEN.contains(&pair.key.as_str());
        let hidden = shown.extract_if(.., is_hidden).collect();
        Self { shown, hidden }
    }

    pub fn text(&self, key: &str) -> Option<&str> {
        match self.value(key)? {
            Otlp::StringValue(text) => Some(text),
            _ => None,
        }
    }

    pub fn is_true(&self, key: &str) -> bool {
        matches!(self.value(key), Some(Otlp::BoolValue(true)))
    }

    fn value(&self, key: &str) -> Option<&Otlp> {
        let found = self.hidden.iter().find(|pair| pair.key == key)?;
        found.value.as_ref()?.value.as_ref()
    }
}

pub(crate) fn own_attribute(key: &str, value: Otlp) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}
