//! The tokens of a span, by kind.

use serde_json::Value;

use crate::attributes::whole_number;
use crate::kind::SpanKind;
use crate::span::{Span, lookup};

/// Tokens that a span used (OpenInference `llm.token_count.*`). Details count among the prompt or the completion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TokenUsage {
    pub prompt: i64,
    pub completion: i64,
    pub cache_read: i64,
    pub cache_write: i64,
    pub prompt_audio: i64,
    pub reasoning: i64,
    pub completion_audio: i64,
}

impl TokenUsage {
    /// `None` unless it is an LLM span that says how many tokens it used. A total that is larger than its parts adds to
    /// the prompt if that is not known, else to the completion.
    pub fn of(span: &Span) -> Option<Self> {
        if span.kind != SpanKind::Llm {
            return None;
        }
        let counts = lookup(&span.attributes, &["llm", "token_count"])?.as_object()?;
        let count = |path: &[&str]| lookup(counts, path).and_then(whole_number);
        let (prompt, completion, total) = (count(&["prompt"]), count(&["completion"]), count(&["total"]));
        prompt.or(completion).or(total)?;
        let detail = |path: &[&str]| count(path).unwrap_or(0).max(0);
        let mut usage = Self {
            prompt: prompt.unwrap_or(0),
            completion: completion.unwrap_or(0),
            // Both names are in use for the same tokens.
            cache_read: detail(&["prompt_details", "cache_read"])
                .max(detail(&["prompt_details", "cache_input"])),
            cache_write: detail(&["prompt_details", "cache_write"]),
            prompt_audio: detail(&["prompt_details", "audio"]),
            reasoning: detail(&["completion_details", "reasoning"]),
            completion_audio: detail(&["completion_details", "audio"]),
        };
        let surplus = total.unwrap_or(0).saturating_sub(usage.prompt.saturating_add(usage.completion)).max(0);
        let grown = if usage.prompt == 0 { &mut usage.prompt } else { &mut usage.completion };
        *grown = grown.saturating_add(surplus);
        Some(usage)
    }
}

/// The model and the provider that a span names, where it names a model.
pub(super) fn model_of(span: &Span) -> Option<(&str, Option<&str>)> {
    let text = |key: &str| {
        let value = lookup(&span.attributes, &["llm", key]).and_then(Value::as_str);
        value.map(str::trim).filter(|text| !text.is_empty())
    };
    Some((text("model_name")?, text("provider").or_else(|| text("system"))))
}
