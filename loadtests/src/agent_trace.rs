//! One realistic agent run as six OpenInference spans: what an instrumented support assistant sends.

use fastrand::Rng;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue, any_value::Value};
use opentelemetry_proto::tonic::trace::v1::{Span, Status, span::Event, status::StatusCode};
use serde_json::json;

use crate::prose::Prose;
use crate::trace_generator::{SpanId, TraceId};

/// Spans of every trace: AGENT, CHAIN, RETRIEVER, LLM, TOOL, LLM.
pub const SPANS_PER_TRACE: usize = 6;

const DOCUMENTS: usize = 4;
const DOCUMENT_BYTES: usize = 440;
const SYSTEM_PROMPT_BYTES: usize = 420;
/// Earlier turns of the session, quoted to the model that decides what to do.
const HISTORY_TURNS: usize = 8;
const TURN_BYTES: usize = 400;
const ANSWER_BYTES: usize = 480;
const MODELS: [&str; 4] = ["gpt-4o-mini", "gpt-4o", "gpt-4.1", "gpt-4.1-mini"];
/// One tool call in this many fails, so that error paths are part of the load.
const TOOL_FAILS_ONCE_IN: u32 = 30;
const MILLISECOND: u64 = 1_000_000;

/// Everything said in one run; the spans quote it several times, as real instrumentation does.
struct Conversation {
    system: String,
    history: Vec<String>,
    question: String,
    documents: Vec<Document>,
    tool_arguments: String,
    tool_result: Result<String, String>,
    answer: String,
    model: &'static str,
}

/// Role and content.
type Message<'a> = (&'static str, &'a str);

struct Document {
    id: String,
    content: String,
    score: f64,
    metadata: String,
}

/// The six spans of one trace that starts at `start` (Unix nanoseconds). All randomness comes from `rng`.
pub fn agent_trace(prose: &Prose, rng: &mut Rng, trace_id: TraceId, start: u64) -> Vec<Span> {
    let talk = Conversation::imagine(prose, rng);
    let ids: [SpanId; SPANS_PER_TRACE] = std::array::from_fn(|_| rng.u64(1..).to_be_bytes());
    let [root, chain, ..] = ids;
    let mut clock = start;
    let mut lasting = |rng: &mut Rng, milliseconds: std::ops::Range<u64>| {
        let begin = clock + 200_000;
        clock = begin + rng.u64(milliseconds) * MILLISECOND + rng.u64(..MILLISECOND);
        (begin, clock)
    };
    let times =
        [lasting(rng, 20..120), lasting(rng, 300..1_500), lasting(rng, 5..400), lasting(rng, 600..4_000)];
    let whole = (start, clock + 300_000);
    let inner = (start + 100_000, clock + 150_000);
    let parts = [
        ("support_agent", None, whole, talk.agent(rng)),
        ("answer_question", Some(root), inner, talk.chain()),
        ("search_knowledge_base", Some(chain), times[0], talk.retriever()),
        ("ChatCompletion", Some(chain), times[1], talk.first_llm(rng)),
        ("look_up_order", Some(chain), times[2], talk.tool()),
        ("ChatCompletion", Some(chain), times[3], talk.second_llm(rng)),
    ];
    let mut spans: Vec<Span> = parts
        .into_iter()
        .zip(ids)
        .map(|((name, parent, (begin, end), attributes), id)| Span {
            trace_id: trace_id.to_vec(),
            span_id: id.to_vec(),
            parent_span_id: parent.map(|id| id.to_vec()).unwrap_or_default(),
            name: name.to_owned(),
            kind: 1,
            start_time_unix_nano: begin,
            end_time_unix_nano: end,
            attributes,
            status: Some(Status { code: StatusCode::Ok.into(), message: String::new() }),
            ..Span::default()
        })
        .collect();
    if let Err(reason) = &talk.tool_result {
        mark_failed(&mut spans[4], reason);
    }
    spans
}

