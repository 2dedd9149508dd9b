//! Spans as columns.

use std::sync::Arc;

use arrow_array::builder::{Float64Builder, Int64Builder, StringBuilder, TimestampMicrosecondBuilder};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef, TimeUnit};
use bennu_domain::attributes::{Attributes, flatten};
use bennu_domain::cost::{Cost, TokenUsage};
use bennu_domain::global_id::Node as _;
use bennu_domain::span::lookup;
use bennu_domain::time::Timestamp;
use bennu_store::StoredSpan;
use serde_json::{Value, json};

use super::super::listing::KIND_ATTRIBUTE;

/// Columns of long texts.
pub(super) const TEXT_COLUMNS: [&str; 6] = ["id", "trace_id", "span_id", "parent_id", "attributes", "events"];

/// Columns in which the same few texts come again and again.
pub(super) const REPEATED_COLUMNS: [&str; 8] =
    ["name", "span_kind", "status_code", "status_message", "session_id", "user_id", "model_name", "provider"];

/// Cells of one column for some spans, and the type that they have.
enum Column {
    Text(fn(&StoredSpan) -> Option<String>),
    Whole(fn(&StoredSpan) -> Option<i64>),
    Number(fn(&StoredSpan) -> Option<f64>),
    Time(fn(&StoredSpan) -> Timestamp),
}

/// All columns, in order. Amounts are US dollars; times have microseconds, in UTC.
const COLUMNS: [(&str, Column); 26] = [
    ("id", Column::Text(|stored| Some(stored.id.global_id()))),
    ("trace_id", Column::Text(|stored| Some(stored.span.trace_id_text()))),
    ("span_id", Column::Text(|stored| Some(stored.span.span_id_text()))),
    ("parent_id", Column::Text(|stored| stored.span.parent_id_text())),
    ("name", Column::Text(|stored| Some(stored.span.name.clone()))),
    ("span_kind", Column::Text(|stored| Some(stored.span.kind_text().to_owned()))),
    ("start_time", Column::Time(|stored| stored.span.start)),
    ("end_time", Column::Time(|stored| stored.span.end)),
    ("latency_ms", Column::Number(latency_ms)),
    ("status_code", Column::Text(|stored| Some(stored.span.status.as_str().to_owned()))),
    ("status_message", Column::Text(|stored| Some(stored.span.status_message.clone()))),
    ("session_id", Column::Text(|stored| stored.span.session_id())),
    ("user_id", Column::Text(|stored| text(stored, &["user", "id"]))),
    ("model_name", Column::Text(|stored| text(stored, &["llm", "model_name"]))),
    ("provider", Column::Text(|stored| text(stored, &["llm", "provider"]))),
    ("prompt_tokens", Column::Whole(|stored| tokens(stored, |usage| usage.prompt))),
    ("completion_tokens", Column::Whole(|stored| tokens(stored, |usage| usage.completion))),
    (
        "total_tokens",
        Column::Whole(|stored| tokens(stored, |usage| usage.prompt.saturating_add(usage.completion))),
    ),
    ("cache_read_tokens", Column::Whole(|stored| tokens(stored, |usage| usage.cache_read))),
    ("cache_write_tokens", Column::Whole(|stored| tokens(stored, |usage| usage.cache_write))),
    ("reasoning_tokens", Column::Whole(|stored| tokens(stored, |usage| usage.reasoning))),
    ("prompt_cost", Column::Number(|stored| stored.cost.map(|cost| Cost::dollars(cost.prompt)))),
    ("completion_cost", Column::Number(|stored| stored.cost.map(|cost| Cost::dollars(cost.completion)))),
    ("total_cost", Column::Number(|stored| stored.cost.map(|cost| Cost::dollars(cost.total())))),
    ("attributes", Column::Text(|stored| Some(attributes(&stored.span.attributes)))),
    ("events", Column::Text(events)),
];

pub(super) fn schema() -> SchemaRef {
    let field = |(name, column): &(&str, Column)| Field::new(*name, column.data_type(), true);
    Arc::new(Schema::new(COLUMNS.iter().map(field).collect::<Vec<_>>()))
}

pub(super) fn batch(spans: &[StoredSpan]) -> Result<RecordBatch, ArrowError> {
    let columns = COLUMNS.iter().map(|(_, column)| column.cells(spans)).collect();
    RecordBatch::try_new(schema(), columns)
}

impl Column {
    fn data_type(&self) -> DataType {
        match self {
            Self::Text(_) => DataType::Utf8,
            Self::Whole(_) => DataType::Int64,
            Self::Number(_) => DataType::Float64,
            Self::Time(_) => DataType::Timestamp(TimeUnit::Microsecond, Some(UTC.into())),
        }
    }

    fn cells(&self, spans: &[StoredSpan]) -> ArrayRef {
        match self {
            Self::Text(cell) => {
                let mut cells = StringBuilder::new();
                spans.iter().for_each(|span| cells.append_option(cell(span)));
                Arc::new(cells.finish())
            }
            Self::Whole(cell) => {
                let mut cells = Int64Builder::new();
                spans.iter().for_each(|span| cells.append_option(cell(span)));
                Arc::new(cells.finish())
            }
            Self::Number(cell) => {
                let mut cells = Float64Builder::new();
                spans.iter().for_each(|span| cells.append_option(cell(span)));
                Arc::new(cells.finish())
            }
            Self::Time(cell) => {
                let mut cells = TimestampMicrosecondBuilder::new().with_timezone(UTC);
                spans.iter().for_each(|span| cells.append_value(cell(span).0));
                Arc::new(cells.finish())
            }
        }
    }
}

const UTC: &str = "UTC";

/// Of a span that has ended.
#[allow(clippy::cast_precision_loss)] // microseconds fit a double for 285 years
fn latency_ms(stored: &StoredSpan) -> Option<f64> {
    let span = &stored.span;
    (span.end.0 != 0).then(|| (span.end.0 - span.start.0) as f64 / 1_000.0)
}

fn text(stored: &StoredSpan, path: &[&str]) -> Option<String> {
    match lookup(&stored.span.attributes, path)? {
        Value::String(text) => Some(text.clone()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
        scalar => Some(scalar.to_string()),
    }
}

fn tokens(stored: &StoredSpan, count: fn(&TokenUsage) -> i64) -> Option<i64> {
    TokenUsage::of(&stored.span).as_ref().map(count)
}

/// As the list of spans shows them.
fn attributes(nested: &Attributes) -> String {
    let mut flat = flatten(nested);
    flat.remove(KIND_ATTRIBUTE);
    Value::Object(flat).to_string()
}

fn events(stored: &StoredSpan) -> Option<String> {
    let events = &stored.span.events;
    let shown = events.iter().map(|event| {
        json!({ "name": event.name, "timestamp": event.time.to_string(), "attributes": event.attributes })
    });
    (!events.is_empty()).then(|| shown.collect::<Value>().to_string())
}
