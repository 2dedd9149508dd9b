//! Frames as pandas' table-schema JSON: `{"schema": {…}, "data": [{…}]}`.
//!
//! Columns may share a name, so that each is prefixed with its number, which clients cut off again.

use std::io::Write as _;

use bennu_domain::time::Timestamp;
use serde_json::{Value, json};

use super::frame::{Cell, Column, ColumnType, Frame};

/// The version of the table schema that clients expect.
const SCHEMA_VERSION: &str = "1.4.0";

/// Appends the frame.
pub fn write(frame: &Frame, out: &mut Vec<u8>) {
    let columns: Vec<(String, ColumnType, &Column)> = frame
        .index
        .iter()
        .chain(&frame.columns)
        .enumerate()
        .map(|(number, column)| (format!("{number}_{}", column.name), column.type_of(), column))
        .collect();
    let fields: Vec<Value> = columns.iter().map(|(name, of, _)| field(name, *of)).collect();
    let primary_key: Vec<&str> =
        columns.iter().take(frame.index.len()).map(|(name, ..)| name.as_str()).collect();
    let schema = json!({ "fields": fields, "primaryKey": primary_key, "pandas_version": SCHEMA_VERSION });
    let keys: Vec<String> =
        columns.iter().map(|(name, ..)| format!("{}:", Value::from(name.as_str()))).collect();
    // Writing into memory does not fail.
    let _ = write!(out, "{{\"schema\":{schema},\"data\":[");
    for row in 0..frame.rows {
        out.extend_from_slice(if row == 0 { b"{" } else { b",{" });
        for ((key, (_, of, column)), number) in keys.iter().zip(&columns).zip(0..) {
            if number > 0 {
                out.push(b',');
            }
            out.extend_from_slice(key.as_bytes());
            write_cell(&column.cells[row], *of, out);
        }
        out.push(b'}');
    }
    out.extend_from_slice(b"]}");
}

fn field(name: &str, of: ColumnType) -> Value {
    match of {
        ColumnType::Integer => json!({ "name": name, "type": "integer" }),
        ColumnType::Number => json!({ "name": name, "type": "number" }),
        ColumnType::Boolean => json!({ "name": name, "type": "boolean" }),
        ColumnType::Text => json!({ "name": name, "type": "string", "extDtype": "str" }),
        ColumnType::Time => json!({ "name": name, "type": "datetime", "tz": "UTC" }),
        ColumnType::Object => json!({ "name": name, "type": "string" }),
    }
}

fn write_cell(cell: &Cell, of: ColumnType, out: &mut Vec<u8>) {
    let json = match cell {
        Cell::Null => {
            out.extend_from_slice(b"null");
            return;
        }
        Cell::Time(time) => {
            let _ = write!(out, "\"{}\"", nanoseconds(*time));
            return;
        }
        Cell::Json(json) => json,
    };
    // Writing into memory does not fail.
    let _ = match (of, json.as_f64()) {
        (ColumnType::Number, Some(number)) => serde_json::to_writer(out, &number),
        _ => serde_json::to_writer(out, json),
    };
}

/// `2026-01-02T03:04:05.000000000Z`
fn nanoseconds(time: Timestamp) -> String {
    let text = time.to_string();
    let text = text.trim_end_matches("+00:00");
    match text.split_once('.') {
        Some((seconds, micros)) => format!("{seconds}.{micros}000Z"),
        None => format!("{text}.000000000Z"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_schema_and_rows() {
        let mut frame = Frame::new(["context.span_id".to_owned()]);
        for (id, number) in [("a", json!(1)), ("b", json!(2.5))] {
            frame.begin_row([Cell::Json(json!(id))]);
            frame.set("context.span_id", Cell::Json(json!(id)));
            frame.set("at", Cell::Time(Timestamp(1_767_323_045_000_001)));
            frame.set("n", Cell::Json(number));
        }
        frame.set("o", Cell::Json(json!({"k": ["v"]})));
        frame.finish();
        let mut written = Vec::new();
        write(&frame, &mut written);
        let expected = json!({
            "schema": {
                "fields": [
                    {"name": "0_context.span_id", "type": "string", "extDtype": "str"},
                    {"name": "1_context.span_id", "type": "string", "extDtype": "str"},
                    {"name": "2_at", "type": "datetime", "tz": "UTC"},
                    {"name": "3_n", "type": "number"},
                    {"name": "4_o", "type": "string"},
                ],
                "primaryKey": ["0_context.span_id"],
                "pandas_version": "1.4.0",
            },
            "data": [
                {"0_context.span_id": "a", "1_context.span_id": "a", "2_at": "2026-01-02T03:04:05.000001000Z", "3_n": 1.0, "4_o": null},
                {"0_context.span_id": "b", "1_context.span_id": "b", "2_at": "2026-01-02T03:04:05.000001000Z", "3_n": 2.5, "4_o": {"k": ["v"]}},
            ],
        });
        assert_eq!(String::from_utf8(written).unwrap(), expected.to_string());
    }
}
