//! What holds for any attributes, also those nobody would send in good faith.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::common::v1::any_value::Value as Otlp;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Attributes, Flat, MAX_SEGMENTS, flatten, otlp_attributes, shape, to_json, unflatten};

/// Trees that dotted keys can say: no empty containers, no names that are numbers, no lists that mix.
fn plain_tree() -> impl Strategy<Value = Attributes> {
    let name = "[a-z]{1,2}";
    let scalar = prop_oneof![
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".*".prop_map(Value::from)
    ];
    let leaf = prop_oneof![scalar.clone(), vec(scalar, 0..3).prop_map(Value::from)];
    let object = move |member| {
        btree_map(name, member, 1..4).prop_map(|members| members.into_iter().collect::<Value>())
    };
    let node = leaf.prop_recursive(5, 40, 4, move |node| {
        let object = object(node);
        prop_oneof![object.clone(), vec(object, 1..12).prop_map(Value::from)]
    });
    btree_map(name, node, 0..5).prop_map(|members| members.into_iter().collect())
}

/// Keys that collide a lot, and some from all of Unicode.
fn any_key() -> impl Strategy<Value = String> {
    prop_oneof![3 => "[ab01. ]{0,9}", 1 => any::<String>()]
}

/// The rule of paths, written another way than in the code under test.
fn path(key: &str) -> Vec<String> {
    let number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let zeros = |text: &str| text.bytes().take_while(|byte| *byte == b'0').count().min(text.len() - 1);
    let parts = key.split('.').map(str::trim).filter(|text| !text.is_empty());
    parts.map(|text| if number(text) { text[zeros(text)..].to_owned() } else { text.to_owned() }).collect()
}

fn scalars(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(items) => items.iter().flat_map(scalars).collect(),
        Value::Object(members) => members.values().flat_map(scalars).collect(),
        scalar => vec![scalar],
    }
}

proptest! {
    #[test]
    fn plain_trees_survive_the_way_out_and_in(tree in plain_tree()) {
        prop_assert_eq!(unflatten(flatten(&tree)), tree);
    }

    #[test]
    fn what_is_written_flat_is_what_flatten_makes(keys in vec(any_key(), 0..12), tree in plain_tree()) {
        let odd = unflatten(keys.into_iter().enumerate().map(|(number, key)| (key, json!(number))));
        for nested in [odd, tree] {
            let mut flat = flatten(&nested);
            flat.shift_remove("a");
            let expected = serde_json::to_string(&flat).unwrap();
            prop_assert_eq!(serde_json::to_string(&Flat { nested, except: "a" }).unwrap(), expected);
        }
    }

    #[test]
    fn every_value_is_kept_but_for_repeated_paths(keys in vec(any_key(), 0..12)) {
        let last: BTreeMap<_, _> = keys.iter().enumerate().map(|(number, key)| (path(key), number)).collect();
        let nested = Value::Object(unflatten(keys.into_iter().enumerate().map(|(number, key)| (key, json!(number)))));
        let mut kept: Vec<_> = scalars(&nested).into_iter().filter_map(Value::as_u64).collect();
        kept.sort_unstable();
        let mut expected: Vec<_> = last.into_values().map(|number| number as u64).collect();
        expected.sort_unstable();
        prop_assert_eq!(kept, expected);
    }

    #[test]
    fn the_order_of_different_paths_does_not_matter(
        (ordered, shuffled) in vec(any_key(), 0..12).prop_flat_map(|keys| {
            let different: BTreeMap<_, _> = keys.into_iter().map(|key| (path(&key), key)).collect();
            let flat: Vec<_> = different.into_values().enumerate().map(|(number, key)| (key, json!(number))).collect();
            (Just(flat.clone()), Just(flat).prop_shuffle())
        })
    ) {
        prop_assert_eq!(unflatten(ordered), unflatten(shuffled));
    }

    #[test]
    fn any_text_under_a_known_key_is_shaped_and_rendered(
        name in "gen_ai\\.(input\\.messages|tool\\.definitions|retrieval\\.documents|usage\\.input_tokens|system)|metadata",
        text in "[\\[{]\\{\"(role|type|id|parts|name)\": ?[\\[{]?(\"text\"|5|null)?.{0,8}|.*",
        key in any_key(),
    ) {
        let shaped = shape(vec![pair(&name, text_value(&text)), pair(&key, text_value(&text))]);
        prop_assert!(!otlp_attributes(&shaped).is_empty() || name == "metadata");
    }
}

fn pair(key: &str, value: AnyValue) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(value), ..KeyValue::default() }
}

fn text_value(text: &str) -> AnyValue {
    AnyValue { value: Some(Otlp::StringValue(text.to_owned())) }
}

fn one(key: &str) -> Attributes {
    unflatten([(key.to_owned(), json!(1))])
}

#[test]
fn a_key_with_too_many_segments_stays_flat() {
    let longest = ["a"; MAX_SEGMENTS].join(".");
    assert_eq!(flatten(&one(&longest)), json!({ &*longest: 1 }).as_object().unwrap().clone());
    assert_eq!(one(&longest)["a"].as_object().map(Attributes::len), Some(1));
    let longer = format!("{longest}.a");
    assert_eq!(Value::Object(one(&longer)), json!({ &*longer: 1 }));
}

#[test]
fn a_key_of_dots_is_the_empty_name() {
    assert_eq!(Value::Object(one(&".".repeat(100_000))), json!({"": 1}));
    let endless = "a.".repeat(100_000);
    assert_eq!(Value::Object(one(&endless)), json!({ &*endless: 1 }));
}

#[test]
fn a_huge_position_does_not_make_a_huge_list() {
    let digits = "9".repeat(10_000);
    let flat = [(format!("a.{digits}.b"), json!(2)), ("a.1000000000000000000.b".to_owned(), json!(1))];
    assert_eq!(Value::Object(unflatten(flat)), json!({"a": [{"b": 1}, {"b": 2}]}));
}

/// Quadratic behaviour anywhere would take hours here.
#[test]
fn very_many_keys_are_nested() {
    const COUNT: usize = 100_000;
    let keys: [fn(usize) -> String; 5] = [
        |number| format!("k{number}"),
        |number| format!("a.{number}.b"),
        |number| format!("a.{number}"),
        |number| format!("a.{}.b.{number}", number / 2),
        |number| format!("a{}", ".a".repeat(number % MAX_SEGMENTS)),
    ];
    for key in keys {
        let nested = unflatten((0..COUNT).rev().map(|number| (key(number), json!(number))));
        assert!(!flatten(&nested).is_empty());
    }
}

#[test]
fn deep_values_are_kept_and_deep_json_text_stays_text() {
    let level = |inner| AnyValue { value: Some(Otlp::ArrayValue(ArrayValue { values: vec![inner] })) };
    let deep = (0..100).fold(text_value("core"), |inner, _| level(inner));
    assert!(to_json(deep.clone()).unwrap().to_string().contains("core"));

    let json_text = format!("{}{}", "[".repeat(1_000), "]".repeat(1_000));
    let shaped = shape(vec![pair("metadata", text_value(&json_text)), pair("d", deep)]);
    assert_eq!(shaped["metadata"], json!(json_text));
    assert_eq!(otlp_attributes(&shaped).len(), 2);
}
