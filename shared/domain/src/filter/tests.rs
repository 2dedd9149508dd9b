//! The condition language by example.

use serde_json::json;

use super::*;
use crate::attributes::Attributes;
use crate::cost::{Cost, CostDetail};
use crate::ids::{SpanId, TraceId};
use crate::kind::{SpanKind, StatusCode};
use crate::span::{Span, TokenCounts};
use crate::time::Timestamp;

const START: i64 = 1_767_323_045_000_000; // 2026-01-02T03:04:05Z

fn facts(id: u8, name: &str, attributes: serde_json::Value) -> SpanFacts {
    let serde_json::Value::Object(attributes) = attributes else { panic!("an object") };
    let span = Span {
        trace_id: TraceId::from_bytes(&[1; 16]).unwrap(),
        span_id: SpanId::from_bytes(&[id; 8]).unwrap(),
        parent_id: None,
        text_ids: None,
        name: name.to_owned(),
        kind: SpanKind::Llm,
        start: Timestamp(START + 1_000_000),
        end: Timestamp(START + 3_500_000),
        status: StatusCode::Ok,
        status_message: "Fine so far".to_owned(),
        attributes,
        events: Vec::new(),
    };
    SpanFacts { span, context: SpanContext::default() }
}

fn chat() -> SpanFacts {
    let mut facts = facts(
        7,
        "chat",
        json!({
            "llm": {"model_name": "gpt-4", "token_count": {"prompt": 10, "completion": 5}, "input_messages": [{"message": {"role": "user"}}]},
            "whole": 42, "float": 42.0, "fraction": 0.25, "yes": true, "no": false, "digits": "42", "text": "blue",
            "ÄÖ": "ÄÖ", "list": ["x", 1], "object": {"k": {"n": 1}}, "metadata": {"k": 1, "flag": true}, "empty": "",
            "big": 9_007_199_254_740_993_i64, "one": 1, "word": "True", "spaced": " 12 ", "null": null,
        }),
    );
    facts.span.parent_id = SpanId::from_bytes(&[9; 8]).ok();
    let tokens = TokenCounts { prompt: 10, completion: 5 };
    let detail = |token_type, tokens: i32, cost: f64| CostDetail {
        token_type,
        is_prompt: token_type == "input",
        tokens: tokens.into(),
        cost: Some(cost),
        cost_per_token: Some(cost / f64::from(tokens)),
    };
    let annotation = |name: &str, score: f64, label: &str| Annotation {
        name: name.to_owned(),
        score: Some(score),
        label: Some(label.to_owned()),
        ..Annotation::default()
    };
    facts.context = SpanContext {
        tokens: Some(tokens),
        cumulative: Cumulative { tokens, errors: 1 },
        parent_is_stored: true,
        cost: Cost { prompt: 500_000_000, completion: 250_000_000 },
        cost_details: vec![detail("input", 10, 0.5), detail("output", 5, 0.25)],
        annotations: vec![
            annotation("q", 0.9, "good"),
            annotation("q", 0.1, "bad"),
            annotation("tox", 0.0, "no"),
        ],
        trace_annotations: vec![annotation("tq", 0.5, "fine")],
    };
    facts
}

fn span_holds(condition: &str) -> bool {
    let parsed =
        Condition::parse(Flavour::Span, condition).unwrap_or_else(|error| panic!("{condition}: {error}"));
    parsed.holds(Subject::Span(&chat())).unwrap()
}

fn all_hold(conditions: &[&str]) {
    for condition in conditions {
        assert!(span_holds(condition), "{condition}");
    }
}

/// Neither these nor their opposites hold.
fn all_are_unknown(conditions: &[&str]) {
    for condition in conditions {
        assert!(!span_holds(condition), "{condition}");
        assert!(!span_holds(&format!("not ({condition})")), "not ({condition})");
    }
}

#[test]
fn columns_are_compared_by_their_type() {
    all_hold(&[
        "name == 'chat'",
        "name != \"Chat\"",
        "span_kind == 'llm' and 'LLM' == span_kind",
        "span_kind in ['tool', 'llm']",
        "status_code == 'ok'",
        "'SO FAR' in status_message",
        "latency_ms == 2500 and latency_ms / 1000 > 2",
        "start_time == '2026-01-02T03:04:06Z' and start_time < end_time",
        "'2026-01-02T03:04:05Z' < start_time < '2026-01-02T05:04:07+02:00'",
        "parent_id == '0909090909090909' and span_id == context.span_id == '0707070707070707'",
        "parent_span is not None and parent_span != None and not parent_id is None",
        "cumulative_llm_token_count_total == 15 and cumulative_token_count.prompt == 10",
        "total_cost == 0.75 and prompt_cost > completion_cost",
    ]);
}

