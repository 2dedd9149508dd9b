//! Tools: those offered to the model, and the call of one.

use serde_json::{Map, Value, json};

use super::synthesis::{Synthesis, text_or_json};
use crate::attributes::json_text;

/// Adds `llm.tools.N.tool.json_schema`, each in the shape of an OpenAI function. One definition that is none
/// drops the list.
pub(super) fn add_definitions(synthesis: &mut Synthesis) {
    let definitions = synthesis.json_list("gen_ai.tool.definitions");
    let schemas = definitions.and_then(|items| items.iter().map(schema).collect::<Option<Vec<_>>>());
    for (position, schema) in schemas.unwrap_or_default().into_iter().enumerate() {
        synthesis.add(format!("llm.tools.{position}.tool.json_schema"), json_text(&schema));
    }
}

fn schema(definition: &Value) -> Option<Value> {
    let tool_type = definition.get("type").map_or(Some("function"), Value::as_str)?;
    let mut function = Map::from_iter([("name".to_owned(), Value::from(definition.get("name")?.as_str()?))]);
    for field in ["description", "parameters"] {
        match definition.get(field) {
            None | Some(Value::Null) => {}
            Some(Value::String(text)) if text.is_empty() => {}
            Some(value) => _ = function.insert(field.to_owned(), value.clone()),
        }
    }
    Some(json!({"type": tool_type, "function": function}))
}

/// Adds what a tool was called with and what it answered.
pub(super) fn add_call(synthesis: &mut Synthesis) {
    synthesis.copy_text("gen_ai.tool.name", "tool.name");
    synthesis.copy_text("gen_ai.tool.description", "tool.description");
    synthesis.copy_text("gen_ai.tool.call.id", "tool.id");
    if let Some(arguments) = synthesis.value("gen_ai.tool.call.arguments") {
        synthesis.add("tool.parameters", arguments.clone());
    }
    let result = synthesis.value("gen_ai.tool.call.result");
    if let Some((result, text)) = result.and_then(|result| Some((result, text_or_json(result)?))) {
        if is_structured(result) {
            synthesis.add("output.mime_type", "application/json");
        }
        synthesis.add("output.value", text);
    }
}

/// Whether a value is a list or an object, itself or as JSON text.
fn is_structured(value: &Value) -> bool {
    match value {
        Value::String(text) => {
            text.trim_start().starts_with(['[', '{'])
                && serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
        }
        other => other.is_array() || other.is_object(),
    }
}
