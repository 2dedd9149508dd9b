//! Dotted keys for output.

use serde_json::Value;

use super::Attributes;

/// Nested attributes under dotted keys, as span lists show them: objects dissolve, and so do lists with an
/// object among their members (their other members are not shown); lists of plain values stay; `null` is left
/// out. `openinference.span.kind` is a key like any other here. Below an empty key there is no dot; of equal keys the
/// last one stays.
pub fn flatten(nested: &Attributes) -> Attributes {
    let mut flat = Attributes::new();
    let mut key = String::new();
    for (name, value) in nested {
        key.clear();
        key.push_str(name);
        add(&mut key, value, &mut flat);
    }
    flat
}

fn add(key: &mut String, value: &Value, flat: &mut Attributes) {
    match value {
        Value::Null => {}
        Value::Object(members) => {
            for (name, member) in members {
                add_below(key, name, member, flat);
            }
        }
        Value::Array(items) if items.iter().any(Value::is_object) => {
            for (position, item) in items.iter().enumerate().filter(|(_, item)| item.is_object()) {
                add_below(key, &position.to_string(), item, flat);
            }
        }
        plain => {
            flat.insert(key.clone(), plain.clone());
        }
    }
}

fn add_below(key: &mut String, name: &str, value: &Value, flat: &mut Attributes) {
    let parent = key.len();
    if parent > 0 {
        key.push('.');
    }
    key.push_str(name);
    add(key, value, flat);
    key.truncate(parent);
}
