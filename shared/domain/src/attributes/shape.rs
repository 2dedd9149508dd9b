//! The way of a span's attributes from OTLP to their nested form.

use opentelemetry_proto::tonic::common::v1::KeyValue;
use serde_json::Value;

use super::Attributes;
use super::any_value::member;
use super::text::ascii_json_text;
use super::token_count::read_token_count;
use super::unflatten::nest;
use crate::gen_ai;
use crate::json_span::KIND;
use crate::kind::SPAN_KIND_ATTRIBUTE;

/// Keys that end with one of these hold JSON as text. A document's metadata ends with the first.
const JSON_TEXT_SUFFIXES: [&str; 3] = ["metadata", "tool.parameters", "llm.prompt_template.variables"];

/// The attributes of a span as the API understands them: keys of other conventions are added under their
/// OpenInference names, token counts are numbers, JSON text is parsed, dotted keys are nested, and
/// `input.value` is text.
pub fn shape(key_values: Vec<KeyValue>) -> Attributes {
    let (mut keys, mut values): (Vec<String>, Vec<Value>) = key_values.into_iter().map(member).unzip();
    if keys.iter().any(|key| key.starts_with(gen_ai::PREFIX)) {
        for (key, value) in gen_ai::synthesize(&keys, &values) {
            keys.push(key);
            values.push(value);
        }
    }
    for (key, value) in keys.iter().zip(&mut values) {
        read_token_count(key, value);
        read_json_text(key, value);
    }
    let mut nested = nest((keys, values));
    write_input_as_text(&mut nested);
    nested
}

/// The attributes of a span that came as JSON: nested, and otherwise as they were given. Its kind stands under the
/// usual key, whatever is in the way.
pub fn shape_json_span(mut key_values: Vec<KeyValue>) -> Attributes {
    let kind = key_values.extract_if(.., |pair| pair.key == KIND).last();
    let mut nested = nest(key_values.into_iter().map(member).unzip());
    if let (Some((_, kind)), Some((last, parents))) = (kind.map(member), SPAN_KIND_ATTRIBUTE.split_last()) {
        let mut node = &mut nested;
        for segment in parents {
            let child = node.entry(*segment).or_insert(Value::Null);
            if !child.is_object() {
                *child = Value::Object(Attributes::new());
            }
            let Value::Object(members) = child else { return nested };
            node = members;
        }
        node.insert((*last).to_owned(), kind);
    }
    nested
}

/// Parses JSON text under a key that is known for it; text that is no JSON stays text.
fn read_json_text(key: &str, value: &mut Value) {
    if let Value::String(text) = value
        && JSON_TEXT_SUFFIXES.iter().any(|suffix| key.ends_with(suffix))
        && let Ok(parsed) = serde_json::from_str(text)
    {
        *value = parsed;
    }
}

fn write_input_as_text(nested: &mut Attributes) {
    let Some(Value::Object(input)) = nested.get_mut("input") else { return };
    match input.get_mut("value") {
        None | Some(Value::String(_)) => {}
        Some(value) => {
            *value = Value::String(ascii_json_text(value));
            input.insert("mime_type".to_owned(), Value::from("application/json"));
        }
    }
}
