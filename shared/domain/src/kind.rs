//! OpenInference span kinds and OTLP status codes.

/// Where the kind of a span stands among its attributes.
pub const SPAN_KIND_ATTRIBUTE: &[&str] = &["openinference", "span", "kind"];

macro_rules! codes {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $number:literal $text:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name { $($variant = $number),* }

        impl $name {
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),* }
            }

            /// Reads the upper-case name.
            pub fn parse(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$variant),)* _ => None }
            }

            /// The number it is stored under; numbers are never reused.
            pub fn code(self) -> i16 {
                self as i16
            }

            pub fn from_code(code: i16) -> Option<Self> {
                match code { $($number => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

pub(crate) use codes;

codes!(
    /// OpenInference `openinference.span.kind`.
    SpanKind {
        Unknown = 0 "UNKNOWN",
        Llm = 1 "LLM",
        Chain = 2 "CHAIN",
        Tool = 3 "TOOL",
        Retriever = 4 "RETRIEVER",
        Embedding = 5 "EMBEDDING",
        Agent = 6 "AGENT",
        Reranker = 7 "RERANKER",
        Evaluator = 8 "EVALUATOR",
        Guardrail = 9 "GUARDRAIL",
        Prompt = 10 "PROMPT",
        Decision = 11 "DECISION",
    }
);

codes!(
    /// OTLP `Status.code`; stored under OTLP's own numbers.
    StatusCode {
        Unset = 0 "UNSET",
        Ok = 1 "OK",
        Error = 2 "ERROR",
    }
);

impl StatusCode {
    /// Numbers that OTLP does not define read as unset.
    pub fn from_otlp(code: i32) -> Self {
        i16::try_from(code).ok().and_then(Self::from_code).unwrap_or(Self::Unset)
    }
}
