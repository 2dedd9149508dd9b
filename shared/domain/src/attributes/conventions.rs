//! Attributes under the names of the OpenInference semantic conventions, as data frames show them.

use serde_json::Value;

use super::Attributes;

/// The names of attributes in the OpenInference semantic conventions (version 0.1.42 of its Python package, Apache-2.0), in
/// order. Names below `document`, `message` and the like are those of elements of lists.
const NAMES: [&str; 138] = [
    "agent.name",
    "annotation.annotator_kind",
    "annotation.explanation",
    "annotation.identifier",
    "annotation.label",
    "annotation.metadata",
    "annotation.name",
    "annotation.score",
    "annotations",
    "audio.mime_type",
    "audio.transcript",
    "audio.url",
    "completion.text",
    "decision.model_name",
    "decision.provider",
    "decision.request.model_name",
    "decision.response.model_name",
    "decision.system",
    "decision.token_count.input",
    "decision.token_count.output",
    "document.content",
    "document.id",
    "document.metadata",
    "document.mime_type",
    "document.name",
    "document.score",
    "document.url",
    "embedding.embeddings",
    "embedding.invocation_parameters",
    "embedding.model_name",
    "embedding.text",
    "embedding.vector",
    "evaluation.annotator_kind",
    "evaluation.explanation",
    "evaluation.identifier",
    "evaluation.label",
    "evaluation.metadata",
    "evaluation.name",
    "evaluation.score",
    "evaluations",
    "graph.node.id",
    "graph.node.name",
    "graph.node.parent_id",
    "image.url",
    "input.documents",
    "input.images",
    "input.mime_type",
    "input.value",
    "llm.choices",
    "llm.cost.completion",
    "llm.cost.completion_details",
    "llm.cost.completion_details.audio",
    "llm.cost.completion_details.output",
    "llm.cost.completion_details.reasoning",
    "llm.cost.prompt",
    "llm.cost.prompt_details",
    "llm.cost.prompt_details.audio",
    "llm.cost.prompt_details.cache_input",
    "llm.cost.prompt_details.cache_read",
    "llm.cost.prompt_details.cache_write",
    "llm.cost.prompt_details.input",
    "llm.cost.total",
    "llm.finish_reason",
    "llm.function_call",
    "llm.input_messages",
    "llm.invocation_parameters",
    "llm.model_name",
    "llm.output_messages",
    "llm.prompt_template.template",
    "llm.prompt_template.variables",
    "llm.prompt_template.version",
    "llm.prompts",
    "llm.provider",
    "llm.request.model_name",
    "llm.response.model_name",
    "llm.system",
    "llm.token_count.completion",
    "llm.token_count.completion_details.audio",
    "llm.token_count.completion_details.reasoning",
    "llm.token_count.prompt",
    "llm.token_count.prompt_details",
    "llm.token_count.prompt_details.audio",
    "llm.token_count.prompt_details.cache_input",
    "llm.token_count.prompt_details.cache_read",
    "llm.token_count.prompt_details.cache_write",
    "llm.token_count.total",
    "llm.tools",
    "message.content",
    "message.contents",
    "message.function_call_arguments_json",
    "message.function_call_name",
    "message.name",
    "message.role",
    "message.tool_call_id",
    "message.tool_calls",
    "message_content.audio",
    "message_content.data",
    "message_content.document",
    "message_content.encrypted_content",
    "message_content.id",
    "message_content.image",
    "message_content.signature",
    "message_content.text",
    "message_content.type",
    "message_content.video",
    "metadata",
    "openinference.span.kind",
    "output.documents",
    "output.images",
    "output.mime_type",
    "output.value",
    "prompt.id",
    "prompt.text",
    "prompt.url",
    "prompt.vendor",
    "reranker.input_documents",
    "reranker.model_name",
    "reranker.output_documents",
    "reranker.query",
    "reranker.top_k",
    "retrieval.documents",
    "session.annotations",
    "session.evaluations",
    "session.id",
    "tag.tags",
    "tool.description",
    "tool.id",
    "tool.json_schema",
    "tool.name",
    "tool.parameters",
    "tool_call.function.arguments",
    "tool_call.function.name",
    "tool_call.id",
    "tool_call.reasoning_signature",
    "trace.annotations",
    "trace.evaluations",
    "user.id",
    "video.url",
];

