//! The body of `POST /v1/spans`.

use bennu_domain::time::Timestamp;
use bennu_kit::http::{ApiError, FieldError, parse_date_time};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

/// Fields that clients leave out have the defaults of their side.
#[derive(Deserialize, ToSchema)]
pub struct QuerySpansRequestBody {
    pub queries: Vec<SpanQueryBody>,
    /// Spans that start at or after it
    #[schema(value_type = Option<String>, format = DateTime)]
    pub start_time: Option<Value>,
    /// Spans that start before it
    #[schema(value_type = Option<String>, format = DateTime)]
    pub end_time: Option<Value>,
    /// Older name of `end_time`
    #[schema(value_type = Option<String>, format = DateTime)]
    pub stop_time: Option<Value>,
    /// Most spans of each query; a negative number asks for all
    #[serde(default = "default_limit")]
    pub limit: i64,
    pub root_spans_only: Option<bool>,
    /// Whether a span whose parent is not stored is a root
    #[serde(default = "yes")]
    pub orphan_span_as_root_span: bool,
    pub project_name: Option<String>,
}

/// One query; without select, explode and concat it gives everything of the spans.
#[derive(Deserialize, ToSchema)]
#[schema(as = SpanQuery)]
pub struct SpanQueryBody {
    /// `{label: {"key": name}}`
    #[schema(value_type = Option<Object>)]
    pub select: Option<Map<String, Value>>,
    pub filter: Option<SpanFilterBody>,
    pub explode: Option<SpanListBody>,
    pub concat: Option<SpanListBody>,
    /// `{old: new}`
    #[schema(value_type = Option<Object>)]
    pub rename: Option<Map<String, Value>>,
    pub index: Option<KeyBody>,
}

#[derive(Deserialize, ToSchema)]
#[schema(as = SpanQueryFilter)]
pub struct SpanFilterBody {
    pub condition: Option<String>,
}

/// A list attribute, and what to take of its elements.
#[derive(Deserialize, ToSchema)]
#[schema(as = SpanQueryList)]
pub struct SpanListBody {
    pub key: Option<String>,
    /// `{label: name within the element}`
    #[schema(value_type = Option<Object>)]
    pub kwargs: Option<Map<String, Value>>,
    /// Between the values of a concat
    pub separator: Option<String>,
}

#[derive(Deserialize, ToSchema)]
#[schema(as = SpanQueryKey)]
pub struct KeyBody {
    pub key: Option<String>,
}

fn default_limit() -> i64 {
    1_000
}

fn yes() -> bool {
    true
}

impl QuerySpansRequestBody {
    /// Start and end.
    pub fn time_range(&self) -> Result<(Option<Timestamp>, Option<Timestamp>), ApiError> {
        let end = match &self.end_time {
            None => read_time("stop_time", self.stop_time.as_ref())?,
            end => read_time("end_time", end.as_ref())?,
        };
        Ok((read_time("start_time", self.start_time.as_ref())?, end))
    }
}

fn read_time(name: &'static str, value: Option<&Value>) -> Result<Option<Timestamp>, ApiError> {
    let text = match value {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    };
    parse_date_time(&text).map(|micros| Some(Timestamp(micros))).map_err(|reason| {
        let loc = vec!["body".into(), name.into()];
        let message = format!("must be a date-time: {reason}");
        let error =
            FieldError::body(loc, "datetime_from_date_parsing", message, value.unwrap_or(&Value::Null));
        ApiError::Validation(vec![error.with(json!({ "error": reason }))])
    })
}
