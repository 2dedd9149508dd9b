//! Dotted keys for output.

use std::convert::Infallible;

use serde::ser::{Serialize, SerializeMap as _, Serializer};
use serde_json::Value;

use super::Attributes;

/// Nested attributes under dotted keys, as span lists show them: objects dissolve, and so do lists with an
/// object among their members (their other members are not shown); lists of plain values stay; `null` is left
/// out. `openinference.span.kind` is a key like any other here. Below an empty key there is no dot; of equal keys the
/// last one stays.
pub fn flatten(nested: &Attributes) -> Attributes {
    let mut flat = Attributes::new();
    let Ok(()) = for_each(nested, &mut |key, value| {
        flat.insert(key.to_owned(), value.clone());
        Ok::<_, Infallible>(())
    });
    flat
}

/// Nested attributes that are written as [`flatten`] makes them, without making them: that copies every text.
pub struct Flat {
    pub nested: Attributes,
    /// A dotted key that is not written.
    pub except: &'static str,
}

impl Serialize for Flat {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if has_odd_name(&self.nested) {
            let mut flat = flatten(&self.nested);
            flat.shift_remove(self.except);
            return flat.serialize(serializer);
        }
        let mut map = serializer.serialize_map(None)?;
        for_each(&self.nested, &mut |key, value| {
            if key == self.except { Ok(()) } else { map.serialize_entry(key, value) }
        })?;
        map.end()
    }
}

/// Whether two values may have the same dotted key: not without a name that is empty or has a dot itself.
fn has_odd_name(nested: &Attributes) -> bool {
    let below = |value: &Value| match value {
        Value::Object(members) => has_odd_name(members),
        Value::Array(items) => items.iter().filter_map(Value::as_object).any(has_odd_name),
        _ => false,
    };
    nested.iter().any(|(name, value)| name.is_empty() || name.contains('.') || below(value))
}

/// Calls `each` with every dotted key and its value.
fn for_each<E>(nested: &Attributes, each: &mut impl FnMut(&str, &Value) -> Result<(), E>) -> Result<(), E> {
    let mut key = String::new();
    for (name, value) in nested {
        key.clear();
        key.push_str(name);
        visit(&mut key, value, each)?;
    }
    Ok(())
}

fn visit<E>(
    key: &mut String,
    value: &Value,
    each: &mut impl FnMut(&str, &Value) -> Result<(), E>,
) -> Result<(), E> {
    match value {
        Value::Null => Ok(()),
        Value::Object(members) => {
            members.iter().try_for_each(|(name, member)| visit_below(key, name, member, each))
        }
        Value::Array(items) if items.iter().any(Value::is_object) => {
            let objects = items.iter().enumerate().filter(|(_, item)| item.is_object());
            objects
                .map(|(position, item)| (position.to_string(), item))
                .try_for_each(|(position, item)| visit_below(key, &position, item, each))
        }
        plain => each(key, plain),
    }
}

fn visit_below<E>(
    key: &mut String,
    name: &str,
    value: &Value,
    each: &mut impl FnMut(&str, &Value) -> Result<(), E>,
) -> Result<(), E> {
    let parent = key.len();
    if parent > 0 {
        key.push('.');
    }
    key.push_str(name);
    visit(key, value, each)?;
    key.truncate(parent);
    Ok(())
}
