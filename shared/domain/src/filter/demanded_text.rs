//! Text that a condition demands, looked for in the bytes of spans: that takes a tenth of the time of decoding them.

use aho_corasick::{AhoCorasick, AhoCorasickKind};

use super::text_filter::DemandedGrams;
use super::typed::{Cast, Expr, Literal, Place, Step};
use super::{Condition, Field};
use crate::gen_ai;
use crate::otlp::has_bytes_attribute;

/// Alternatives of a condition beyond this are not looked for: most spans would have one of them.
const MOST_TEXTS: usize = 16;
const SHORTEST_TEXT: usize = 3;

/// Words that stand for values which are no text in the bytes.
const WORDS_OF_VALUES: [&str; 6] = ["true", "false", "null", "none", "nan", "infinity"];

/// Where one of these is in the bytes, the attributes may hold letters that are not: JSON as text may have letters and blanks
/// escaped, and two letters become ASCII in lower case.
pub(super) const MAKES_LETTERS: [&str; 9] =
    [r"\u0020", r"\u004", r"\u005", r"\u006", r"\u007", r"\u212a", r"\u0130", "\u{212a}", "\u{130}"];

/// Text of which some must be in the bytes of a span for which the condition holds.
#[derive(Debug, Clone)]
pub struct DemandedText {
    automaton: AhoCorasick,
    grams: Option<DemandedGrams>,
}

impl DemandedText {
    /// `None` if the condition demands no text that can be looked for.
    pub fn of(condition: &Condition) -> Option<Self> {
        let texts = texts_of(&condition.expr)?;
        // Attributes of other conventions get more of them; see `gen_ai`.
        let patterns = texts.iter().map(String::as_str).chain(MAKES_LETTERS).chain([gen_ai::PREFIX]);
        // A few small patterns: their automaton fits into the cache, and reads a byte a step.
        let mut automaton = AhoCorasick::builder();
        automaton.ascii_case_insensitive(true).kind(Some(AhoCorasickKind::DFA));
        let automaton = automaton.build(patterns).ok()?;
        Some(Self { automaton, grams: DemandedGrams::of(&texts) })
    }

    /// Whether the condition may hold for a span with these OTLP bytes.
    pub fn may_be_in(&self, span: &[u8]) -> bool {
        // Bytes are shown as base64.
        self.automaton.is_match(span) || has_bytes_attribute(span)
    }

    /// What the filters of spans with the text have; `None` if it is too short for them.
    pub fn grams(&self) -> Option<&DemandedGrams> {
        self.grams.as_ref()
    }
}

/// Lower-case texts, one of which must be there.
fn texts_of(expr: &Expr) -> Option<Vec<String>> {
    match expr {
        Expr::Contains(part, whole) if is_taken_from_bytes(whole) => match &**part {
            Expr::Literal(Literal::Text(part)) => Some(vec![longest_word(part)?]),
            _ => None,
        },
        Expr::And(operands) => {
            let shortest = |texts: &Vec<String>| texts.iter().map(String::len).min();
            operands.iter().filter_map(texts_of).max_by_key(shortest)
        }
        Expr::Or(operands) => {
            let all = operands.iter().map(texts_of).collect::<Option<Vec<_>>>()?.concat();
            (all.len() <= MOST_TEXTS).then_some(all)
        }
        _ => None,
    }
}

/// Attributes but for the type of an input, which is also written where nobody sent one.
fn is_taken_from_bytes(whole: &Expr) -> bool {
    match whole {
        Expr::Cast(Cast::Text, inner) => is_taken_from_bytes(inner),
        Expr::Field(Place::Subject, Field::Name) => true,
        Expr::Attribute(path) => {
            let is = |step: Option<&Step>, key: &str| matches!(step, Some(Step::Key(name)) if name == key);
            let of_input = is(path.first(), "input");
            !path.is_empty() && !(of_input && (path.len() == 1 || is(path.get(1), "mime_type")))
        }
        _ => false,
    }
}

/// The longest part that is letters and blanks between them: digits may be those of a number, and JSON puts other
/// characters between its members, blanks beside these, and other letters in the place of some.
fn longest_word(text: &str) -> Option<String> {
    let text = text.to_lowercase();
    let words = text.split(|character: char| !(character.is_ascii_lowercase() || character == ' '));
    let words = words.map(|word| behind_escape(word.trim()).trim());
    let usable = |word: &&str| {
        word.len() >= SHORTEST_TEXT && !WORDS_OF_VALUES.iter().any(|value| value.contains(*word))
    };
    words.filter(usable).max_by_key(|word| word.len()).map(str::to_owned)
}

