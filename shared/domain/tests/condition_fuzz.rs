//! Texts that nobody would write are parsed as conditions or refused, and what is parsed can be evaluated. Runs for
//! `BENNU_FUZZ_SECONDS`, two if not given, from the seed `BENNU_FUZZ_SEED`; a panic prints the text.

#![allow(clippy::unwrap_used)]

use std::time::{Duration, Instant};

use bennu_domain::filter::{Condition, Flavour, Projection, SpanContext, SpanFacts, Subject};
use bennu_domain::ids::{SpanId, TraceId};
use bennu_domain::kind::{SpanKind, StatusCode};
use bennu_domain::span::Span;
use bennu_domain::time::Timestamp;
use serde_json::json;

const WORDS: [&str; 64] = [
    "name",
    "span_kind",
    "latency_ms",
    "start_time",
    "parent_span",
    "x",
    "x.tokens",
    "cost_details",
    "spans",
    "s.name",
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
    "min(",
    "float(",
    "int(",
    "str(",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
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
    "\"\"\"",
    "\\x4",
    "r'",
    "1",
    "-",
    "1.5e3",
    "0x",
    "+",
    "*",
    "/",
    "%",
    "é",
    "\0",
];
/// How often one word is repeated: enough to nest deeper than is allowed.
const MOST_REPEATS: u64 = 200;

/// xorshift64*: the same texts from the same seed everywhere.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) % end
    }

    fn text(&mut self) -> String {
        let mut text = String::new();
        for _ in 0..=self.below(20) {
            let word = WORDS[usize::try_from(self.below(WORDS.len() as u64)).unwrap()];
            let times = if self.below(20) == 0 { self.below(MOST_REPEATS) } else { 1 };
            (0..times).for_each(|_| text.push_str(word));
            match self.below(8) {
                0 => {}
                1 => text.push(char::from_u32(u32::try_from(self.below(0x11_0000)).unwrap()).unwrap_or(' ')),
                _ => text.push(' '),
            }
        }
        text
    }
}

struct PrintOnPanic(String);

impl Drop for PrintOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the text was {:?}", self.0);
        }
    }
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

#[test]
fn no_text_breaks_the_parser_or_the_evaluator() {
    let span = Span {
        trace_id: TraceId::from_bytes(&[1; 16]).unwrap(),
        span_id: SpanId::from_bytes(&[2; 8]).unwrap(),
        parent_id: None,
        text_ids: None,
        name: "n".to_owned(),
        kind: SpanKind::Llm,
        start: Timestamp(i64::MIN),
        end: Timestamp(i64::MAX),
        status: StatusCode::Unset,
        status_message: String::new(),
        attributes: json!({"x": i64::MIN, "a": [1, "1e300"], "é": 5e-324}).as_object().unwrap().clone(),
        events: Vec::new(),
    };
    let facts = SpanFacts { span, context: SpanContext::default() };
    let mut chance = Chance(setting("BENNU_FUZZ_SEED", 20_261_120).max(1));
    let end = Instant::now() + Duration::from_secs(setting("BENNU_FUZZ_SECONDS", 2));
    let (mut texts, mut parsed) = (0_u64, 0_u64);
    while Instant::now() < end {
        let tried = PrintOnPanic(chance.text());
        for flavour in [Flavour::Trace, Flavour::Session] {
            parsed += u64::from(Condition::parse(flavour, &tried.0).is_ok());
        }
        if let Ok(condition) = Condition::parse(Flavour::Span, &tried.0) {
            parsed += 1;
            let _ = condition.holds(Subject::Span(&facts));
        }
        if let Ok(projection) = Projection::parse(&tried.0) {
            let _ = projection.value(&facts);
        }
        texts += 1;
    }
    assert!(parsed > 0, "of {texts} texts none was a condition");
    println!("{texts} texts, {parsed} conditions");
}