/// Known names as dotted keys, also in the objects of lists; what has no known name stays as it is nested.
pub fn conventional(attributes: &Attributes) -> Attributes {
    let mut known = Attributes::new();
    let rest = split(attributes, "", &mut known);
    known.extend(rest);
    known
}

/// Moves values with known names to `known` and returns what is left.
fn split(node: &Attributes, prefix: &str, known: &mut Attributes) -> Attributes {
    let mut rest = Attributes::new();
    for (key, value) in node {
        let path = format!("{prefix}{key}");
        let below = format!("{path}.");
        let is_known = NAMES.binary_search(&path.as_str()).is_ok();
        match value {
            Value::Object(object) if has_names_below(&below) => {
                let left = split(object, &below, known);
                let place = if is_known { &mut *known } else { &mut rest };
                if !left.is_empty() {
                    place.insert(if is_known { path } else { key.clone() }, Value::Object(left));
                }
            }
            _ if is_known => {
                known.insert(path, in_list(value));
            }
            _ => {
                rest.insert(key.clone(), in_lists(value));
            }
        }
    }
    rest
}

fn has_names_below(prefix: &str) -> bool {
    let at = NAMES.partition_point(|name| *name < prefix);
    NAMES.get(at).is_some_and(|name| name.starts_with(prefix))
}

/// A list with its objects under known names; any other value as it is.
fn in_list(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(in_item).collect(),
        other => other.clone(),
    }
}

fn in_item(item: &Value) -> Value {
    match item {
        Value::Object(object) => Value::Object(conventional(object)),
        other => in_list(other),
    }
}

/// The same for every list below a value without a name.
fn in_lists(value: &Value) -> Value {
    match value {
        Value::Object(object) => {
            Value::Object(object.iter().map(|(key, value)| (key.clone(), in_lists(value))).collect())
        }
        other => in_list(other),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn shown(attributes: Value) -> Value {
        let Value::Object(attributes) = attributes else { panic!("an object") };
        Value::Object(conventional(&attributes))
    }

    #[test]
    fn names_are_sorted() {
        assert!(NAMES.is_sorted());
    }

    #[test]
    fn known_names_are_flat_and_unknown_ones_stay_nested() {
        let nested = json!({
            "llm": {"model_name": "m", "foo": 1, "bar": {"x": 2}, "token_count": {"prompt": 3, "prompt_details": {"foo": 4, "audio": 5}}},
            "metadata": {"document": {"content": "c"}}, "custom": {"a": {"b": 6}}, "input": "flat", "session": {"id": "s"},
        });
        let expected = json!({
            "llm.model_name": "m", "llm.token_count.prompt": 3, "llm.token_count.prompt_details.audio": 5,
            "llm.token_count.prompt_details": {"foo": 4}, "llm": {"foo": 1, "bar": {"x": 2}},
            "metadata": {"document": {"content": "c"}}, "custom": {"a": {"b": 6}}, "input": "flat", "session.id": "s",
        });
        assert_eq!(shown(nested), expected);
    }

    #[test]
    fn objects_in_lists_have_flat_keys_too() {
        let nested = json!({
            "llm": {"input_messages": [{"message": {"role": "user", "extra": {"deep": 1},
                "tool_calls": [{"tool_call": {"function": {"name": "f"}}}]}, "foo": 2}]},
            "deep": {"list": [{"document": {"content": "z"}}, 3]}, "retrieval": {"documents": "scalar"},
        });
        let expected = json!({
            "llm.input_messages": [{"message.role": "user", "message": {"extra": {"deep": 1}},
                "message.tool_calls": [{"tool_call.function.name": "f"}], "foo": 2}],
            "deep": {"list": [{"document.content": "z"}, 3]}, "retrieval.documents": "scalar",
        });
        assert_eq!(shown(nested), expected);
    }
}
