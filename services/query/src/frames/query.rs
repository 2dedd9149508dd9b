//! A query of `POST /v1/spans`, read and checked.

use bennu_domain::filter::{Condition, ConditionError, Flavour, Needs, Projection};
use serde_json::{Map, Value};

use super::body::{SpanListBody, SpanQueryBody};

/// Between the values of a concat if the client names nothing else.
const SEPARATOR: &str = "\n\n";
/// The lists whose elements are documents, to which annotations refer by position.
const DOCUMENT_LISTS: [&str; 1] = ["retrieval.documents"];

/// Why a query cannot be run. Clients recognise the beginning.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    #[error("Invalid query: {0}")]
    Condition(#[from] ConditionError),
    #[error("Invalid query: {0}")]
    Shape(String),
}

pub struct FrameQuery {
    pub condition: Option<Condition>,
    pub index: Named,
    pub select: Vec<Named>,
    pub explode: Option<ListQuery>,
    pub concat: Option<ListQuery>,
    /// Old and new names of columns.
    pub rename: Vec<(String, String)>,
}

/// A column under its label.
pub struct Named {
    pub label: String,
    /// Whether the client chose the label itself.
    pub is_own_label: bool,
    pub projection: Projection,
}

/// A list attribute of which something is taken.
pub struct ListQuery {
    pub key: String,
    pub list: Projection,
    /// Labels, and the path within an element; empty if everything is taken.
    pub parts: Vec<(String, Vec<String>)>,
    pub separator: String,
}

impl FrameQuery {
    pub fn read(body: SpanQueryBody) -> Result<Self, QueryError> {
        let condition = body.filter.and_then(|filter| filter.condition);
        let condition = condition.filter(|condition| !condition.trim().is_empty());
        let index = body.index.and_then(|index| index.key).filter(|key| !key.is_empty());
        let index = index.unwrap_or_else(|| "context.span_id".to_owned());
        Ok(Self {
            condition: condition.map(|text| Condition::parse(Flavour::Span, &text)).transpose()?,
            index: Named::read(index.clone(), &index)?,
            select: body
                .select
                .unwrap_or_default()
                .into_iter()
                .map(read_selected)
                .collect::<Result<_, _>>()?,
            explode: body.explode.map(ListQuery::read).transpose()?.flatten(),
            concat: body.concat.map(ListQuery::read).transpose()?.flatten(),
            rename: texts(body.rename)?,
        })
    }

    /// Whether it asks for everything of the spans.
    pub fn takes_everything(&self) -> bool {
        self.select.is_empty() && self.explode.is_none() && self.concat.is_none()
    }

    /// What its columns read of the spans.
    pub fn needs(&self) -> Needs {
        let columns = self.select.iter().chain([&self.index]).map(|named| named.projection.needs());
        columns.fold(Needs::default(), |needs, column| needs.and(Some(column)))
    }
}

fn read_selected((label, key): (String, Value)) -> Result<Named, QueryError> {
    let key = key.get("key").and_then(Value::as_str);
    let key = key.ok_or_else(|| QueryError::Shape(format!("select.{label} has no key")))?;
    Named::read(label, key)
}

impl Named {
    fn read(label: String, key: &str) -> Result<Self, QueryError> {
        // Old clients know the ids under short names.
        let is_own_label = !["span_id", "trace_id"].contains(&label.as_str());
        let label = if is_own_label { label } else { format!("context.{label}") };
        Ok(Self { label, is_own_label, projection: Projection::parse(key)? })
    }
}

impl ListQuery {
    /// `None` without a key.
    fn read(body: SpanListBody) -> Result<Option<Self>, QueryError> {
        let Some(key) = body.key.filter(|key| !key.is_empty()) else { return Ok(None) };
        let list = Projection::parse(&key)?;
        let parts = texts(body.kwargs)?.into_iter();
        let parts =
            parts.map(|(label, path)| (label, path.split('.').map(str::to_owned).collect())).collect();
        let separator = body.separator.filter(|separator| !separator.is_empty());
        Ok(Some(Self { key, list, parts, separator: separator.unwrap_or_else(|| SEPARATOR.to_owned()) }))
    }

    /// The name of the level of the index that counts its elements.
    pub fn position_name(&self) -> &'static str {
        if DOCUMENT_LISTS.contains(&self.key.as_str()) { "document_position" } else { "position" }
    }
}

/// An object whose values are texts.
fn texts(object: Option<Map<String, Value>>) -> Result<Vec<(String, String)>, QueryError> {
    let text = |(key, value): (String, Value)| match value {
        Value::String(text) => Ok((key, text)),
        other => Err(QueryError::Shape(format!("{key} must be a string, not {other}"))),
    };
    object.unwrap_or_default().into_iter().map(text).collect()
}
