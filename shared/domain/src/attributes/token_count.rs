//! Token counts, which senders also write as text or as doubles.

use std::borrow::Cow;

use serde_json::Value;

const TOKEN_COUNTS: [&str; 3] =
    ["llm.token_count.prompt", "llm.token_count.completion", "llm.token_count.total"];

/// Makes the value of a token count key a whole number, if it can be one.
pub(super) fn read_token_count(key: &str, value: &mut Value) {
    if TOKEN_COUNTS.contains(&key)
        && let Some(number) = whole_number(value)
    {
        *value = Value::from(number);
    }
}

/// The whole part of a number, digits in a string, 0 or 1 for a boolean; `None` if it is none of these or
/// does not fit.
pub(crate) fn whole_number(value: &Value) -> Option<i64> {
    match value {
        Value::Bool(flag) => Some(i64::from(*flag)),
        Value::Number(number) => number.as_i64().or_else(|| whole_part(number.as_f64()?)),
        Value::String(text) => digits(text.trim())?.parse().ok(),
        _ => None,
    }
}

/// Single underscores between digits only group them.
fn digits(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains('_') {
        return Some(Cow::Borrowed(text));
    }
    let grouped = text.trim_start_matches(['+', '-']).split('_').all(|group| !group.is_empty());
    grouped.then(|| Cow::Owned(text.replace('_', "")))
}

fn whole_part(number: f64) -> Option<i64> {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0; // 2^63, exact as a double
    #[expect(clippy::cast_possible_truncation, reason = "the fraction is meant to go; the range is checked")]
    (-LIMIT..LIMIT).contains(&number).then_some(number as i64)
}
