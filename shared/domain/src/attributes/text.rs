//! Values as text, where the API wants text and was sent something else.

use serde_json::Value;

/// Strings as they are, numbers, lists and objects as JSON, and `True`, `False`, `None`, which is how the
/// reference writes them and clients therefore expect them.
pub(crate) fn plain_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Null => "None".to_owned(),
        other => other.to_string(),
    }
}
