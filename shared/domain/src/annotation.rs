//! Annotations: judgements about spans, traces, sessions and the documents of spans.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::facets::storable_text;
use crate::ids::UserId;
use crate::kind::codes;

codes!(
    /// What an annotation is about.
    TargetKind {
        Span = 1 "span",
        Trace = 2 "trace",
        Session = 3 "session",
        Document = 4 "document",
    }
);

codes!(
    /// Who judged.
    #[derive(Serialize, Deserialize)]
    #[serde(rename_all = "UPPERCASE")]
    AnnotatorKind {
        Llm = 1 "LLM",
        Code = 2 "CODE",
        Human = 3 "HUMAN",
    }
);

codes!(
    /// The way an annotation came in: over the API, or from the user interface.
    #[derive(Serialize, Deserialize)]
    #[serde(rename_all = "UPPERCASE")]
    AnnotationSource {
        Api = 1 "API",
        App = 2 "APP",
    }
);

/// The name under which notes are kept; annotations of spans, traces and sessions may not use it.
pub const NOTE_NAME: &str = "note";

/// Names and identifiers are keys of an index, where Postgres bounds the size of an entry to about 2,700 bytes.
pub const MAX_KEY_BYTES: usize = 1024;

impl TargetKind {
    pub const ALL: [Self; 4] = [Self::Span, Self::Trace, Self::Session, Self::Document];

    /// The type name in the GlobalIds of its annotations.
    pub fn type_name(self) -> &'static str {
        match self {
            Self::Span => "SpanAnnotation",
            Self::Trace => "TraceAnnotation",
            Self::Session => "ProjectSessionAnnotation",
            Self::Document => "DocumentAnnotation",
        }
    }
}

/// What an annotation is about, by the ids that tracers gave.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Target {
    Span(String),
    Trace(String),
    Session(String),
    /// A document that a span retrieved; positions count from 0.
    Document(String, i64),
}

impl Target {
    pub fn kind(&self) -> TargetKind {
        match self {
            Self::Span(_) => TargetKind::Span,
            Self::Trace(_) => TargetKind::Trace,
            Self::Session(_) => TargetKind::Session,
            Self::Document(..) => TargetKind::Document,
        }
    }

    /// The id of the span, trace or session, as the tracer gave it.
    pub fn id(&self) -> &str {
        match self {
            Self::Span(id) | Self::Trace(id) | Self::Session(id) | Self::Document(id, _) => id,
        }
    }
}

/// The verdict of an annotation; a score is finite.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Verdict {
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub label: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub score: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub explanation: Option<String>,
}

/// An annotation to store. One of the same target, name and identifier is replaced.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Annotation {
    pub target: Target,
    pub name: String,
    pub identifier: String,
    pub annotator: AnnotatorKind,
    pub source: AnnotationSource,
    /// The account in whose name it came; nobody's where authentication is off.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub user: Option<UserId>,
    pub verdict: Verdict,
    /// A JSON object, as text.
    pub metadata: String,
}

/// Why a document cannot be annotated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutOfBounds {
    pub position: i64,
    /// Position of the last document; -1 if the span has none.
    pub last: i64,
}

impl Annotation {
    /// With text that every database takes, and without scores that are no numbers, which read as no score. Nearly all are so
    /// from the start.
    #[must_use]
    pub fn storable(&self) -> Cow<'_, Self> {
        let Verdict { label, score, explanation } = &self.verdict;
        let texts = [Some(&self.name), Some(&self.identifier), label.as_ref(), explanation.as_ref()];
        let good_texts = !texts.into_iter().flatten().any(|text| text.contains('\0'));
        if good_texts && score.is_none_or(f64::is_finite) {
            return Cow::Borrowed(self);
        }
        let verdict = Verdict {
            label: label.as_deref().map(storable_text),
            score: score.filter(|score| score.is_finite()),
            explanation: explanation.as_deref().map(storable_text),
        };
        let (name, identifier) = (storable_text(&self.name), storable_text(&self.identifier));
        Cow::Owned(Self { name, identifier, verdict, ..self.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn annotation() -> Annotation {
        Annotation {
            target: Target::Document("0af7651916cd43dd".to_owned(), 2),
            name: "relevance".to_owned(),
            identifier: String::new(),
            annotator: AnnotatorKind::Llm,
            source: AnnotationSource::Api,
            user: Some(UserId(7)),
            verdict: Verdict { label: None, score: Some(0.1 + 0.2), explanation: Some("é".to_owned()) },
            metadata: r#"{"a":1}"#.to_owned(),
        }
    }

    #[test]
    fn an_annotation_survives_the_way_through_a_queue() {
        let text = serde_json::to_string(&annotation()).unwrap();
        assert_eq!(serde_json::from_str::<Annotation>(&text).unwrap(), annotation());
    }

    #[test]
    fn what_no_database_takes_is_replaced() {
        assert!(matches!(annotation().storable(), Cow::Borrowed(_)));
        let mut odd = annotation();
        odd.name = "a\0b".to_owned();
        odd.verdict = Verdict { label: Some("\0".to_owned()), score: Some(f64::NAN), explanation: None };
        let stored = odd.storable();
        assert_eq!(stored.name, "a\u{FFFD}b");
        assert_eq!(stored.verdict, Verdict { label: Some("\u{FFFD}".to_owned()), ..Verdict::default() });
    }
}
