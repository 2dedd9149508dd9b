//! What conditions read of traces and sessions.

use std::collections::{HashMap, HashSet};

use bennu_domain::annotation::TargetKind;
use bennu_domain::attributes::Attributes;
use bennu_domain::cost::CostDetail;
use bennu_domain::filter::{self, Needs, SpanContext, SpanFacts, TraceFacts};
use bennu_domain::ids::{SpanId, TraceId};
use bennu_domain::kind::{SpanKind, StatusCode};
use bennu_domain::span::{Span, TokenCounts};
use bennu_domain::span_tree::{TreeSpan, cumulative};
use bennu_domain::text_ids::TextIds;
use bennu_domain::time::Timestamp;
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _};

use crate::blocks::load_spans;
use crate::conditions::parent_is_missing;
use crate::entities::{span, trace};
use crate::error::StoreError;
use crate::span_facts::own_sums;
use crate::store::ScopedStore;
use crate::traces::read_trace;

/// Spans decoded at once; bounds the memory.
const SPANS_AT_ONCE: usize = 500;

impl ScopedStore<'_> {
    /// The facts of some traces, in the order of their rows.
    pub(crate) async fn trace_facts(
        self,
        rows: &[trace::Model],
        needs: Needs,
    ) -> Result<Vec<TraceFacts>, StoreError> {
        let ids: Vec<i64> = rows.iter().map(|row| row.id).collect();
        let mut spans = if needs.of_spans() { self.spans_of(&ids).await? } else { HashMap::new() };
        let mut roots = if needs.attributes { self.roots_of(&ids).await? } else { HashMap::new() };
        let mut annotations = HashMap::new();
        if needs.trace_annotations {
            annotations = self.annotation_facts(TargetKind::Trace, &ids).await?;
        }
        let mut of_spans = HashMap::new();
        if needs.span_annotations {
            let spans: Vec<i64> = spans.values().flatten().map(|row| row.id).collect();
            of_spans = self.annotation_facts(TargetKind::Span, &spans).await?;
        }
        let mut cost_details = HashMap::new();
        if needs.cost_details {
            cost_details = self.cost_details_of(spans.values().flatten()).await?;
        }
        rows.iter()
            .map(|row| {
                let trace = read_trace(row)?;
                Ok(TraceFacts {
                    trace_id: trace.trace_id,
                    trace_id_text: trace.trace_id_text(),
                    start: trace.start,
                    end: trace.end,
                    span_count: row.span_count,
                    error_count: row.error_count,
                    tokens: trace.tokens,
                    cost: trace.cost,
                    spans: spans
                        .remove(&row.id)
                        .map(|spans| with_context(spans, trace.trace_id, &mut of_spans, &mut cost_details))
                        .unwrap_or_default(),
                    root: roots.remove(&row.id),
                    annotations: annotations.remove(&row.id).unwrap_or_default(),
                })
            })
            .collect()
    }

    /// What the spans cost by kind of token, which only their attributes tell.
    async fn cost_details_of(
        self,
        rows: impl Iterator<Item = &span::Model>,
    ) -> Result<HashMap<i64, Vec<CostDetail>>, StoreError> {
        let prices = self.price_book().await?;
        let of_models: Vec<span::Model> =
            rows.filter(|row| row.kind == SpanKind::Llm.code()).cloned().collect();
        let mut details = HashMap::with_capacity(of_models.len());
        for some in of_models.chunks(SPANS_AT_ONCE) {
            let spans = some.iter().zip(load_spans(self, some).await?);
            details
                .extend(spans.filter_map(|(row, span)| Some((row.id, prices.details(&span?, row.cost())))));
        }
        Ok(details)
    }

    /// The rows of all spans of the traces, with their full names.
    async fn spans_of(self, traces: &[i64]) -> Result<HashMap<i64, Vec<span::Model>>, StoreError> {
        let rows = span::Entity::find()
            .filter(span::Column::TenantId.eq(self.tenant))
            .filter(span::Column::TraceRowId.is_in(traces.iter().copied()))
            .all(&self.reads())
            .await?;
        let mut names = self.cut_names(&rows).await?;
        let mut by_trace: HashMap<i64, Vec<span::Model>> = HashMap::new();
        for mut row in rows {
            row.name = names.remove(&row.id).unwrap_or(row.name);
            by_trace.entry(row.trace_row_id).or_default().push(row);
        }
        Ok(by_trace)
    }

    /// The earliest span of each trace whose parent is not stored, the latest to arrive of several.
    async fn roots_of(self, traces: &[i64]) -> Result<HashMap<i64, Span>, StoreError> {
        let mut rows = span::Entity::find()
            .filter(span::Column::TenantId.eq(self.tenant))
            .filter(span::Column::TraceRowId.is_in(traces.iter().copied()))
            .filter(parent_is_missing())
            .order_by_asc(span::Column::TraceRowId)
            .order_by_asc(span::Column::StartTime)
            .order_by_desc(span::Column::Id)
            .all(&self.reads())
            .await?;
        rows.dedup_by_key(|row| row.trace_row_id);
        let mut roots = HashMap::with_capacity(rows.len());
        for some in rows.chunks(SPANS_AT_ONCE) {
            let spans = load_spans(self, some).await?;
            roots.extend(some.iter().zip(spans).filter_map(|(row, span)| Some((row.trace_row_id, span?))));
        }
        Ok(roots)
    }
}

