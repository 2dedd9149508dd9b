//! What was asked of the model: its name and parameters.

use serde_json::{Map, Value, json};

use super::synthesis::Synthesis;
use crate::attributes::{json_text, plain_text};
use crate::kind::SpanKind;

/// Request keys and the parameter they are, under the name that providers give it.
const PARAMETERS: [(&str, &str); 9] = [
    ("gen_ai.request.temperature", "temperature"),
    ("gen_ai.request.top_p", "top_p"),
    ("gen_ai.request.top_k", "top_k"),
    ("gen_ai.request.max_tokens", "max_tokens"),
    ("gen_ai.request.frequency_penalty", "frequency_penalty"),
    ("gen_ai.request.presence_penalty", "presence_penalty"),
    ("gen_ai.request.seed", "seed"),
    ("gen_ai.request.stream", "stream"),
    ("gen_ai.request.choice.count", "n"),
];

pub(super) fn add(synthesis: &mut Synthesis, kind: Option<SpanKind>) {
    let (model_name, invocation_parameters) = match kind {
        Some(SpanKind::Embedding) => ("embedding.model_name", "embedding.invocation_parameters"),
        _ => ("llm.model_name", "llm.invocation_parameters"),
    };
    synthesis.copy_text("gen_ai.request.model", model_name);
    let parameters = parameters(synthesis);
    if !parameters.is_empty() {
        synthesis.add(invocation_parameters, json_text(&Value::Object(parameters)));
    }
}

fn parameters(sent: &Synthesis) -> Map<String, Value> {
    let mut parameters = Map::new();
    let mut put = |name: &str, value: Value| parameters.insert(name.to_owned(), value);
    for (key, name) in PARAMETERS {
        if let Some(value) = sent.value(key) {
            put(name, value.clone());
        }
    }
    if let Some(sequences) = texts(sent, "gen_ai.request.stop_sequences") {
        put("stop", Value::from(sequences));
    }
    match texts(sent, "gen_ai.request.encoding_formats").as_deref() {
        None => {}
        Some([format]) => _ = put("encoding_format", Value::from(format.as_str())),
        Some(formats) => _ = put("encoding_formats", Value::from(formats)),
    }
    match sent.value("gen_ai.output.type").and_then(Value::as_str) {
        Some("json") => _ = put("response_format", json!({"type": "json_object"})),
        Some("text") => _ = put("response_format", json!({"type": "text"})),
        _ => {}
    }
    parameters
}

/// The texts sent under a key as a list or as a single text; `None` if there are none.
pub(super) fn texts(sent: &Synthesis, key: &str) -> Option<Vec<String>> {
    match sent.value(key)? {
        Value::Array(items) if items.is_empty() => None,
        Value::Array(items) => Some(items.iter().map(plain_text).collect()),
        Value::String(text) => Some(vec![text.clone()]),
        _ => None,
    }
}
