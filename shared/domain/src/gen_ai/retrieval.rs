//! What was searched for and found.

use serde_json::Value;

use super::synthesis::{Synthesis, text_or_json};

/// Adds the query as the input of the span, and `retrieval.documents.N.document.*`.
pub(super) fn add(synthesis: &mut Synthesis) {
    if let Some(query) = synthesis.text("gen_ai.retrieval.query.text") {
        synthesis.add("input.value", query);
        synthesis.add("input.mime_type", "text/plain");
    }
    let documents = synthesis.json_list("gen_ai.retrieval.documents");
    let documents = documents.and_then(|items| items.iter().map(Document::read).collect::<Option<Vec<_>>>());
    for (position, document) in documents.unwrap_or_default().into_iter().enumerate() {
        document.add(synthesis, &format!("retrieval.documents.{position}.document"));
    }
}

struct Document {
    id: String,
    score: f64,
    content: Option<String>,
    metadata: Value,
}

impl Document {
    /// `None` if the item is no document, which drops the list it is in.
    fn read(item: &Value) -> Option<Self> {
        Some(Self {
            id: item.get("id")?.as_str()?.to_owned(),
            score: score(item.get("score")?)?,
            content: item.get("content").and_then(text_or_json),
            metadata: item.get("metadata").cloned().unwrap_or_default(),
        })
    }

    fn add(self, synthesis: &mut Synthesis, prefix: &str) {
        if !self.id.is_empty() {
            synthesis.add(format!("{prefix}.id"), self.id);
        }
        synthesis.add(format!("{prefix}.score"), self.score);
        if let Some(content) = self.content {
            synthesis.add(format!("{prefix}.content"), content);
        }
        synthesis.add(format!("{prefix}.metadata"), self.metadata);
    }
}

fn score(value: &Value) -> Option<f64> {
    match value {
        Value::Bool(flag) => Some(f64::from(*flag)),
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}
