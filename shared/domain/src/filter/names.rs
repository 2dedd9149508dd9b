//! What can be named in a condition, and the type of each.

/// What a condition is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flavour {
    /// Unknown names are attributes.
    Span,
    /// Names are strict; attributes are those of the root span.
    Trace,
    /// Names are strict; attributes are those of the root span of the first trace.
    Session,
}

/// Something that has fields: the subject of a condition, or an element of a collection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Record {
    Span,
    Trace,
    Session,
    SpanOfTrace,
    SpanOfSession,
    TraceOfSession,
    Annotation,
    CostDetail,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    Number,
    Text,
    /// Text in upper case, which literals are compared in.
    Code,
    Time,
    Boolean,
    /// The value of an attribute, read as what it is compared with.
    Json,
    /// Another span, of which only its presence can be asked.
    Span,
    /// Several texts, which can only be searched.
    Texts,
    Null,
}

impl Type {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Number => "number",
            Self::Text | Self::Code | Self::Texts => "string",
            Self::Time => "datetime",
            Self::Boolean => "boolean",
            Self::Json => "attribute",
            Self::Span => "span",
            Self::Null => "null",
        }
    }
}

/// A named value of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    SpanId,
    TraceId,
    ParentId,
    Name,
    SpanKind,
    StatusCode,
    StatusMessage,
    LatencyMs,
    StartTime,
    EndTime,
    /// The parent, if it is stored.
    ParentSpan,
    PromptTokens,
    CompletionTokens,
    TotalTokens,
    CumulativePromptTokens,
    CumulativeCompletionTokens,
    CumulativeTotalTokens,
    CumulativeErrors,
    PromptCost,
    CompletionCost,
    TotalCost,
    SpanCount,
    ErrorCount,
    LlmSpanCount,
    ToolSpanCount,
    Input,
    Output,
    UserId,
    SessionId,
    TraceCount,
    TracesWithError,
    FirstInput,
    LastOutput,
    AnyInput,
    AnyOutput,
    Score,
    Label,
    Explanation,
    Identifier,
    TokenType,
    IsPrompt,
    Tokens,
    Cost,
    CostPerToken,
}

impl Field {
    pub fn type_of(self) -> Type {
        match self {
            Self::SpanId
            | Self::TraceId
            | Self::ParentId
            | Self::Name
            | Self::StatusMessage
            | Self::SessionId
            | Self::Input
            | Self::Output
            | Self::FirstInput
            | Self::LastOutput
            | Self::Label
            | Self::Explanation
            | Self::Identifier
            | Self::TokenType => Type::Text,
            Self::SpanKind | Self::StatusCode => Type::Code,
            Self::StartTime | Self::EndTime => Type::Time,
            Self::IsPrompt => Type::Boolean,
            Self::UserId => Type::Json,
            Self::ParentSpan => Type::Span,
            Self::AnyInput | Self::AnyOutput => Type::Texts,
            _ => Type::Number,
        }
    }
}

/// Elements that a record has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Collection {
    Spans,
    Traces,
    Children,
    Siblings,
    /// Of a span, or of all spans of a trace or session.
    SpanAnnotations,
    TraceAnnotations,
    SessionAnnotations,
    /// Of a span, or of all spans of a trace or session.
    CostDetails,
}

/// Whose annotations `…annotations['name']` finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnnotationTarget {
    Span,
    Trace,
    Session,
}

type Named<T> = &'static [(&'static str, T)];

/// What several records have alike.
const COSTS: Named<Field> = &[
    ("prompt_cost", Field::PromptCost),
    ("completion_cost", Field::CompletionCost),
    ("total_cost", Field::TotalCost),
];
const TIMES: Named<Field> = &[("start_time", Field::StartTime), ("end_time", Field::EndTime)];
const LATENCY: Named<Field> = &[("latency_ms", Field::LatencyMs)];
const OPERATION: Named<Field> =
    &[("name", Field::Name), ("span_kind", Field::SpanKind), ("status_code", Field::StatusCode)];
const PARENT: Named<Field> = &[("parent_id", Field::ParentId), ("parent_span", Field::ParentSpan)];
const OWN_TOKENS: Named<Field> = &[
    ("llm_token_count_prompt", Field::PromptTokens),
    ("llm_token_count_completion", Field::CompletionTokens),
    ("llm_token_count_total", Field::TotalTokens),
];
const CUMULATIVE_TOKENS: Named<Field> = &[
    ("cumulative_llm_token_count_prompt", Field::CumulativePromptTokens),
    ("cumulative_llm_token_count_completion", Field::CumulativeCompletionTokens),
    ("cumulative_llm_token_count_total", Field::CumulativeTotalTokens),
];
/// Of traces and sessions: sums over their spans, and their user.
const ROLL_UPS: Named<Field> = &[
    ("llm_span_count", Field::LlmSpanCount),
    ("tool_span_count", Field::ToolSpanCount),
    ("token_count_prompt", Field::PromptTokens),
    ("token_count_completion", Field::CompletionTokens),
    ("token_count_total", Field::TotalTokens),
    ("user.id", Field::UserId),
];

const SPAN: Named<Field> = &[
    ("span_id", Field::SpanId),
    ("context.span_id", Field::SpanId),
    ("trace_id", Field::TraceId),
    ("context.trace_id", Field::TraceId),
    ("status_message", Field::StatusMessage),
    // Older names.
    ("cumulative_token_count.prompt", Field::CumulativePromptTokens),
    ("cumulative_token_count.completion", Field::CumulativeCompletionTokens),
    ("cumulative_token_count.total", Field::CumulativeTotalTokens),
];