impl Conversation {
    fn imagine(prose: &Prose, rng: &mut Rng) -> Self {
        // A few applications share the server; each has one fixed system prompt.
        let mut application = Rng::with_seed(rng.u64(..8));
        let order = rng.u32(100_000..999_999);
        Self {
            system: prose.text(&mut application, SYSTEM_PROMPT_BYTES),
            history: (0..HISTORY_TURNS).map(|_| prose.text(rng, TURN_BYTES)).collect(),
            question: format!("{} {}", prose.sentence(rng, ','), prose.sentence(rng, '?')),
            documents: (0..DOCUMENTS).map(|rank| Document::imagine(prose, rng, rank)).collect(),
            tool_arguments: json!({"order_id": order, "fields": ["status", prose.word(rng)]}).to_string(),
            tool_result: if rng.u32(..TOOL_FAILS_ONCE_IN) == 0 {
                Err(format!("order {order}: {}", prose.sentence(rng, '.')))
            } else {
                Ok(json!({"order_id": order, "total": f64::from(rng.u32(500..90_000)) / 100.0,
                          "note": prose.text(rng, 240)})
                .to_string())
            },
            answer: prose.text(rng, ANSWER_BYTES),
            model: MODELS[rng.usize(..MODELS.len())],
        }
    }

    fn agent(&self, rng: &mut Rng) -> Vec<KeyValue> {
        let session = format!("session-{:08x}", rng.u32(..20_000).wrapping_mul(2_654_435_761));
        vec![
            text("openinference.span.kind", "AGENT"),
            text("input.value", &self.question),
            text("input.mime_type", "text/plain"),
            text("output.value", &self.answer),
            text("output.mime_type", "text/plain"),
            text("session.id", &session),
            text("user.id", &format!("user-{}", rng.u32(..5_000))),
            text(
                "metadata",
                &json!({"release": "2026.3", "region": "eu-west", "beta": rng.bool()}).to_string(),
            ),
            strings("tag.tags", &["support", "production"]),
        ]
    }

    fn chain(&self) -> Vec<KeyValue> {
        vec![
            text("openinference.span.kind", "CHAIN"),
            text("input.value", &json!({"question": self.question, "history": []}).to_string()),
            text("input.mime_type", "application/json"),
            text("output.value", &json!({"answer": self.answer, "sources": self.sources()}).to_string()),
            text("output.mime_type", "application/json"),
        ]
    }

    fn retriever(&self) -> Vec<KeyValue> {
        let mut attributes = vec![
            text("openinference.span.kind", "RETRIEVER"),
            text("input.value", &self.question),
            text("input.mime_type", "text/plain"),
        ];
        for (index, document) in self.documents.iter().enumerate() {
            let key = |field: &str| format!("retrieval.documents.{index}.document.{field}");
            attributes.extend([
                text(&key("id"), &document.id),
                text(&key("content"), &document.content),
                attribute(&key("score"), Value::DoubleValue(document.score)),
                text(&key("metadata"), &document.metadata),
            ]);
        }
        attributes
    }

    /// Decides to call a tool, from the turns so far and the tools on offer.
    fn first_llm(&self, rng: &mut Rng) -> Vec<KeyValue> {
        let turns = self.history.iter().map(String::as_str).chain([self.question.as_str()]);
        let messages: Vec<Message> =
            turns.enumerate().map(|(index, turn)| (["user", "assistant"][index % 2], turn)).collect();
        let mut attributes = self.llm(&messages, &self.tool_arguments);
        attributes.extend([
            text("llm.tools.0.tool.json_schema", LOOK_UP_ORDER),
            text("llm.tools.1.tool.json_schema", OPEN_TICKET),
            text("llm.output_messages.0.message.tool_calls.0.tool_call.id", &call_id(rng)),
            text("llm.output_messages.0.message.tool_calls.0.tool_call.function.name", "look_up_order"),
            text(
                "llm.output_messages.0.message.tool_calls.0.tool_call.function.arguments",
                &self.tool_arguments,
            ),
            text("output.mime_type", "application/json"),
        ]);
        attributes
    }

    /// Answers from the retrieved documents and the tool's result.
    fn second_llm(&self, rng: &mut Rng) -> Vec<KeyValue> {
        let prompt = self.prompt();
        let messages = [("user", prompt.as_str()), ("tool", self.tool_text())];
        let mut attributes = self.llm(&messages, &self.answer);
        attributes.extend([
            text("llm.input_messages.2.message.tool_call_id", &call_id(rng)),
            text("llm.output_messages.0.message.content", &self.answer),
            text("output.mime_type", "text/plain"),
        ]);
        attributes
    }

