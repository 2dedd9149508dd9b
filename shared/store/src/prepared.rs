//! Spans made ready for writing: decoded and projected onto their row, away from the writer's thread.

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::sync::Arc;

use bennu_domain::cost::{Cost, PriceBook};
use bennu_domain::facets::{Facets, cut, storable_text};
use bennu_domain::ids::{SpanId, TraceId};
use bennu_domain::kind::{SpanKind, StatusCode};
use bennu_domain::otlp::{SpanOrigin, ValidRequest};
use bennu_domain::project::ProjectName;
use bennu_domain::span::{Span, SpanError, TokenCounts};
use bennu_domain::text_ids::TextIds;
use bennu_domain::time::Timestamp;
use bytes::Bytes;

use crate::blocks::{BlockEncoder, EncodedBlock};
use crate::error::StoreError;

/// Names are cut in the row, which only narrows filters and feeds lists of spans; the block keeps them whole.
pub(crate) const NAME_BYTES: usize = 256;
/// Counts beyond these are nonsense; within them no trace has spans enough for its sums to leave 64 bits, which
/// Postgres refuses and SQLite turns into doubles.
const TOKENS: RangeInclusive<i64> = -(1 << 40)..=1 << 40;
/// Session ids are keys of an index, where Postgres bounds the size of an entry to about 2,700 bytes.
const SESSION_ID_BYTES: usize = 1024;

/// A span, its bytes as sent, and the values of its narrow row.
#[derive(Debug, Clone)]
pub struct PreparedSpan {
    /// Project of its trace, if the trace is new.
    pub project: ProjectName,
    pub origin: Arc<SpanOrigin>,
    pub bytes: Bytes,
    pub trace_id: TraceId,
    pub span_id: SpanId,
    pub parent_id: Option<SpanId>,
    pub text_ids: Option<Box<TextIds>>,
    pub name: String,
    pub kind: SpanKind,
    pub status: StatusCode,
    pub start: Timestamp,
    pub end: Timestamp,
    /// Whether a later version may replace it.
    pub unfinished: bool,
    pub tokens: TokenCounts,
    /// `None` where no price is known.
    pub cost: Option<Cost>,
    pub session_id: Option<String>,
    pub facets: Facets,
    /// The spans of its trace in the same request, compressed: the work of other threads than the writer's.
    pub(crate) block: Arc<EncodedBlock>,
}

/// Why a request cannot be prepared; the edge has checked it, so this is a fault on the way.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    #[error(transparent)]
    Span(#[from] SpanError),
    #[error(transparent)]
    Block(#[from] StoreError),
}

impl PreparedSpan {
    /// Prepares every span of a request; `project` overrides what the resources say, `prices` says what they cost.
    pub fn from_request(
        request: ValidRequest,
        project: Option<&ProjectName>,
        prices: &PriceBook,
    ) -> Result<Vec<Self>, PrepareError> {
        let mut prepared = Vec::with_capacity(request.span_count());
        for group in request.into_groups() {
            let origin = Arc::new(group.origin);
            let project = project.cloned().or(group.project).unwrap_or_default();
            for bytes in group.spans {
                let span = Span::decode(&bytes)?;
                prepared.push(Self::new(&project, &origin, bytes, &span, prices.cost(&span)));
            }
        }
        compress_by_trace(&mut prepared)?;
        Ok(prepared)
    }

    fn new(
        project: &ProjectName,
        origin: &Arc<SpanOrigin>,
        bytes: Bytes,
        span: &Span,
        cost: Option<Cost>,
    ) -> Self {
        Self {
            project: project.clone(),
            origin: Arc::clone(origin),
            bytes,
            trace_id: span.trace_id,
            span_id: span.span_id,
            parent_id: span.parent_id,
            text_ids: span.text_ids.clone(),
            name: storable_text(cut(&span.name, NAME_BYTES)),
            kind: span.kind,
            status: span.status,
            start: span.start,
            end: span.end,
            unfinished: span.is_unfinished(),
            cost,
            tokens: bounded(span.token_counts().unwrap_or_default()),
            session_id: span.session_id().map(|id| storable_session_id(&id)),
            facets: Facets::of(&span.attributes),
            block: Arc::default(),
        }
    }
}

impl PreparedSpan {
    /// The time that it adds to its trace, in microseconds since 1970: that of a running span is its start.
    pub(crate) fn range(&self) -> (i64, i64) {
        let end = if self.unfinished { self.end.max(self.start) } else { self.end };
        (self.start.0, end.0)
    }
}

fn compress_by_trace(spans: &mut [PreparedSpan]) -> Result<(), StoreError> {
    let mut places: HashMap<TraceId, Vec<usize>> = HashMap::new();
    for (place, span) in spans.iter().enumerate() {
        places.entry(span.trace_id).or_default().push(place);
    }
    BlockEncoder::lend(|encoder| {
        for places in places.into_values() {
            let block = Arc::new(encoder.encode(places.iter().map(|place| &spans[*place]))?);
            for place in places {
                spans[place].block = Arc::clone(&block);
            }
        }
        Ok(())
    })
}

/// A session id as rows have it.
pub(crate) fn storable_session_id(id: &str) -> String {
    storable_text(cut(id, SESSION_ID_BYTES))
}

fn bounded(tokens: TokenCounts) -> TokenCounts {
    let bounded = |count: i64| count.clamp(*TOKENS.start(), *TOKENS.end());
    TokenCounts { prompt: bounded(tokens.prompt), completion: bounded(tokens.completion) }
}