#[test]
fn attributes_are_read_as_what_they_are_compared_with() {
    all_hold(&[
        "whole == 42 and whole == 42.0 and whole == '42' and float == 42 and float != '42'",
        "digits == 42 and digits == '42' and spaced == 12 and spaced != '12'",
        "yes == True and yes is True and yes == 1 and no == 0 and word == True and one == True",
        "whole > 10 and 10 < whole < 100 and text > 'a'",
        "llm.model_name == 'gpt-4' and attributes['llm']['model_name'] == 'gpt-4'",
        "attributes['list'][1] == 1 and 'x' in list and list == '[\"x\",1]'",
        "metadata['k'] == 1 and metadata.k == 1 and metadata['flag'] == True",
        "object.k.n == 1 and object == '{\"k\":{\"n\":1}}'",
        "llm.token_count.prompt + llm.token_count.completion == 15",
        "big == 9007199254740993 and big != 9007199254740992",
        "float(digits) > 41 and int(fraction) == 0 and str(whole) == '42' and str(yes) == 'true'",
        "'BL' in text and 'äö' in ÄÖ and '' in text and 'z' not in text",
        "whole in [7, 42] and text in ('red', 'blue') and text not in []",
        "whole == float and text == text and text != digits",
        "attributes['null'] is None and nothing is None and empty is not None",
    ]);
}

#[test]
fn nothing_compares_with_what_is_missing() {
    all_are_unknown(&[
        "nothing == 1",
        "nothing != 1",
        "nothing < nothing",
        "nothing in ['a']",
        "'a' in nothing",
        "text == 1",
        "text < 1",
        "object > 1",
        "whole == True",
        "float(text) > 1",
        "nothing + 1 == 1",
        "whole / 0 == 1",
        "whole % 0 == 1",
        "nothing == 1 and name == 'chat'",
        "attributes['llm.model_name'] == 'gpt-4'",
        "annotations['none'].score > 0",
    ]);
    all_hold(&[
        "nothing == 1 or name == 'chat'",
        "not (nothing == 1 and name == 'x')",
        "(nothing == 1) is None",
    ]);
}

#[test]
fn arithmetic_is_exact_while_it_is_whole() {
    all_hold(&[
        "7 / 2 == 3.5 and -7 % 3 == -1 and 2 * 3 + 1 == 7 and 2 + 3 * 2 == 8",
        "big - 1 == 9007199254740992 and --whole == 42 and +whole == 42 and -whole < 0",
        "9223372036854775807 + 1 > 9000000000000000000",
        "name + '!' == 'chat!' and text + text == 'blueblue' and 'x' + whole == 'x42'",
        "whole * whole == 1764 and whole - fraction == 41.75",
    ]);
}

#[test]
fn annotations_of_one_name_are_tried_one_by_one() {
    all_hold(&[
        "annotations['q'].score > 0.5 and annotations['q'].label == 'good'",
        "annotations['q'].label == 'bad' and evals['q'].score < 0.5 and annotations['tox'].score == 0",
        "annotations['q'].label != 'good' and annotations['q']",
        "not annotations['other'] and annotations['other'].label is None",
        "trace_annotations['tq'].label in ['fine']",
    ]);
    assert!(!span_holds("annotations['q'].score > 0.5 and annotations['q'].label == 'bad'"));
}

#[test]
fn comprehensions_reduce_elements() {
    all_hold(&[
        "any(x.token_type == 'input' for x in cost_details)",
        "all(x.tokens > 4 for x in cost_details) and all([x.tokens > 9 for x in cost_details if x.is_prompt])",
        "len([x for x in cost_details]) == 2 and len([x for x in cost_details if x.tokens > 5]) == 1",
        "sum(x.tokens for x in cost_details) == 15 and max(x.cost for x in cost_details) == 0.5",
        "min(x.tokens for x in cost_details if x.tokens > 99) is None",
        "sum(x.tokens for x in cost_details if x.tokens > 99) == 0",
        "not any(x.tokens > 99 for x in cost_details) and all(x.tokens > 99 for x in cost_details if x.cost > 9)",
    ]);
}