const TRACE: Named<Field> = &[
    ("trace_id", Field::TraceId),
    ("num_spans", Field::SpanCount),
    ("error_count", Field::ErrorCount),
    ("input", Field::Input),
    ("output", Field::Output),
];

const SESSION: Named<Field> = &[
    ("session_id", Field::SessionId),
    ("duration_ms", Field::LatencyMs),
    ("num_traces", Field::TraceCount),
    ("num_traces_with_error", Field::TracesWithError),
    ("first_input", Field::FirstInput),
    ("last_output", Field::LastOutput),
    ("any_input", Field::AnyInput),
    ("any_output", Field::AnyOutput),
];

const SPAN_OF_TRACE: Named<Field> = &[("cumulative_error_count", Field::CumulativeErrors)];

const ANNOTATION: Named<Field> = &[
    ("name", Field::Name),
    ("label", Field::Label),
    ("score", Field::Score),
    ("identifier", Field::Identifier),
];

const COST_DETAIL: Named<Field> = &[
    ("token_type", Field::TokenType),
    ("is_prompt", Field::IsPrompt),
    ("tokens", Field::Tokens),
    ("cost", Field::Cost),
    ("cost_per_token", Field::CostPerToken),
];

impl Flavour {
    pub(super) fn record(self) -> Record {
        match self {
            Self::Span => Record::Span,
            Self::Trace => Record::Trace,
            Self::Session => Record::Session,
        }
    }

    /// Whose annotations this name looks up; an error says what to write instead.
    pub(super) fn annotations(self, name: &str) -> Option<Result<AnnotationTarget, &'static str>> {
        let found = match (self, name) {
            (Self::Span, "annotations" | "evals") => Ok(AnnotationTarget::Span),
            (Self::Span | Self::Trace, "trace_annotations") => Ok(AnnotationTarget::Trace),
            (Self::Session, "session_annotations") => Ok(AnnotationTarget::Session),
            (Self::Trace, "annotations" | "evals") => {
                Err("use `trace_annotations`, or iterate `span_annotations`")
            }
            (Self::Session, "annotations" | "evals" | "trace_annotations") => {
                Err("use `session_annotations`, or iterate `span_annotations`")
            }
            _ => return None,
        };
        Some(found)
    }
}

impl Record {
    /// Names and what they stand for.
    pub(super) fn fields(self) -> impl Iterator<Item = (&'static str, Field)> {
        let groups: &'static [Named<Field>] = match self {
            Self::Span => &[SPAN, OPERATION, LATENCY, TIMES, PARENT, CUMULATIVE_TOKENS, COSTS],
            Self::Trace => &[TRACE, LATENCY, TIMES, ROLL_UPS, COSTS],
            Self::Session => &[SESSION, TIMES, ROLL_UPS, COSTS],
            Self::SpanOfTrace => {
                &[SPAN_OF_TRACE, OPERATION, LATENCY, TIMES, PARENT, OWN_TOKENS, CUMULATIVE_TOKENS]
            }
            Self::SpanOfSession => &[OPERATION, LATENCY, OWN_TOKENS],
            Self::TraceOfSession => &[LATENCY, TIMES],
            Self::Annotation => &[ANNOTATION],
            Self::CostDetail => &[COST_DETAIL],
        };
        groups.iter().flat_map(|group| group.iter().copied())
    }

    pub(super) fn field(self, name: &str) -> Option<Field> {
        self.fields().find(|(known, _)| *known == name).map(|(_, field)| field)
    }

    /// What can be iterated, and what its elements are.
    pub(super) fn collections(self) -> Named<(Collection, Record)> {
        match self {
            Self::Span => &[("cost_details", (Collection::CostDetails, Self::CostDetail))],
            Self::Trace => &[
                ("spans", (Collection::Spans, Self::SpanOfTrace)),
                ("span_annotations", (Collection::SpanAnnotations, Self::Annotation)),
                ("trace_annotations", (Collection::TraceAnnotations, Self::Annotation)),
                ("span_cost_details", (Collection::CostDetails, Self::CostDetail)),
            ],
            Self::Session => &[
                ("traces", (Collection::Traces, Self::TraceOfSession)),
                ("spans", (Collection::Spans, Self::SpanOfSession)),
                ("span_annotations", (Collection::SpanAnnotations, Self::Annotation)),
                ("session_annotations", (Collection::SessionAnnotations, Self::Annotation)),
                ("span_cost_details", (Collection::CostDetails, Self::CostDetail)),
            ],
            Self::SpanOfTrace => &[
                ("children", (Collection::Children, Self::SpanOfTrace)),
                ("siblings", (Collection::Siblings, Self::SpanOfTrace)),
                ("annotations", (Collection::SpanAnnotations, Self::Annotation)),
                ("cost_details", (Collection::CostDetails, Self::CostDetail)),
            ],
            Self::TraceOfSession => &[("spans", (Collection::Spans, Self::SpanOfSession))],
            Self::SpanOfSession | Self::Annotation | Self::CostDetail => &[],
        }
    }

    pub(super) fn collection(self, name: &str) -> Option<(Collection, Self)> {
        self.collections().iter().find(|(known, _)| *known == name).map(|(_, found)| *found)
    }
}

/// Typed attributes: their names as conditions write them.
pub(super) const NUMERIC_ATTRIBUTES: [&str; 3] =
    ["llm.token_count.prompt", "llm.token_count.completion", "llm.token_count.total"];
