//! Ids in the sender's own words. JSON spans may have any text for an id; text that is no id of OpenTelemetry is known
//! by a hash (see [`TraceId::from_text`]) and kept beside it, so that every read gives the text back.

use crate::ids::{SpanId, TraceId};
use crate::own_attributes::{PARENT_ID_TEXT, Parted, SPAN_ID_TEXT, TRACE_ID_TEXT};

/// The texts that stand for the ids of a span; `None` where the id is its own text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TextIds {
    pub trace: Option<String>,
    pub span: Option<String>,
    pub parent: Option<String>,
}

impl TextIds {
    /// Reads the texts of a span with these ids. A text counts for the id that it stands for, and for no other.
    pub(crate) fn read(
        attributes: &Parted,
        trace: TraceId,
        span: SpanId,
        parent: Option<SpanId>,
    ) -> Option<Box<Self>> {
        let text = |key: &str, stands: &dyn Fn(&str) -> bool| {
            attributes.text(key).filter(|text| stands(text)).map(str::to_owned)
        };
        let texts = Self {
            trace: text(TRACE_ID_TEXT, &|text| TraceId::from_text(text) == trace),
            span: text(SPAN_ID_TEXT, &|text| SpanId::from_text(text) == span),
            parent: text(PARENT_ID_TEXT, &|text| Some(SpanId::from_text(text)) == parent),
        };
        (texts != Self::default()).then(|| Box::new(texts))
    }
}
