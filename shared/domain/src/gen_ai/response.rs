//! What the model answered about itself: usage, finish reasons, its id.

use serde_json::{Map, Value};

use super::request::texts;
use super::synthesis::Synthesis;
use crate::attributes::json_text;
use crate::attributes::whole_number;

pub(super) fn add(synthesis: &mut Synthesis) {
    add_usage(synthesis);
    match texts(synthesis, "gen_ai.response.finish_reasons").as_deref() {
        None => {}
        Some([reason]) => synthesis.add("llm.finish_reason", reason.as_str()),
        Some(reasons) => synthesis.add("llm.finish_reason", reasons),
    }
    let mut output = Map::new();
    for (key, name) in [("gen_ai.response.id", "id"), ("gen_ai.response.model", "model")] {
        if let Some(text) = synthesis.text(key) {
            output.insert(name.to_owned(), Value::from(text));
        }
    }
    if !output.is_empty() {
        synthesis.add("output.value", json_text(&Value::Object(output)));
        synthesis.add("output.mime_type", "application/json");
    }
}

fn add_usage(synthesis: &mut Synthesis) {
    let input = tokens(synthesis, "gen_ai.usage.input_tokens");
    let output = tokens(synthesis, "gen_ai.usage.output_tokens");
    let counts = [
        ("llm.token_count.prompt", input),
        ("llm.token_count.completion", output),
        ("llm.token_count.total", input.zip(output).and_then(|(input, output)| input.checked_add(output))),
        (
            "llm.token_count.prompt_details.cache_read",
            tokens(synthesis, "gen_ai.usage.cache_read.input_tokens"),
        ),
        (
            "llm.token_count.prompt_details.cache_write",
            tokens(synthesis, "gen_ai.usage.cache_creation.input_tokens"),
        ),
    ];
    for (key, count) in counts {
        if let Some(count) = count {
            synthesis.add(key, count);
        }
    }
}

/// A count that is whole as it was sent; a boolean is none.
fn tokens(sent: &Synthesis, key: &str) -> Option<i64> {
    let whole = |value: &&Value| match value {
        Value::Bool(_) => false,
        Value::Number(number) => number.as_f64().is_some_and(|number| number.fract() == 0.0),
        _ => true,
    };
    sent.value(key).filter(whole).and_then(whole_number)
}
