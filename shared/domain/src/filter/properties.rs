//! Laws that hold for any condition.

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::json;

use super::*;
use crate::ids::{SpanId, TraceId};
use crate::kind::{SpanKind, StatusCode};
use crate::span::Span;
use crate::time::Timestamp;

const FLAVOURS: [Flavour; 3] = [Flavour::Span, Flavour::Trace, Flavour::Session];

/// Words that conditions are made of, so that soups of them get far into the parser.
const WORDS: [&str; 56] = [
    "name",
    "span_kind",
    "latency_ms",
    "start_time",
    "parent_span",
    "x",
    "x.tokens",
    "cost_details",
    "spans",
    "llm.model_name",
    "attributes['a']",
    "metadata['k']",
    "annotations['q']",
    ".score",
    "any(",
    "all(",
    "len([",
    "sum(",
    "max(",
    "float(",
    "str(",
    "(",
    ")",
    "[",
    "]",
    ",",
    ".",
    " for x in cost_details)",
    " for s in spans)",
    " if ",
    "==",
    "!=",
    "<",
    "<=",
    ">",
    "in",
    "not",
    "is",
    "and",
    "or",
    "None",
    "True",
    "False",
    "'a'",
    "'2026-01-02T03:04:05Z'",
    "'",
    "\"",
    "\\",
    "1",
    "-",
    "1.5e3",
    "+",
    "*",
    "/",
    "%",
    "é",
];

fn operand() -> impl Strategy<Value = String> {
    let leaf = select(vec![
        "whole",
        "text",
        "nothing",
        "flag",
        "latency_ms",
        "1",
        "0",
        "-2.5",
        "float(digits)",
        "whole + 1",
        "latency_ms / whole",
    ]);
    leaf.prop_map(str::to_owned)
}

fn condition() -> impl Strategy<Value = String> {
    let order = select(vec!["==", "!=", "<", "<=", ">", ">="]);
    let leaf = prop_oneof![
        (operand(), order, operand()).prop_map(|(left, order, right)| format!("{left} {order} {right}")),
        select(vec![
            "text == 'blue'",
            "'BL' in text",
            "nothing is None",
            "text in ['blue', 'red']",
            "flag is True"
        ])
        .prop_map(str::to_owned),
    ];
    leaf.prop_recursive(4, 24, 3, |inner| {
        prop_oneof![
            inner.clone().prop_map(|one| format!("not ({one})")),
            (inner.clone(), inner.clone()).prop_map(|(one, other)| format!("({one}) and ({other})")),
            (inner.clone(), inner).prop_map(|(one, other)| format!("({one}) or ({other})")),
        ]
    })
}

fn facts(whole: i64, text: &str, flag: bool) -> SpanFacts {
    let attributes = json!({"whole": whole, "text": text, "flag": flag, "digits": "42"});
    let span = Span {
        trace_id: TraceId::from_bytes(&[1; 16]).unwrap(),
        span_id: SpanId::from_bytes(&[2; 8]).unwrap(),
        parent_id: None,
        text_ids: None,
        name: "n".to_owned(),
        kind: SpanKind::Chain,
        start: Timestamp(0),
        end: Timestamp(1_000),
        status: StatusCode::Unset,
        status_message: String::new(),
        attributes: attributes.as_object().unwrap().clone(),
        events: Vec::new(),
    };
    SpanFacts { span, context: SpanContext::default() }
}

/// True, false or unknown.
fn truth(condition: &str, facts: &SpanFacts) -> Option<bool> {
    let holds = |text: String| {
        let parsed = Condition::parse(Flavour::Span, &text).unwrap_or_else(|error| panic!("{text}: {error}"));
        parsed.holds(Subject::Span(facts)).unwrap()
    };
    match (holds(condition.to_owned()), holds(format!("not ({condition})"))) {
        (true, false) => Some(true),
        (false, true) => Some(false),
        (false, false) => None,
        (true, true) => panic!("{condition} is true and false"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_text_is_parsed_or_refused(text in any::<String>()) {
        for flavour in FLAVOURS {
            let _ = Condition::parse(flavour, &text);
        }
    }

    #[test]
    fn any_soup_of_words_is_parsed_or_refused(words in prop::collection::vec(select(&WORDS[..]), 0..24)) {
        let text = words.join(" ");
        for flavour in FLAVOURS {
            if let Err(error) = Condition::parse(flavour, &text) {
                prop_assert!((1..=text.chars().count() + 1).contains(&error.column), "{}", error);
            }
        }
    }

    #[test]
    fn what_is_parsed_can_be_evaluated(words in prop::collection::vec(select(&WORDS[..]), 0..12)) {
        if let Ok(condition) = Condition::parse(Flavour::Span, &words.join(" ")) {
            let _ = condition.holds(Subject::Span(&facts(1, "blue", true)));
        }
    }

    #[test]
    fn truth_values_obey_the_laws_of_de_morgan(
        one in condition(), other in condition(), whole in -3..3_i64, text in select(vec!["blue", "red"]), flag: bool,
    ) {
        let facts = facts(whole, text, flag);
        let truth = |text: &str| truth(text, &facts);
        prop_assert_eq!(truth(&format!("not (({one}) and ({other}))")), truth(&format!("not ({one}) or not ({other})")));
        prop_assert_eq!(truth(&format!("not (({one}) or ({other}))")), truth(&format!("not ({one}) and not ({other})")));
        prop_assert_eq!(truth(&format!("({one}) and ({other})")), truth(&format!("({other}) and ({one})")));
        prop_assert_eq!(truth(&format!("({one}) is None")), Some(truth(&one).is_none()));
    }
}
