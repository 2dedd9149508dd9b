//! From spans to the rows of a frame.

use std::borrow::Cow;

use bennu_domain::attributes::{conventional, plain_text};
use bennu_domain::filter::{Selected, SpanFacts};
use bennu_domain::span::{Span, SpanEvent};
use serde_json::{Map, Value, json};

use super::frame::{Cell, Frame};
use super::query::{FrameQuery, ListQuery, Named};

/// What every span has, in the order of the columns.
const BASE_COLUMNS: [&str; 10] = [
    "name",
    "span_kind",
    "parent_id",
    "start_time",
    "end_time",
    "status_code",
    "status_message",
    "events",
    "context.span_id",
    "context.trace_id",
];

impl FrameQuery {
    /// Whether the span gives rows: one without the list that is exploded or concatenated does not.
    pub fn takes(&self, span: &SpanFacts) -> bool {
        let lists = self.explode.iter().chain(&self.concat);
        lists.into_iter().all(|list| list.elements(span).is_some())
    }

    /// The frame of these spans, all of which it [takes](Self::takes).
    pub fn frame(&self, spans: Vec<SpanFacts>) -> Frame {
        let mut frame = if self.takes_everything() { everything(spans) } else { self.selected(&spans) };
        frame.finish();
        frame
    }

    fn selected(&self, spans: &[SpanFacts]) -> Frame {
        let position = self.explode.as_ref().map(|explode| explode.position_name().to_owned());
        let mut frame = Frame::new([self.index.label.clone()].into_iter().chain(position));
        // What the index shows already is no column too, unless it was asked for under its short name.
        let shown = |named: &&Named| named.is_own_label && named.label == self.index.label;
        let select = || self.select.iter().filter(|named| !shown(named));
        for named in select() {
            frame.place_of(&named.label);
        }
        for span in spans {
            let index = cell(self.index.projection.value(span));
            let elements = self.explode.as_ref().map(|explode| (explode, explode.elements(span)));
            let rows =
                elements.as_ref().map_or(1, |(_, elements)| elements.as_ref().map_or(0, |list| list.len()));
            for row in 0..rows {
                frame.begin_row([index.clone(), Cell::Json(Value::from(row))]);
                for named in select() {
                    frame.set(&named.label, cell(named.projection.value(span)));
                }
                if let Some(concat) = &self.concat {
                    concat.add_joined(span, &mut frame);
                }
                if let Some((explode, Some(elements))) = &elements {
                    explode.add_element(&elements[row], &mut frame);
                }
            }
        }
        if frame.rows == 0 {
            let lists = self.concat.iter().chain(&self.explode);
            lists.flat_map(|list| &list.parts).for_each(|(label, _)| {
                frame.place_of(label);
            });
        }
        for (old, new) in &self.rename {
            frame.rename(old, new);
        }
        frame
    }
}

impl ListQuery {
    fn elements<'a>(&'a self, span: &'a SpanFacts) -> Option<Cow<'a, [Value]>> {
        match self.list.value(span) {
            Selected::Json(Cow::Borrowed(Value::Array(items))) => Some(Cow::Borrowed(items)),
            Selected::Json(Cow::Owned(Value::Array(items))) => Some(Cow::Owned(items)),
            Selected::Null | Selected::Time(_) | Selected::Json(_) => None,
        }
    }

    /// The parts of one element as columns; without parts everything in it, under dotted names.
    fn add_element(&self, element: &Value, frame: &mut Frame) {
        if !self.parts.is_empty() {
            for (label, path) in &self.parts {
                if let Some(found) = part_of(element, path) {
                    frame.set(label, json_cell(found));
                }
            }
            return;
        }
        match element {
            Value::Object(members) => add_flat(members, "", frame),
            other => frame.set(&self.key, json_cell(other)),
        }
    }

    /// The parts of all elements, joined into one text each.
    fn add_joined(&self, span: &SpanFacts, frame: &mut Frame) {
        let Some(elements) = self.elements(span) else { return };
        let join = |texts: Vec<String>| Cell::Json(Value::from(texts.join(&self.separator)));
        if self.parts.is_empty() {
            frame.set(&self.key, join(elements.iter().map(plain_text).collect()));
        }
        for (label, path) in &self.parts {
            let texts: Vec<String> =
                elements.iter().filter_map(|element| part_of(element, path)).map(plain_text).collect();
            if !texts.is_empty() {
                frame.set(label, join(texts));
            }
        }
    }
}

fn part_of<'v>(element: &'v Value, path: &[String]) -> Option<&'v Value> {
    path.iter().try_fold(element, |value, key| value.get(key))
}

fn add_flat(members: &Map<String, Value>, prefix: &str, frame: &mut Frame) {
    for (key, value) in members {
        let name = format!("{prefix}{key}");
        match value {
            Value::Object(inner) => add_flat(inner, &format!("{name}."), frame),
            other => frame.set(&name, json_cell(other)),
        }
    }
}

fn cell(selected: Selected) -> Cell {
    match selected {
        Selected::Null => Cell::Null,
        Selected::Time(time) => Cell::Time(time),
        Selected::Json(json) => Cell::Json(json.into_owned()),
    }
}

fn json_cell(value: &Value) -> Cell {
    if value.is_null() { Cell::Null } else { Cell::Json(value.clone()) }
}

fn everything(spans: Vec<SpanFacts>) -> Frame {
    let mut frame = Frame::new(["context.span_id".to_owned()]);
    for name in BASE_COLUMNS {
        frame.place_of(name);
    }
    for SpanFacts { span, .. } in spans {
        add_span(span, &mut frame);
    }
    frame
}

fn add_span(span: Span, frame: &mut Frame) {
    let text = |text: String| Cell::Json(Value::from(text));
    let (id, trace_id) = (text(span.span_id_text()), text(span.trace_id_text()));
    let parent_id = span.parent_id_text().map_or(Cell::Null, text);
    frame.begin_row([id.clone()]);
    let base = [
        text(span.name),
        text(span.kind.as_str().to_owned()),
        parent_id,
        Cell::Time(span.start),
        Cell::Time(span.end),
        text(span.status.as_str().to_owned()),
        text(span.status_message),
        Cell::Json(span.events.iter().map(event).collect()),
        id,
        trace_id,
    ];
    for (name, cell) in BASE_COLUMNS.into_iter().zip(base) {
        frame.set(name, cell);
    }
    for (name, value) in conventional(&span.attributes) {
        if !value.is_null() {
            frame.set(&format!("attributes.{name}"), Cell::Json(value));
        }
    }
}

fn event(event: &SpanEvent) -> Value {
    json!({ "name": event.name, "timestamp": event.time.to_string(), "attributes": event.attributes })
}
