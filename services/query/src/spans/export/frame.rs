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
use serde_json::{Value, json};

use super::super::listing::KIND_ATTRIBUTE;
use super::Exported;

/// Columns of long texts.
pub(super) const TEXT_COLUMNS: [&str; 6] = ["id", "trace_id", "span_id", "parent_id", "attributes", "events"];

/// Columns in which the same few texts come again and again.
pub(super) const REPEATED_COLUMNS: [&str; 8] =
    ["name", "span_kind", "status_code", "status_message", "session_id", "user_id", "model_name", "provider"];

/// Cells of one column for some spans, and the type that they have.
enum Column {
    Text(fn(&Exported) -> Option<String>),
    Whole(fn(&Exported) -> Option<i64>),
    Number(fn(&Exported) -> Option<f64>),
    Time(fn(&Exported) -> Timestamp),
}

/// All columns, in order. Amounts are US dollars; times have microseconds, in UTC.
const COLUMNS: [(&str, Column); 29] = [
    ("id", Column::Text(|span| Some(span.stored.id.global_id()))),
    ("trace_id", Column::Text(|span| Some(span.stored.span.trace_id_text()))),
    ("span_id", Column::Text(|span| Some(span.stored.span.span_id_text()))),
    ("parent_id", Column::Text(|span| span.stored.span.parent_id_text())),
    ("name", Column::Text(|span| Some(span.stored.span.name.clone()))),
    ("span_kind", Column::Text(|span| Some(span.stored.span.kind_text().to_owned()))),
    ("start_time", Column::Time(|span| span.stored.span.start)),
    ("end_time", Column::Time(|span| span.stored.span.end)),
    ("latency_ms", Column::Number(latency_ms)),
    ("status_code", Column::Text(|span| Some(span.stored.span.status.as_str().to_owned()))),
    ("status_message", Column::Text(|span| Some(span.stored.span.status_message.clone()))),
    ("session_id", Column::Text(|span| span.stored.span.session_id())),
    ("user_id", Column::Text(|span| text(span, &["user", "id"]))),
    ("model_name", Column::Text(|span| text(span, &["llm", "model_name"]))),
    ("provider", Column::Text(|span| text(span, &["llm", "provider"]))),
    ("prompt_tokens", Column::Whole(|span| tokens(span, |usage| usage.prompt))),
    ("completion_tokens", Column::Whole(|span| tokens(span, |usage| usage.completion))),
    (
        "total_tokens",
        Column::Whole(|span| tokens(span, |usage| usage.prompt.saturating_add(usage.completion))),
    ),
    ("cache_read_tokens", Column::Whole(|span| tokens(span, |usage| usage.cache_read))),
    ("cache_write_tokens", Column::Whole(|span| tokens(span, |usage| usage.cache_write))),
    ("reasoning_tokens", Column::Whole(|span| tokens(span, |usage| usage.reasoning))),
    ("prompt_cost", Column::Number(|span| span.stored.cost.map(|cost| Cost::dollars(cost.prompt)))),
    ("completion_cost", Column::Number(|span| span.stored.cost.map(|cost| Cost::dollars(cost.completion)))),
    ("total_cost", Column::Number(|span| span.stored.cost.map(|cost| Cost::dollars(cost.total())))),
    ("cache_read_cost", Column::Number(|span| detail(span, "cache_read"))),
    ("cache_write_cost", Column::Number(|span| detail(span, "cache_write"))),
    ("reasoning_cost", Column::Number(|span| detail(span, "reasoning"))),
    ("attributes", Column::Text(|span| Some(attributes(&span.stored.span.attributes)))),
    ("events", Column::Text(events)),
];

pub(super) fn schema() -> SchemaRef {
    let field = |(name, column): &(&str, Column)| Field::new(*name, column.data_type(), true);
    Arc::new(Schema::new(COLUMNS.iter().map(field).collect::<Vec<_>>()))
}

pub(super) fn batch(spans: &[Exported]) -> Result<RecordBatch, ArrowError> {
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

    fn cells(&self, spans: &[Exported]) -> ArrayRef {
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
fn latency_ms(exported: &Exported) -> Option<f64> {
    let span = &exported.stored.span;
    (span.end.0 != 0).then(|| (span.end.0 - span.start.0) as f64 / 1_000.0)
}

fn text(exported: &Exported, path: &[&str]) -> Option<String> {
    match lookup(&exported.stored.span.attributes, path)? {
        Value::String(text) => Some(text.clone()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
        scalar => Some(scalar.to_string()),
    }
}

fn tokens(exported: &Exported, count: fn(&TokenUsage) -> i64) -> Option<i64> {
    TokenUsage::of(&exported.stored.span).as_ref().map(count)
}

fn detail(exported: &Exported, token_type: &str) -> Option<f64> {
    exported.cost_details.iter().find(|detail| detail.token_type == token_type)?.cost
}

/// As the list of spans shows them.
fn attributes(nested: &Attributes) -> String {
    let mut flat = flatten(nested);
    flat.remove(KIND_ATTRIBUTE);
    Value::Object(flat).to_string()
}

fn events(exported: &Exported) -> Option<String> {
    let events = &exported.stored.span.events;
    let shown = events.iter().map(|event| {
        json!({ "name": event.name, "timestamp": event.time.to_string(), "attributes": event.attributes })
    });
    (!events.is_empty()).then(|| shown.collect::<Value>().to_string())
}