    /// What both model calls share: model, parameters, messages after the system prompt, token counts.
    fn llm(&self, messages: &[Message], output: &str) -> Vec<KeyValue> {
        // About four bytes a token; the sizes are a few thousand bytes.
        let tokens = |bytes: usize| i64::try_from(bytes / 4).unwrap_or(i64::MAX);
        let prompt: usize = messages.iter().map(|(_, content)| content.len()).sum();
        let (prompt, completion) = (tokens(self.system.len() + prompt), tokens(output.len()));
        let mut attributes = vec![
            text("openinference.span.kind", "LLM"),
            text("llm.model_name", self.model),
            text("llm.provider", "openai"),
            text("llm.system", "openai"),
            text("llm.invocation_parameters", r#"{"temperature": 0.2, "max_tokens": 1024, "top_p": 0.95}"#),
            integer("llm.token_count.prompt", prompt),
            integer("llm.token_count.completion", completion),
            integer("llm.token_count.total", prompt + completion),
            text("input.value", &self.question),
            text("input.mime_type", "text/plain"),
            text("output.value", output),
            text("llm.output_messages.0.message.role", "assistant"),
        ];
        let system = [("system", self.system.as_str())];
        for (index, (role, content)) in system.iter().chain(messages).enumerate() {
            attributes.extend([
                text(&format!("llm.input_messages.{index}.message.role"), role),
                text(&format!("llm.input_messages.{index}.message.content"), content),
            ]);
        }
        attributes
    }

    fn tool(&self) -> Vec<KeyValue> {
        vec![
            text("openinference.span.kind", "TOOL"),
            text("tool.name", "look_up_order"),
            text("tool.description", "Fetches one order with its state and notes"),
            text("tool.parameters", &self.tool_arguments),
            text("input.value", &self.tool_arguments),
            text("input.mime_type", "application/json"),
            text("output.value", self.tool_text()),
            text("output.mime_type", "application/json"),
        ]
    }

    fn prompt(&self) -> String {
        let context: Vec<String> = self
            .documents
            .iter()
            .enumerate()
            .map(|(index, document)| format!("[{}] {}", index + 1, document.content))
            .collect();
        format!("Context:\n{}\n\nQuestion: {}", context.join("\n"), self.question)
    }

    fn sources(&self) -> Vec<&str> {
        self.documents.iter().map(|document| document.id.as_str()).collect()
    }

    fn tool_text(&self) -> &str {
        match &self.tool_result {
            Ok(result) => result,
            Err(reason) => reason,
        }
    }
}

impl Document {
    fn imagine(prose: &Prose, rng: &mut Rng, rank: usize) -> Self {
        let number = rng.u32(..40_000);
        let spread = f64::from(rng.u32(..1_000)) / 20_000.0;
        Self {
            id: format!("kb-{number:05}"),
            content: prose.text(rng, DOCUMENT_BYTES),
            score: [0.91, 0.84, 0.77, 0.7][rank % 4] - spread,
            metadata: json!({"source": format!("handbook/{}.md", prose.word(rng)), "page": number % 300})
                .to_string(),
        }
    }
}

fn mark_failed(span: &mut Span, reason: &str) {
    span.status = Some(Status { code: StatusCode::Error.into(), message: reason.to_owned() });
    span.events.push(Event {
        time_unix_nano: span.end_time_unix_nano,
        name: "exception".to_owned(),
        attributes: vec![text("exception.type", "OrderUnavailable"), text("exception.message", reason)],
        dropped_attributes_count: 0,
    });
}

fn call_id(rng: &mut Rng) -> String {
    format!("call_{:016x}", rng.u64(..))
}

fn attribute(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

/// A string attribute.
pub fn text(key: &str, value: &str) -> KeyValue {
    attribute(key, Value::StringValue(value.to_owned()))
}

fn integer(key: &str, value: i64) -> KeyValue {
    attribute(key, Value::IntValue(value))
}

fn strings(key: &str, values: &[&str]) -> KeyValue {
    let values = values
        .iter()
        .map(|value| AnyValue { value: Some(Value::StringValue((*value).to_owned())) })
        .collect();
    attribute(key, Value::ArrayValue(ArrayValue { values }))
}

const LOOK_UP_ORDER: &str = r#"{"type": "function", "function": {"name": "look_up_order", "description": "Fetches one order with its state and notes", "parameters": {"type": "object", "properties": {"order_id": {"type": "integer", "description": "number printed on the invoice"}, "fields": {"type": "array", "items": {"type": "string"}}}, "required": ["order_id"]}}}"#;
const OPEN_TICKET: &str = r#"{"type": "function", "function": {"name": "open_ticket", "description": "Hands the customer over to a person", "parameters": {"type": "object", "properties": {"reason": {"type": "string"}, "urgency": {"type": "string", "enum": ["low", "normal", "high"]}}, "required": ["reason", "urgency"]}}}"#;
