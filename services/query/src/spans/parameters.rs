//! The query parameters by which lists of spans are filtered.

use bennu_domain::ids::{SpanId, TraceId};
use bennu_domain::kind::{SpanKind, StatusCode};
use bennu_domain::span_filter::{AttributeMatch, ParentFilter, SpanFilter};
use bennu_domain::time::Timestamp;
use bennu_kit::http::{ApiError, QueryString};
use utoipa::IntoParams;

/// A filter as it stands in the URL; times are read, the rest is text.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct FilterParameters {
    /// Spans that start at or after it
    #[param(value_type = Option<String>)]
    start_time: Option<Timestamp>,
    /// Spans that start before it
    #[param(value_type = Option<String>)]
    end_time: Option<Timestamp>,
    #[param(value_type = Option<Vec<String>>)]
    trace_id: Vec<String>,
    #[param(value_type = Option<Vec<String>>)]
    span_id: Vec<String>,
    /// A span id, or `null` for spans without a parent
    parent_id: Option<String>,
    #[param(value_type = Option<Vec<String>>)]
    name: Vec<String>,
    #[param(value_type = Option<Vec<String>>)]
    status_code: Vec<String>,
    /// `key:value`; the value is read as JSON if it can be
    #[param(value_type = Option<Vec<String>>)]
    attribute: Vec<String>,
}

/// Beside the others, but in the list in OTLP form, which does not know it.
#[derive(Default, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct KindParameter {
    #[param(value_type = Option<Vec<String>>)]
    span_kind: Vec<String>,
}

impl KindParameter {
    pub fn read(query: &mut QueryString) -> Self {
        Self { span_kind: query.texts("span_kind") }
    }
}

impl FilterParameters {
    pub fn read(query: &mut QueryString) -> Self {
        Self {
            start_time: query.date_time("start_time").map(Timestamp),
            end_time: query.date_time("end_time").map(Timestamp),
            trace_id: query.texts("trace_id"),
            span_id: query.texts("span_id"),
            parent_id: query.text("parent_id"),
            name: query.texts("name"),
            status_code: query.texts("status_code"),
            attribute: query.texts("attribute"),
        }
    }

    /// Ids may be any text, as those of JSON spans are; unknown kinds and codes are errors.
    pub fn filter(self, kind: &KindParameter) -> Result<SpanFilter, ApiError> {
        let parse_attribute = |text: &String| {
            AttributeMatch::parse(text).map_err(|error| ApiError::Unprocessable(error.to_string()))
        };
        Ok(SpanFilter {
            trace_ids: given(&self.trace_id, TraceId::meant_by),
            span_ids: given(&self.span_id, SpanId::meant_by),
            names: (!self.name.is_empty()).then_some(self.name),
            kinds: codes("span_kind", &kind.span_kind, SpanKind::parse)?,
            statuses: codes("status_code", &self.status_code, StatusCode::parse)?,
            parent: parent(self.parent_id.as_deref()),
            attributes: self.attribute.iter().map(parse_attribute).collect::<Result<_, _>>()?,
            start: self.start_time,
            end: self.end_time,
        })
    }
}

fn given<T>(texts: &[String], meant_by: impl Fn(&str) -> Vec<T>) -> Option<Vec<T>> {
    (!texts.is_empty()).then(|| texts.iter().flat_map(|text| meant_by(text)).collect())
}

fn codes<T>(
    name: &str,
    texts: &[String],
    parse: impl Fn(&str) -> Option<T>,
) -> Result<Option<Vec<T>>, ApiError> {
    let unknown = |text: &String| ApiError::Unprocessable(format!("{name} {text:?} is unknown."));
    let parsed: Result<Vec<T>, ApiError> =
        texts.iter().map(|text| parse(&text.to_uppercase()).ok_or_else(|| unknown(text))).collect();
    Ok(Some(parsed?).filter(|codes| !codes.is_empty()))
}

/// The literal `null` asks for spans without a parent.
fn parent(text: Option<&str>) -> ParentFilter {
    match text {
        None => ParentFilter::Any,
        Some("null") => ParentFilter::Root,
        Some(id) => ParentFilter::Of(SpanId::from_hex(id).unwrap_or_else(|_| SpanId::from_text(id))),
    }
}
