//! Values as text, where the API wants text and was sent something else.

use std::io;

use serde::Serialize as _;
use serde_json::Value;
use serde_json::ser::{Formatter, Serializer};

/// Strings as they are, numbers, lists and objects as JSON, and `True`, `False`, `None`, which is how the
/// reference writes them and clients therefore expect them.
pub fn plain_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Null => "None".to_owned(),
        other => json_text(other),
    }
}

/// JSON as the reference writes it into strings, byte for byte, because clients compare and display it: with a blank
/// behind colons and commas.
pub(crate) fn json_text(value: &Value) -> String {
    formatted(value, Spaced { ascii: false })
}

/// [`json_text`] without characters beyond ASCII, as the reference writes `input.value`.
pub(crate) fn ascii_json_text(value: &Value) -> String {
    formatted(value, Spaced { ascii: true })
}

fn formatted(value: &Value, format: Spaced) -> String {
    let mut text = Vec::new();
    let mut serializer = Serializer::with_formatter(&mut text, format);
    // Writing JSON of a `Value` into memory has nothing to fail at.
    let _ = value.serialize(&mut serializer);
    String::from_utf8(text).unwrap_or_default()
}

struct Spaced {
    ascii: bool,
}

impl Formatter for Spaced {
    fn begin_array_value<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_key<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b": ")
    }

    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        if !self.ascii {
            return writer.write_all(fragment.as_bytes());
        }
        let mut units = [0; 2];
        for character in fragment.chars() {
            if character.is_ascii() {
                writer.write_all(&[character as u8])?;
            } else {
                for unit in character.encode_utf16(&mut units) {
                    write!(writer, "\\u{unit:04x}")?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn json_text_is_spaced_and_in_the_order_sent() {
        let value = json!({"b": [1, "é😀\n"], "a": {}});
        assert_eq!(json_text(&value), r#"{"b": [1, "é😀\n"], "a": {}}"#);
        assert_eq!(ascii_json_text(&value), r#"{"b": [1, "\u00e9\ud83d\ude00\n"], "a": {}}"#);
    }
}
