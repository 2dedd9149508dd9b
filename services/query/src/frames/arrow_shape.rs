//! Arrow arrays of nested JSON.

use std::sync::Arc;

use arrow_array::{
    Array as _, ArrayRef, BooleanArray, Float64Array, Int64Array, ListArray, NullArray, StringArray,
    StructArray,
};
use arrow_buffer::{NullBuffer, OffsetBuffer};
use arrow_schema::{Field, Fields};
use serde_json::Value;

/// The type that nested values have in common. JSON nested deeper than requests can be has none, so recursion is bounded.
#[derive(Debug, Clone, PartialEq)]
pub enum Shape {
    Null,
    Boolean,
    Integer,
    Number,
    Text,
    List(Box<Self>),
    /// Members in the order they first appear in.
    Object(Vec<(String, Self)>),
}

impl Shape {
    /// `None` if members of a list have no common shape.
    pub fn of(value: &Value) -> Option<Self> {
        Some(match value {
            Value::Null => Self::Null,
            Value::Bool(_) => Self::Boolean,
            Value::Number(number) if number.is_i64() => Self::Integer,
            Value::Number(_) => Self::Number,
            Value::String(_) => Self::Text,
            Value::Array(items) => {
                let item = items.iter().try_fold(Self::Null, |shape, item| shape.merged(Self::of(item)?))?;
                Self::List(Box::new(item))
            }
            Value::Object(members) => {
                let members = members.iter().map(|(key, value)| Some((key.clone(), Self::of(value)?)));
                Self::Object(members.collect::<Option<_>>()?)
            }
        })
    }

    /// The shape of both; `None` if there is none.
    pub fn merged(self, other: Self) -> Option<Self> {
        Some(match (self, other) {
            (Self::Null, shape) | (shape, Self::Null) => shape,
            (Self::Integer | Self::Number, Self::Number) | (Self::Number, Self::Integer) => Self::Number,
            (Self::List(one), Self::List(other)) => Self::List(Box::new(one.merged(*other)?)),
            (Self::Object(mut members), Self::Object(others)) => {
                for (key, shape) in others {
                    match members.iter_mut().find(|(known, _)| *known == key) {
                        Some((_, known)) => *known = known.clone().merged(shape)?,
                        None => members.push((key, shape)),
                    }
                }
                Self::Object(members)
            }
            (one, other) if one == other => one,
            _ => return None,
        })
    }

    /// What stands in the members of a missing object, unseen: pandas takes numbers with gaps for doubles.
    fn filler(&self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Boolean => Value::from(false),
            Self::Integer => Value::from(0),
            Self::Number => Value::from(0.0),
            Self::Text => Value::from(""),
            Self::List(_) => Value::Array(Vec::new()),
            Self::Object(members) => {
                Value::Object(members.iter().map(|(key, shape)| (key.clone(), shape.filler())).collect())
            }
        }
    }

    /// Values of this shape; missing ones are null.
    pub fn array(&self, values: &[Option<&Value>]) -> ArrayRef {
        match self {
            Self::Null => Arc::new(NullArray::new(values.len())),
            Self::Boolean => Arc::new(present(values, Value::as_bool).collect::<BooleanArray>()),
            Self::Integer => Arc::new(present(values, Value::as_i64).collect::<Int64Array>()),
            Self::Number => Arc::new(present(values, Value::as_f64).collect::<Float64Array>()),
            Self::Text => Arc::new(present(values, Value::as_str).collect::<StringArray>()),
            Self::List(item) => list_array(item, values),
            // Arrow has no struct without members; pandas shows both as nothing.
            Self::Object(members) if members.is_empty() => Arc::new(NullArray::new(values.len())),
            Self::Object(members) => object_array(members, values),
        }
    }
}

fn present<'v, T>(
    values: &[Option<&'v Value>],
    read: impl Fn(&'v Value) -> Option<T>,
) -> impl Iterator<Item = Option<T>> {
    values.iter().map(move |value| value.and_then(&read))
}

fn list_array(item: &Shape, values: &[Option<&Value>]) -> ArrayRef {
    let lists: Vec<Option<&Vec<Value>>> = present(values, Value::as_array).collect();
    let items: Vec<Option<&Value>> = lists.iter().flatten().flat_map(|list| list.iter().map(Some)).collect();
    let lengths = lists.iter().map(|list| list.map_or(0, Vec::len));
    let items = item.array(&items);
    let field = Arc::new(Field::new("item", items.data_type().clone(), true));
    let nulls: NullBuffer = lists.iter().map(Option::is_some).collect();
    Arc::new(ListArray::new(field, OffsetBuffer::from_lengths(lengths), items, Some(nulls)))
}

fn object_array(members: &[(String, Shape)], values: &[Option<&Value>]) -> ArrayRef {
    let arrays: Vec<ArrayRef> = members
        .iter()
        .map(|(key, shape)| {
            let filler = shape.filler();
            let found: Vec<_> =
                values.iter().map(|value| value.map_or(Some(&filler), |value| value.get(key))).collect();
            shape.array(&found)
        })
        .collect();
    let fields: Fields = members
        .iter()
        .zip(&arrays)
        .map(|((key, _), array)| Field::new(key, array.data_type().clone(), true))
        .collect();
    let nulls: NullBuffer = values.iter().map(|value| value.is_some_and(Value::is_object)).collect();
    Arc::new(StructArray::new(fields, arrays, Some(nulls)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn merged(values: &[Value]) -> Option<Shape> {
        values.iter().try_fold(Shape::Null, |shape, value| shape.merged(Shape::of(value)?))
    }

    #[test]
    fn shapes_widen_until_they_contradict() {
        let list = |item| Some(Shape::List(Box::new(item)));
        assert_eq!(merged(&[json!([1]), json!([2.5]), json!([])]), list(Shape::Number));
        assert_eq!(merged(&[json!([1]), json!(["a"])]), None);
        assert_eq!(merged(&[json!([1, "a"])]), None);
        assert_eq!(merged(&[json!({"a": 1}), json!([1])]), None);
        let members = vec![("a".to_owned(), Shape::Integer), ("b".to_owned(), Shape::Text)];
        assert_eq!(merged(&[json!({"a": 1}), json!({"b": "x", "a": null})]), Some(Shape::Object(members)));
    }

    #[test]
    fn arrays_hold_what_is_there_and_null_for_the_rest() {
        let (one, two) = (json!({"a": [1, 2]}), json!({"a": null}));
        let values = [Some(&one), None, Some(&two)];
        let shape = merged(&[one.clone(), two.clone()]).unwrap();
        let array = shape.array(&values);
        assert_eq!((array.len(), array.null_count()), (3, 1));
    }
}