#[test]
fn mistakes_are_named_and_located() {
    let cases = [
        ("name = 'x'", 6),
        ("name ==", 8),
        ("(name == 'x'", 1),
        ("name == 'x')", 12),
        ("name == 'abc", 9),
        ("name == 'a' and", 16),
        ("'é' == name and name like 'x'", 22),
        ("name", 1),
        ("name == 'x' and yes", 17),
        ("True", 1),
        ("name == 5", 9),
        ("latency_ms == '2500'", 15),
        ("latency_ms > None", 1),
        ("start_time > '2026-01-02'", 14),
        ("start_time > text", 14),
        ("name in ['a', 5]", 15),
        ("name in ['a', None]", 15),
        ("'a' in ['a']", 1),
        ("name in 'abc'", 9),
        ("name is 'chat'", 9),
        ("name.startswith('x')", 16),
        ("name[0] == 'c'", 1),
        ("foo(name) == 1", 1),
        ("float(name) > 1", 7),
        ("name - 1 == 2", 1),
        ("parent_span == 1", 16),
        ("parent_span.name == 'x'", 1),
        ("annotations['q'].other == 1", 1),
        ("[x for x in cost_details]", 2),
        ("any(x.tokens > 1 for x in spans)", 27),
        ("any(x.other > 1 for x in cost_details)", 5),
        ("any(latency_ms > 1 for x in cost_details)", 5),
        ("len(x for x in cost_details) == 1", 1),
        ("cost_details is None", 1),
        ("whole == 1 ** 2", 12),
        ("whole == 042", 10),
        ("a < b < (c == d) < e", 5),
    ];
    for (condition, column) in cases {
        let error = Condition::parse(Flavour::Span, condition).expect_err(condition);
        assert_eq!(error.column, column, "{condition}: {error}");
    }
}

fn trace() -> TraceFacts {
    let mut spans = vec![
        facts(
            1,
            "root",
            json!({"input": {"value": "Question"}, "user": {"id": "u1"}, "a": {"b": {"c": 1}}, "metadata": {"env": "prod"}}),
        ),
        facts(2, "child", json!({})),
        facts(3, "tool", json!({})),
    ];
    spans[0].span.kind = SpanKind::Agent;
    spans[1].context.tokens = Some(TokenCounts { prompt: 3, completion: 4 });
    spans[2].span.kind = SpanKind::Tool;
    spans[2].span.status = StatusCode::Error;
    let root = spans[0].span.clone();
    for child in &mut spans[1..] {
        child.span.parent_id = Some(root.span_id);
        child.context.parent_is_stored = true;
    }
    TraceFacts {
        trace_id: root.trace_id,
        trace_id_text: root.trace_id.to_string(),
        start: root.start,
        end: Timestamp(root.end.0 + 1_000_000),
        span_count: 3,
        error_count: 1,
        tokens: TokenCounts { prompt: 3, completion: 4 },
        cost: Cost { prompt: 500_000_000, completion: 500_000_000 },
        root: Some(root),
        spans,
        annotations: vec![Annotation { name: "tq".to_owned(), score: Some(0.7), ..Annotation::default() }],
    }
}

#[test]
fn traces_have_roll_ups_root_attributes_and_spans() {
    let trace = trace();
    for condition in [
        "num_spans == 3 and error_count > 0 and latency_ms == 3500 and total_cost == 1",
        "token_count_total == 7 and llm_span_count == 1 and tool_span_count == 1",
        "'question' in input and output is None and user.id == 'u1'",
        "attributes['a.b.c'] == 1 and attributes['a']['b.c'] == 1 and metadata['env'] == 'prod'",
        "trace_annotations['tq'].score > 0.5 and any(a.name == 'tq' for a in trace_annotations)",
        "any(s.span_kind == 'tool' and s.status_code == 'error' for s in spans)",
        "len([s for s in spans if s.parent_span is not None]) == 2",
        "any(s.parent_span.name == 'root' for s in spans) and not any(s.parent_span.name == 'tool' for s in spans)",
        "any(len([c for c in s.children]) == 2 for s in spans) and any(len([c for c in s.siblings]) == 1 for s in spans)",
        "sum(s.llm_token_count_total for s in spans) == 7 and not all(s.llm_token_count_total > 0 for s in spans)",
        "all(any(c.latency_ms <= s.latency_ms for c in spans) for s in spans)",
    ] {
        let parsed = Condition::parse(Flavour::Trace, condition)
            .unwrap_or_else(|error| panic!("{condition}: {error}"));
        assert!(parsed.holds(Subject::Trace(&trace)).unwrap(), "{condition}");
    }
    for (condition, message) in [
        ("foo == 1", "invalid name `foo` at character 1"),
        ("num_spans > 1 and input.value == 'x'", "invalid name `input.value` at character 19"),
        ("name == 'x'", "invalid name `name` at character 1"),
    ] {
        assert_eq!(Condition::parse(Flavour::Trace, condition).unwrap_err().to_string(), message);
    }
}

