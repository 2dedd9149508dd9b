//! The JSON form of spans: what is in it, and where its mistakes are.

use bennu_domain::attributes::Attributes;
use bennu_domain::json_span::{JsonEvent, JsonSpan};
use bennu_domain::time::Timestamp;
use bennu_kit::http::{ApiError, JsonList, Loc, parse_zoned_date_time};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// The whole body, which is read span by span.
#[derive(ToSchema)]
#[allow(dead_code)] // for the API document
pub(super) struct CreateSpansRequestBody {
    data: Vec<SpanBody>,
}

#[derive(Deserialize, ToSchema)]
#[schema(as = NewSpan)]
pub(super) struct SpanBody {
    name: String,
    context: SpanName,
    /// Such as LLM; any text is kept
    span_kind: String,
    parent_id: Option<String>,
    /// With an offset
    #[schema(value_type = String, format = DateTime)]
    start_time: Value,
    #[schema(value_type = String, format = DateTime)]
    end_time: Value,
    /// OK, ERROR or UNSET
    status_code: String,
    #[serde(default)]
    status_message: String,
    /// Flat, under dotted keys, or nested
    #[serde(default)]
    #[schema(value_type = Object)]
    attributes: Attributes,
    #[serde(default)]
    events: Vec<EventBody>,
    /// Ignored: it is what a list of spans shows
    #[serde(default, rename = "id")]
    _id: String,
}

/// The ids of a span, any text.
#[derive(Clone, Deserialize, Serialize, ToSchema)]
#[schema(as = NewSpanContext)]
pub(super) struct SpanName {
    pub span_id: String,
    pub trace_id: String,
}

#[derive(Deserialize, ToSchema)]
#[schema(as = NewSpanEvent)]
struct EventBody {
    name: String,
    #[schema(value_type = String, format = DateTime)]
    timestamp: Value,
    #[serde(default)]
    #[schema(value_type = Object)]
    attributes: Attributes,
}

/// Reads the times of a span of `list`. A naive time is a mistake of the whole span, as clients know it.
pub(super) fn read_span(
    list: &JsonList,
    index: usize,
    body: SpanBody,
) -> Result<(SpanName, JsonSpan), ApiError> {
    let time = |at: &[Loc], field: &str, value: &Value| {
        read_time(value).map_err(|wrong| match wrong {
            NoTime::Naive => {
                let message = format!("{field}: a time needs an offset, such as Z for UTC");
                list.mistake(index, at, "value_error", &message)
            }
            NoTime::Unreadable(kind, reason) => {
                let at = [at, &[field.into()]].concat();
                list.mistake(index, &at, kind, &format!("must be a date-time: {reason}"))
            }
        })
    };
    let (start, end) = (time(&[], "start_time", &body.start_time)?, time(&[], "end_time", &body.end_time)?);
    let mut events = Vec::with_capacity(body.events.len());
    for (place, event) in body.events.into_iter().enumerate() {
        let at = ["events".into(), place.into()];
        let time = time(&at, "timestamp", &event.timestamp)?;
        events.push(JsonEvent { name: event.name, time, attributes: event.attributes });
    }
    let span = JsonSpan {
        name: body.name,
        trace_id: body.context.trace_id.clone(),
        span_id: body.context.span_id.clone(),
        parent_id: body.parent_id,
        kind: body.span_kind,
        start,
        end,
        status: body.status_code,
        status_message: body.status_message,
        attributes: body.attributes,
        events,
    };
    Ok((body.context, span))
}

enum NoTime {
    Naive,
    Unreadable(&'static str, &'static str),
}

/// A string, or a number of seconds since 1970.
fn read_time(value: &Value) -> Result<Timestamp, NoTime> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return Err(NoTime::Unreadable("datetime_type", "expected a string")),
    };
    let unreadable = |reason| NoTime::Unreadable("datetime_from_date_parsing", reason);
    parse_zoned_date_time(&text).map_err(unreadable)?.map(Timestamp).ok_or(NoTime::Naive)
}
