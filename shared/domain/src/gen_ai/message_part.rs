//! Parts of messages.

use serde_json::Value;

/// One part of a message, as `gen_ai.*` writes it.
pub(super) enum MessagePart {
    Text(String),
    Reasoning(String),
    /// Media of any modality; OpenInference knows only images.
    Image {
        url: String,
    },
    ToolCall {
        id: String,
        name: String,
        arguments: Value,
    },
    ToolResult {
        id: String,
        response: Value,
    },
    /// Of a type that has no counterpart, or without what its type demands.
    Unknown,
}

impl MessagePart {
    /// `None` for what is no part at all: not an object, or without a type.
    pub fn read(item: &Value) -> Option<Self> {
        let part_type = item.get("type")?.as_str()?;
        Some(Self::of_type(part_type, item).unwrap_or(Self::Unknown))
    }

    fn of_type(part_type: &str, item: &Value) -> Option<Self> {
        let text = |field| Some(item.get(field)?.as_str()?.to_owned());
        Some(match part_type {
            "text" => Self::Text(text("content")?),
            "reasoning" => Self::Reasoning(text("content")?),
            "uri" | "blob" => Self::Image { url: media_url(part_type, item)? },
            "tool_call" => Self::ToolCall {
                id: optional_text(item, "id")?.to_owned(),
                name: text("name")?,
                arguments: item.get("arguments").cloned().unwrap_or_default(),
            },
            "tool_call_response" => Self::ToolResult {
                id: optional_text(item, "id")?.to_owned(),
                response: item.get("response")?.clone(),
            },
            _ => return None,
        })
    }
}

/// The address of a `uri` part, or the data of a `blob` part as a data URL. Both must name a modality, which
/// has no counterpart.
fn media_url(part_type: &str, item: &Value) -> Option<String> {
    item.get("modality")?.as_str()?;
    let mime_type = match optional_text(item, "mime_type")? {
        "" => "application/octet-stream",
        mime_type => mime_type,
    };
    match part_type {
        "uri" => Some(item.get("uri")?.as_str()?.to_owned()),
        _ => Some(format!("data:{mime_type};base64,{}", item.get("content")?.as_str()?)),
    }
}

/// A text that may be absent or `null`, and is empty then; `None` if it is something else.
pub(super) fn optional_text<'v>(item: &'v Value, field: &str) -> Option<&'v str> {
    match item.get(field) {
        None | Some(Value::Null) => Some(""),
        Some(value) => value.as_str(),
    }
}
