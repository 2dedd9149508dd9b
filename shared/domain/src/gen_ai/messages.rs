//! Messages to and from the model.

use serde_json::Value;

use super::message_part::{MessagePart, optional_text};
use super::synthesis::{Synthesis, text_or_json};

/// Adds `llm.input_messages.*`: the system instructions as one message, then the messages sent to the model.
/// If the span has any such key, all are the sender's affair.
pub(super) fn add_input(synthesis: &mut Synthesis) {
    if synthesis.has_any("llm.input_messages.") {
        return;
    }
    let parts = synthesis.json_list("gen_ai.system_instructions").and_then(|items| read_parts(&items));
    let system = parts.filter(|parts| !parts.is_empty()).map(Message::of_system);
    let sent =
        synthesis.json_list("gen_ai.input.messages").and_then(|items| read_messages(&items, Message::read));
    add_messages(synthesis, "llm.input_messages", system.into_iter().chain(sent.unwrap_or_default()));
}

/// Adds `llm.output_messages.*`: the messages the model answered.
pub(super) fn add_output(synthesis: &mut Synthesis) {
    if synthesis.has_any("llm.output_messages.") {
        return;
    }
    let answered = synthesis.json_list("gen_ai.output.messages");
    let answered = answered.and_then(|items| read_messages(&items, Message::read_answer));
    add_messages(synthesis, "llm.output_messages", answered.unwrap_or_default().into_iter());
}

struct Message {
    role: String,
    /// Empty if not given, like `finish_reason`.
    name: String,
    finish_reason: String,
    parts: Vec<MessagePart>,
}

impl Message {
    fn of_system(parts: Vec<MessagePart>) -> Self {
        Self { role: "system".to_owned(), name: String::new(), finish_reason: String::new(), parts }
    }

    fn read(item: &Value) -> Option<Self> {
        Some(Self {
            role: item.get("role")?.as_str()?.to_owned(),
            name: optional_text(item, "name")?.to_owned(),
            finish_reason: String::new(),
            parts: read_parts(item.get("parts")?.as_array()?)?,
        })
    }

    /// A message of the model, which must say why it ended.
    fn read_answer(item: &Value) -> Option<Self> {
        let finish_reason = item.get("finish_reason")?.as_str()?.to_owned();
        Some(Self { finish_reason, ..Self::read(item)? })
    }
}

/// The messages of a list; `None` if one of the items is not a message, as its neighbours would get wrong
/// positions then.
fn read_messages(items: &[Value], read: impl Fn(&Value) -> Option<Message>) -> Option<Vec<Message>> {
    items.iter().map(read).collect()
}

fn read_parts(items: &[Value]) -> Option<Vec<MessagePart>> {
    items.iter().map(MessagePart::read).collect()
}

fn add_messages(synthesis: &mut Synthesis, family: &str, messages: impl Iterator<Item = Message>) {
    for (position, message) in messages.enumerate() {
        let prefix = format!("{family}.{position}.message");
        synthesis.add(format!("{prefix}.role"), message.role);
        for (field, text) in [("name", message.name), ("finish_reason", message.finish_reason)] {
            if !text.is_empty() {
                synthesis.add(format!("{prefix}.{field}"), text);
            }
        }
        add_parts(synthesis, &prefix, &message.parts);
    }
}

/// A tool result is a message of its own in OpenInference: the last one stands for all parts.
fn add_parts(synthesis: &mut Synthesis, prefix: &str, parts: &[MessagePart]) {
    let result = parts.iter().rev().find_map(|part| match part {
        MessagePart::ToolResult { id, response } => Some((id, response)),
        _ => None,
    });
    let Some((id, response)) = result else {
        add_contents(synthesis, prefix, parts);
        add_tool_calls(synthesis, prefix, parts);
        return;
    };
    if !id.is_empty() {
        synthesis.add(format!("{prefix}.tool_call_id"), id.as_str());
    }
    if let Some(text) = text_or_json(response) {
        synthesis.add(format!("{prefix}.content"), text);
    }
}

/// A single text is the content; anything else is a list of contents.
fn add_contents(synthesis: &mut Synthesis, prefix: &str, parts: &[MessagePart]) {
    let contents: Vec<_> = parts.iter().filter_map(content).collect();
    if let [("text", _, text)] = contents[..] {
        synthesis.add(format!("{prefix}.content"), text);
        return;
    }
    for (position, (content_type, field, text)) in contents.into_iter().enumerate() {
        let prefix = format!("{prefix}.contents.{position}.message_content");
        synthesis.add(format!("{prefix}.type"), content_type);
        if field == "text" || !text.is_empty() {
            synthesis.add(format!("{prefix}.{field}"), text);
        }
    }
}

/// Type, field and text of a part that is content.
fn content(part: &MessagePart) -> Option<(&'static str, &'static str, &str)> {
    match part {
        MessagePart::Text(text) => Some(("text", "text", text)),
        MessagePart::Reasoning(text) => Some(("reasoning", "text", text)),
        MessagePart::Image { url } => Some(("image", "image.image.url", url)),
        MessagePart::ToolCall { .. } | MessagePart::ToolResult { .. } | MessagePart::Unknown => None,
    }
}

fn add_tool_calls(synthesis: &mut Synthesis, prefix: &str, parts: &[MessagePart]) {
    let calls = parts.iter().filter_map(|part| match part {
        MessagePart::ToolCall { id, name, arguments } => Some((id, name, arguments)),
        _ => None,
    });
    for (position, (id, name, arguments)) in calls.enumerate() {
        let prefix = format!("{prefix}.tool_calls.{position}.tool_call");
        for (field, text) in [("id", id), ("function.name", name)] {
            if !text.is_empty() {
                synthesis.add(format!("{prefix}.{field}"), text.as_str());
            }
        }
        if let Some(text) = text_or_json(arguments) {
            synthesis.add(format!("{prefix}.function.arguments"), text);
        }
    }
}