/// Without letters at the beginning that may be the end of an escape in JSON, such as `\n` and `\u00eb`.
fn behind_escape(word: &str) -> &str {
    let hexadecimal = |text: &str| text.bytes().take(4).take_while(u8::is_ascii_hexdigit).count();
    let digits = hexadecimal(word);
    let of_escape = match word.as_bytes().first() {
        Some(b'u') if hexadecimal(&word[1..]) == 4 => 5,
        Some(b'n' | b'r' | b't' | b'b' | b'f') => digits.max(1),
        _ => digits,
    };
    &word[of_escape..]
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::common::v1::any_value::Value as Otlp;
    use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue, KeyValueList};
    use opentelemetry_proto::tonic::trace::v1 as proto;
    use proptest::prelude::*;
    use proptest::sample::select;
    use prost::Message as _;

    use super::super::{Flavour, Needs, SpanContext, SpanFacts, Subject, TextFilterMaker};
    use super::*;
    use crate::span::Span;

    fn demanded(condition: &str) -> Option<Vec<String>> {
        texts_of(Condition::parse(Flavour::Span, condition).unwrap().expr())
    }

    #[test]
    fn the_longest_word_of_what_every_match_has_is_demanded() {
        let texts = |texts: &[&str]| Some(texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>());
        assert_eq!(demanded("'Where is my Order 17?' in input.value"), texts(&["where is my order"]));
        assert_eq!(demanded("'sky' in name and 'whale' in metadata['k']"), texts(&["whale"]));
        assert_eq!(demanded("'sky' in a or 'whale' in b"), texts(&["sky", "whale"]));
        assert_eq!(demanded("latency_ms > 5 and 'refund' in str(a.b)"), texts(&["efund"]));
        for condition in [
            "'sky' in a or latency_ms > 5",
            "'sky' not in a",
            "not ('sky' in a)",
            "'json' in input.mime_type",
            "'json' in attributes['input']",
            "'1234567' in a",
            "'feed' in a",
            "'rue' in a",
            "'sky' in span_kind",
            "a == 'whale'",
        ] {
            assert_eq!(demanded(condition), None, "{condition}");
        }
    }

    /// Texts with everything that is written differently in JSON, and what others may be made of.
    fn text() -> impl Strategy<Value = String> {
        const PIECES: [&str; 26] = [
            "order",
            "Order",
            "feed",
            "unheard",
            "true",
            "null",
            "\n",
            "\t",
            "\u{1}",
            "\"",
            "\\",
            " ",
            "é",
            "K",
            "\u{212a}",
            "İ",
            "{\"k\":",
            "\"\\u006frder\"",
            "\"a\\nb\"",
            "[1, 2]",
            "}",
            "17",
            "1e9",
            ", ",
            ": ",
            ".",
        ];
        prop::collection::vec(select(&PIECES[..]), 0..6).prop_map(|pieces| pieces.concat())
    }

    fn value() -> impl Strategy<Value = AnyValue> {
        let leaf = prop_oneof![
            4 => text().prop_map(Otlp::StringValue),
            1 => any::<bool>().prop_map(Otlp::BoolValue),
            1 => any::<i64>().prop_map(Otlp::IntValue),
            1 => any::<f64>().prop_map(Otlp::DoubleValue),
            1 => prop::collection::vec(any::<u8>(), 0..9).prop_map(Otlp::BytesValue),
        ];
        let leaf = leaf.prop_map(|value| AnyValue { value: Some(value) });
        leaf.prop_recursive(3, 8, 3, |inner| {
            let list = prop::collection::vec(inner.clone(), 0..3);
            let map = prop::collection::vec((text(), inner), 0..3);
            let values = prop_oneof![
                list.prop_map(|values| Otlp::ArrayValue(ArrayValue { values })),
                map.prop_map(|pairs| Otlp::KvlistValue(KeyValueList { values: pairs_of(pairs) })),
            ];
            values.prop_map(|value| AnyValue { value: Some(value) })
        })
    }

    fn pairs_of(pairs: Vec<(String, AnyValue)>) -> Vec<KeyValue> {
        let pair = |(key, value)| KeyValue { key, value: Some(value), ..KeyValue::default() };
        pairs.into_iter().map(pair).collect()
    }

    const KEYS: [&str; 9] = [
        "a",
        "a.b",
        "a.0.order",
        "metadata",
        "input",
        "input.value",
        "output.value",
        "gen_ai.system",
        "gen_ai.input.messages",
    ];
    const ASKED: [&str; 6] = ["a", "a.b", "metadata", "input.value", "output.value", "llm"];

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_000))]

        #[test]
        fn a_span_for_which_the_condition_holds_is_never_passed_over(
            attributes in prop::collection::vec((select(&KEYS[..]), value()), 0..4),
            path in select(&ASKED[..]), cut: (prop::sample::Index, prop::sample::Index),
        ) {
            let attributes = attributes.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
            let bytes = proto::Span {
                trace_id: vec![1; 16], span_id: vec![2; 8], attributes: pairs_of(attributes), ..Default::default()
            }.encode_to_vec();
            let span = Span::decode(&bytes.clone().into()).unwrap();
            let facts = SpanFacts { span, context: SpanContext::default() };
            // What is asked for is a part of what is there.
            let steps = path.split('.').map(|step| Step::Key(step.to_owned())).collect();
            let whole = Expr::Cast(Cast::Text, Box::new(Expr::Attribute(steps)));
            let shown = shown(&facts, path);
            let characters: Vec<char> = shown.chars().collect();
            let (one, other) = (cut.0.index(characters.len() + 1), cut.1.index(characters.len() + 1));
            let part: String = characters[one.min(other)..one.max(other)].iter().collect();
            let part = Expr::Literal(Literal::Text(part));
            let expr = Expr::Contains(Box::new(part), Box::new(whole));
            let condition = Condition { needs: Needs::default(), annotations: Vec::new(), expr };
            if condition.holds(Subject::Span(&facts)).unwrap()
                && let Some(text) = DemandedText::of(&condition)
            {
                prop_assert!(text.may_be_in(&bytes), "{:?} of {:?}", texts_of(&condition.expr), shown);
                let mut maker = TextFilterMaker::default();
                maker.add(&bytes);
                let filter = maker.finish();
                let passes = text.grams().is_none_or(|grams| grams.may_be_in(&filter));
                prop_assert!(passes, "the filter of {:?}: {:?} of {:?}", filter, texts_of(&condition.expr), shown);
            }
        }
    }

    fn shown(facts: &SpanFacts, path: &str) -> String {
        let path: Vec<&str> = path.split('.').collect();
        match crate::span::lookup(&facts.span.attributes, &path) {
            Some(serde_json::Value::String(text)) => text.clone(),
            Some(value) => value.to_string(),
            None => String::new(),
        }
    }
}
