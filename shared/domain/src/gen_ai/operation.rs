//! What a span does: its OpenInference kind.

use super::synthesis::Synthesis;
use crate::kind::SpanKind;

/// The kind that `gen_ai.operation.name` names, or without one, that the other keys suggest. An operation that
/// is not known leaves the kind open.
pub(super) fn operation_kind(sent: &Synthesis) -> Option<SpanKind> {
    match sent.value("gen_ai.operation.name") {
        Some(operation) => operation.as_str().and_then(named),
        None => suggested(sent),
    }
}

fn named(operation: &str) -> Option<SpanKind> {
    match operation {
        "chat" | "text_completion" | "generate_content" => Some(SpanKind::Llm),
        "embeddings" => Some(SpanKind::Embedding),
        "execute_tool" => Some(SpanKind::Tool),
        "retrieval" => Some(SpanKind::Retriever),
        "invoke_agent" | "create_agent" => Some(SpanKind::Agent),
        _ => None,
    }
}

fn suggested(sent: &Synthesis) -> Option<SpanKind> {
    let any = |keys: &[&str]| keys.iter().any(|key| sent.text(key).is_some());
    if any(&["gen_ai.tool.name", "gen_ai.tool.call.id"]) {
        Some(SpanKind::Tool)
    } else if any(&["gen_ai.retrieval.query.text", "gen_ai.retrieval.documents"]) {
        Some(SpanKind::Retriever)
    } else if sent.value("gen_ai.embeddings.dimension.count").is_some() {
        Some(SpanKind::Embedding)
    } else if any(&["gen_ai.input.messages", "gen_ai.output.messages", "gen_ai.request.model"]) {
        Some(SpanKind::Llm)
    } else {
        None
    }
}
