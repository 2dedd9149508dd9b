//! The query parameters by which lists of spans are filtered.

use bennu_domain::ids::{SpanId, TraceId};
use bennu_domain::kind::{SpanKind, StatusCode};
use bennu_domain::span_filter::{AttributeMatch, ParentFilter, SpanFilter};
use bennu_domain::time::Timestamp;
use bennu_kit::http::{ApiError, QueryString};

/// A filter as it stands in the URL; times are read, the rest is text.
pub struct FilterParameters {
    trace_ids: Vec<String>,
    span_ids: Vec<String>,
    names: Vec<String>,
    kinds: Vec<String>,
    statuses: Vec<String>,
    parent: Option<String>,
    attributes: Vec<String>,
    start: Option<Timestamp>,
    end: Option<Timestamp>,
}

impl FilterParameters {
    /// The parameters of the list in OTLP form, which does not know `span_kind`.
    pub fn read(query: &mut QueryString) -> Self {
        Self {
            trace_ids: query.texts("trace_id"),
            span_ids: query.texts("span_id"),
            names: query.texts("name"),
            kinds: Vec::new(),
            statuses: query.texts("status_code"),
            parent: query.text("parent_id"),
            attributes: query.texts("attribute"),
            start: query.date_time("start_time").map(Timestamp),
            end: query.date_time("end_time").map(Timestamp),
        }
    }

    pub fn read_with_kinds(query: &mut QueryString) -> Self {
        Self { kinds: query.texts("span_kind"), ..Self::read(query) }
    }

    /// Ids may be any text, as those of JSON spans are; unknown kinds and codes are errors.
    pub fn filter(self) -> Result<SpanFilter, ApiError> {
        let parse_attribute = |text: &String| {
            AttributeMatch::parse(text).map_err(|error| ApiError::Unprocessable(error.to_string()))
        };
        Ok(SpanFilter {
            trace_ids: given(&self.trace_ids, TraceId::meant_by),
            span_ids: given(&self.span_ids, SpanId::meant_by),
            names: (!self.names.is_empty()).then_some(self.names),
            kinds: codes("span_kind", &self.kinds, SpanKind::parse)?,
            statuses: codes("status_code", &self.statuses, StatusCode::parse)?,
            parent: parent(self.parent.as_deref()),
            attributes: self.attributes.iter().map(parse_attribute).collect::<Result<_, _>>()?,
            start: self.start,
            end: self.end,
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