#[test]
fn sessions_have_roll_ups_and_the_contents_of_their_roots() {
    let (first, mut second) = (trace(), trace());
    second.error_count = 0;
    let root = second.root.as_mut().unwrap();
    root.attributes =
        json!({"input": {"value": "again"}, "output": {"value": "Answer"}}).as_object().unwrap().clone();
    let session = SessionFacts {
        session_id: "S1".to_owned(),
        start: first.start,
        end: second.end,
        traces: vec![first, second],
        annotations: Vec::new(),
    };
    for condition in [
        "num_traces == 2 and num_traces_with_error == 1 and duration_ms == 3500 and token_count_total == 14",
        "first_input == 'Question' and last_output == 'Answer' and session_id == 'S1'",
        "'AGAIN' in any_input and 'answer' in any_output and 'x' not in any_input",
        "user.id == 'u1' and attributes['user']['id'] == 'u1' and total_cost == 2",
        "len([s for s in spans]) == 6 and max(len([s for s in t.spans]) for t in traces) == 3",
        "any(t.latency_ms > 3000 for t in traces) and not session_annotations['x']",
    ] {
        let parsed = Condition::parse(Flavour::Session, condition)
            .unwrap_or_else(|error| panic!("{condition}: {error}"));
        assert!(parsed.holds(Subject::Session(&session)).unwrap(), "{condition}");
    }
    for condition in ["any_input == 'x'", "num_spans > 1", "trace_annotations['x']", "any_input is None"] {
        assert!(Condition::parse(Flavour::Session, condition).is_err(), "{condition}");
    }
}

#[test]
fn conditions_say_what_they_need() {
    let needs = |condition: &str| Condition::parse(Flavour::Span, condition).unwrap().needs();
    assert_eq!(needs("name == 'x' and latency_ms > 1"), Needs::default());
    assert_eq!(needs("llm.model_name == 'x'"), Needs { attributes: true, ..Needs::default() });
    assert_eq!(needs("evals['x']"), Needs { span_annotations: true, ..Needs::default() });
    let all = needs("total_cost > 1 or parent_span is None or cumulative_token_count.total > 1");
    assert_eq!(all, Needs { parents: true, cumulative: true, ..Needs::default() });
    let details = needs("any(d.cost > 1 for d in cost_details)");
    assert_eq!(details, Needs { spans: true, cost_details: true, ..Needs::default() });
}

#[test]
fn hostile_conditions_are_refused() {
    let nested =
        |open: &str, close: &str| format!("{}name == 'x'{}", open.repeat(10_000), close.repeat(10_000));
    let hostile = [
        nested("(", ")"),
        nested("[", "]"),
        nested("not ", ""),
        nested("-", ""),
        nested("any(", " for x in spans)"),
        nested("a[", "]"),
        format!("1{} == 1", " + 1".repeat(10_000)),
        format!("'{}' == name", "x".repeat(1 << 20)),
        "x".repeat(1 << 20),
        "(".repeat(1 << 17),
    ];
    for condition in hostile {
        assert!(Condition::parse(Flavour::Span, &condition).is_err(), "{}", &condition[..40]);
    }
    let doubling = (0..12).fold("a == b".to_owned(), |inner, _| format!("a == ({inner}) == b"));
    assert!(Condition::parse(Flavour::Span, &doubling).is_err());
    let long = format!("name in [{}]", "'0123456789abcdef', ".repeat(10_000));
    assert!(Condition::parse(Flavour::Span, &long).is_ok(), "ten thousand ids are fine");
    let wide = format!("name == 'x'{}", " or name == 'y'".repeat(5_000));
    assert!(Condition::parse(Flavour::Span, &wide).is_ok());
}

#[test]
fn an_evaluation_without_end_is_cut_off() {
    let mut trace = trace();
    trace.spans = vec![trace.spans[1].clone(); 6_000];
    let slow =
        Condition::parse(Flavour::Trace, "any(any(a.name == 'x' for a in spans) for b in spans)").unwrap();
    assert_eq!(slow.holds(Subject::Trace(&trace)), Err(TooCostly));
    let fast = Condition::parse(Flavour::Trace, "all(b.name == 'child' for b in spans)").unwrap();
    assert_eq!(fast.holds(Subject::Trace(&trace)), Ok(true));
}

#[test]
fn attributes_are_never_needed_to_be_an_object() {
    let mut facts = chat();
    facts.span.attributes = Attributes::new();
    let condition = Condition::parse(Flavour::Span, "attributes['a'][0]['b'] is None").unwrap();
    assert_eq!(condition.holds(Subject::Span(&facts)), Ok(true));
}
