//! OpenTelemetry's `gen_ai.*` semantic conventions, translated to OpenInference.
//!
//! The originals stay; what they say is added under the OpenInference keys that are missing. Keys that the
//! sender wrote win, also when their value is unset.

mod message_part;
mod messages;
mod operation;
mod provider;
mod request;
mod response;
mod retrieval;
mod synthesis;
mod tools;

use serde_json::Value;

use operation::operation_kind;
use synthesis::Synthesis;

use crate::kind::SpanKind;

/// How all keys of these conventions begin.
pub const PREFIX: &str = "gen_ai.";

/// The OpenInference attributes, flat, that a span's `gen_ai.*` attributes stand for and that it lacks.
/// `keys` and `values` are the span's own, side by side; `null` stands for an unset value.
pub fn synthesize<K: AsRef<str>>(keys: &[K], values: &[Value]) -> Vec<(String, Value)> {
    let mut synthesis = Synthesis::new(keys, values);
    let kind = operation_kind(&synthesis);
    if let Some(kind) = kind {
        synthesis.add("openinference.span.kind", kind.as_str());
    }
    provider::add(&mut synthesis);
    synthesis.copy_text("gen_ai.conversation.id", "session.id");
    request::add(&mut synthesis, kind);
    messages::add_input(&mut synthesis);
    messages::add_output(&mut synthesis);
    response::add(&mut synthesis);
    tools::add_definitions(&mut synthesis);
    match kind {
        Some(SpanKind::Tool) => tools::add_call(&mut synthesis),
        Some(SpanKind::Retriever) => retrieval::add(&mut synthesis),
        _ => {}
    }
    synthesis.into_added()
}