/// The spans of one trace as their rows tell them: without attributes and events.
fn with_context(
    rows: Vec<span::Model>,
    trace_id: TraceId,
    annotations: &mut HashMap<i64, Vec<filter::Annotation>>,
    cost_details: &mut HashMap<i64, Vec<CostDetail>>,
) -> Vec<SpanFacts> {
    let tree: Vec<TreeSpan> = rows.iter().filter_map(tree_span).collect();
    let stored: HashSet<SpanId> = tree.iter().map(|span| span.id).collect();
    let sums = cumulative(&tree);
    rows.into_iter()
        .zip(tree.into_iter().zip(sums))
        .map(|(row, (place, cumulative))| {
            let kind = SpanKind::from_code(row.kind).unwrap_or(SpanKind::Unknown);
            let tokens = TokenCounts { prompt: row.prompt_tokens, completion: row.completion_tokens };
            let tokens = (kind == SpanKind::Llm).then_some(tokens);
            let context = SpanContext {
                tokens,
                cumulative,
                parent_is_stored: place.parent.is_some_and(|parent| stored.contains(&parent)),
                cost: row.cost().unwrap_or_default(),
                cost_details: cost_details.remove(&row.id).unwrap_or_default(),
                annotations: annotations.remove(&row.id).unwrap_or_default(),
                ..SpanContext::default()
            };
            let texts = TextIds { trace: None, span: row.span_text, parent: row.parent_text };
            let span = Span {
                trace_id,
                span_id: place.id,
                parent_id: place.parent,
                text_ids: (texts != TextIds::default()).then(|| Box::new(texts)),
                name: row.name,
                kind,
                start: Timestamp(row.start_time),
                end: Timestamp(row.end_time),
                status: StatusCode::from_code(row.status).unwrap_or(StatusCode::Unset),
                status_message: String::new(),
                attributes: Attributes::new(),
                events: Vec::new(),
            };
            SpanFacts { span, context }
        })
        .collect()
}

/// Rows always have a valid span id, so that none is left out.
fn tree_span(row: &span::Model) -> Option<TreeSpan> {
    let tokens = TokenCounts { prompt: row.prompt_tokens, completion: row.completion_tokens };
    Some(TreeSpan {
        id: SpanId::from_bytes(&row.span_id).ok()?,
        parent: row.parent_id.as_deref().and_then(|id| SpanId::from_bytes(id).ok()),
        own: own_sums(tokens, row.status),
    })
}
